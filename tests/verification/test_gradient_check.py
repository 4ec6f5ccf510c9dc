"""A kernel's gradient against differences of its loss: right ones pass wherever they are, wrong ones are refused."""

import numpy as np
import pytest
import shared_kernels
from asking import verify
from interpreted import interpreted

from eomsym.codegen import KernelSpec
from eomsym.errors import KernelError
from eomsym.models import ExpressionLoss, VectorField
from eomsym.verification.accuracy import check_gradient


class Changed:
    """A kernel with another loss, or another gradient."""

    def __init__(self, kernel, **changes):
        self._kernel, self._changes = kernel, changes

    def __getattr__(self, name):
        honest = getattr(self._kernel, name)
        if name not in self._changes:
            return honest
        return lambda *arguments: self._changes[name](honest(*arguments))


def data(model):
    random = np.random.default_rng(0)
    inputs, numbers = (random.standard_normal((7, width)) for width in (model.layers[0], model.layers[-1]))
    return inputs, numbers if model.loss == "mse" else random.integers(0, model.layers[-1], 7)


def transposed(model):
    """The gradient with that of a square matrix transposed."""
    fan_in, fan_out = model.layers[1:3]
    start = (model.layers[0] + 1) * fan_in
    places = np.arange(model.size)
    block = slice(start, start + fan_in * fan_out)
    places[block] = places[block].reshape(fan_in, fan_out).T.ravel()
    return lambda gradient: gradient[places]


@pytest.mark.parametrize("name", ["digits", "tiny", "tiny, double-double", "gelu mse", "batch", "alternating-players"])
def test_generated_kernels_pass(name):
    kernel = shared_kernels.kernel(name)
    check_gradient(kernel, kernel.model.initial(0), data(kernel.model))


EXPRESSIONS = [
    ("x**2/2", [0.0]),
    ("x**2/2", [1e-200]),
    ("(x-1)**2/2 + y**2", [1.0, 0.0]),
    ("(x-1)**2/2 + 1e12", [1.0001]),
    ("(x-0.3)**4", [0.3]),
    ("sin(1000000*x)", [0.7]),
    ("exp(100*x)", [1.3]),
    ("sqrt(x)*y", [1e-9, 1.0]),
    ("log(x)", [1e-12]),
    ("1e30*x**2 + y", [2.0, 1e20]),
    ("3", [0.3]),
]


@pytest.mark.parametrize(("text", "point"), EXPRESSIONS)
def test_right_gradients_pass_at_awkward_places(text, point):
    """Stationary points, edges of where a loss is defined, losses that are large, flat or fast."""
    kernel = interpreted(KernelSpec(ExpressionLoss(text, ["x", "y"][: len(point)]), 1))
    check_gradient(kernel, np.array(point), ())


def test_what_has_no_loss_passes():
    field = interpreted(KernelSpec(VectorField(["-y", "x"], ["x", "y"]), 1))
    check_gradient(field, np.ones(2), ())
    check_gradient(object(), np.ones(2), ())


@pytest.mark.parametrize("change", ["transposed", "a part in 1e5"])
def test_wrong_gradients_are_refused(change):
    kernel = shared_kernels.kernel("tanh mse")
    slip = transposed(kernel.model) if change == "transposed" else lambda gradient: gradient * (1 + 1e-5)
    with pytest.raises(KernelError, match=r"not that of its loss: .* grows by .* a unit, and the gradient says"):
        check_gradient(Changed(kernel, gradient=slip), kernel.model.initial(0), data(kernel.model))


@pytest.mark.parametrize(
    "asked",
    [{}, {"optimizer": "heavy-ball", "state": "whole"}, {"schedule": "1 + tau"}],
    ids=["slow", "whole", "loop"],
)
def test_a_study_refuses_such_a_kernel(asked):
    """Whatever is followed: the optimiser and its equation of motion would agree on the wrong field."""
    kernel = Changed(shared_kernels.kernel("moons"), loss=lambda loss: 1.1 * loss)
    with pytest.raises(KernelError, match="its gradient is not that of its loss"):
        verify(kernel=kernel, data="moons", orders=[0], etas=[0.1, 0.025], **asked)
