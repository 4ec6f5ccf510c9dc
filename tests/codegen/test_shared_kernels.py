"""The table of kernels that tests share: each is what its specification says.  Whole runs begin by compiling them."""

import pytest
import shared_kernels
from shared_kernels import SPECS

from eomsym.models import ACTIVATIONS, LOSSES, NORMALIZATIONS


@pytest.mark.parametrize("name", SPECS)
def test_it_is_what_its_specification_says(name):
    kernel = shared_kernels.kernel(name)
    assert kernel.spec == SPECS[name]
    assert kernel.size == kernel.model.size
    assert kernel is shared_kernels.kernel(name)


def test_every_activation_loss_and_normalization_is_in_it():
    models = [spec.model for spec in SPECS.values()]
    assert {model.activation for model in models} == set(ACTIVATIONS)
    assert {model.loss for model in models} == set(LOSSES)
    assert {model.normalization for model in models} == set(NORMALIZATIONS)
    assert len(set(SPECS.values())) == len(SPECS)
