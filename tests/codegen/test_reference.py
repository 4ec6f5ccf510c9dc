"""A generated file opens with what it computes: plain steps in plain NumPy, compared with the compiled functions."""

from pathlib import Path

import numpy as np
import pytest
import shared_kernels
from interpreted import interpreted

from eomsym.codegen import KernelSpec, kernel_for
from eomsym.models import ExpressionLoss

NETWORKS = ["moons", "teacher", "tiny", *shared_kernels.ACCURACY, *shared_kernels.NORMALIZED]


def data_of(model, seed=0):
    random = np.random.default_rng(seed)
    inputs = random.standard_normal((9, model.layers[0]))
    labels = random.integers(0, model.layers[-1], 9)
    return inputs, labels if model.loss == "cross-entropy" else random.standard_normal((9, model.layers[-1]))


def relative(rows, expected):
    return np.linalg.norm(rows - expected, axis=1) / np.linalg.norm(expected, axis=1)


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_what_the_compiled_functions_give(name):
    kernel = shared_kernels.kernel(name)
    theta, data = kernel.model.initial(0), data_of(kernel.model)
    rows = kernel._module.reference(theta, kernel.order, *data)
    expected = kernel.counterterms(theta, *data)
    errors = relative(rows, expected)
    if kernel.order <= 3:  # the compiled functions take the same steps
        np.testing.assert_array_equal(rows, expected)
    assert errors[:5].max() < 1e-12
    assert errors.max() < 1e-9  # far steps cost digits, which is why the compiled functions take others


def test_weights_of_a_degree_less_would_not_do(monkeypatch):
    kernel = shared_kernels.kernel("moons")
    theta, data = kernel.model.initial(0), data_of(kernel.model)
    lower = kernel._module.WEIGHTS_OF_STEPS[:-1]
    monkeypatch.setattr(kernel._module, "WEIGHTS_OF_STEPS", [*lower, [*lower[-1], 0.0]])
    rows = kernel._module.reference(theta, kernel.order, *data)
    assert relative(rows, kernel.counterterms(theta, *data))[-1] > 1e-3


def test_it_is_what_a_written_loss_gives():
    kernel = interpreted(KernelSpec(ExpressionLoss("exp(-x*y) + log(1 + a*x**2)", ["x", "y"], ["a"]), 6))
    theta, constants = np.array([0.3, -0.7]), np.array([1.5])
    rows = kernel._module.reference(theta, 6, constants)
    assert relative(rows, kernel.counterterms(theta, constants)).max() < 1e-10


def test_it_stands_first():
    kernel = kernel_for(KernelSpec(ExpressionLoss("x**2", ["x"]), 1))
    source = Path(kernel._module.__file__).read_text()
    assert source.index("def reference") < source.index("def loss") < source.index("def _")
