"""The description of a network: what is refused, and where training starts."""

import numpy as np
import pytest

from eomsym.errors import InputError
from eomsym.models import MLP


@pytest.mark.parametrize("width", [0, -3, True, 2.0, "3", 100_001])
def test_widths_are_numbers_of_units(width):
    with pytest.raises(InputError, match=r"width .*: (not an|out of range; give an) integer.* from 1 to 100000"):
        MLP([2, width, 1], loss="mse")
    assert MLP([2, 1, 1], loss="mse").size == 5


def test_the_start_has_the_variance_that_keeps_activations_in_range():
    theta = MLP([400, 100, 10]).initial(0)
    first, biases = theta[: 400 * 100], theta[400 * 100 : 401 * 100]
    second = theta[401 * 100 : 401 * 100 + 100 * 10]
    assert np.std(first) == pytest.approx(1 / 20, rel=0.02)  # 1/√400, from 40000 draws
    assert np.std(second) == pytest.approx(1 / 10, rel=0.1)
    assert np.std(biases) == pytest.approx(0.1, rel=0.25)
    assert abs(first.mean()) < 1e-3


def test_a_seed_names_a_start():
    model = MLP([3, 4, 2])
    assert np.array_equal(model.initial(7), model.initial(7))
    assert not np.array_equal(model.initial(7), model.initial(8))
