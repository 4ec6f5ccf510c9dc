"""How many digits of the counter terms of networks are right, against plain gradient descent in many digits."""

from itertools import pairwise

import numpy as np
import pytest

gmpy2 = pytest.importorskip("gmpy2", reason="many digits need gmpy2")
torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

import high_precision  # noqa: E402
from torch.nn import functional  # noqa: E402

import eomsym.torch  # noqa: E402
from eomsym.models import MLP  # noqa: E402

ACTIVATIONS = {
    "tanh": torch.tanh,
    "gelu": functional.gelu,
    "softplus": functional.softplus,
    "silu": functional.silu,
    "sigmoid": torch.sigmoid,
}


def network(model, theta, inputs):
    place, state = 0, inputs
    for layer, (rows, columns) in enumerate(pairwise(model.layers)):
        weight = theta[place : place + rows * columns].reshape(rows, columns)
        state = state @ weight + theta[place + rows * columns : place + (rows + 1) * columns]
        place += (rows + 1) * columns
        state = ACTIVATIONS[model.activation](state) if layer < len(model.layers) - 2 else state
    return state


def relative_errors(model, order, **digits):
    theta, inputs, targets = high_precision.problem(model)
    exact = high_precision.counterterms(model, theta, inputs, targets, order, **digits)

    def measured(parameters):
        scores, wanted = network(model, parameters, torch.from_numpy(inputs)), torch.from_numpy(targets)
        if model.loss == "mse":
            return (scores - wanted).square().sum() / (2 * len(inputs))
        return functional.cross_entropy(scores, wanted)

    found = torch.stack(eomsym.torch.counterterms(measured, torch.from_numpy(theta), order)).numpy()
    return np.linalg.norm(found - exact, axis=1) / np.linalg.norm(exact, axis=1)


@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("layers", [[3, 5, 2], [2, 4, 4, 3]], ids=str)
def test_thirteen_digits_of_seven_rows(layers, activation, loss):
    assert relative_errors(MLP(layers, activation, loss), 6).max() <= 1e-13


def test_eleven_digits_of_thirteen_rows():
    errors = relative_errors(MLP([2, 4, 4, 3], "tanh", "cross-entropy"), 12, bits=2600, spacing=-50)
    assert errors[:9].max() <= 1e-12
    assert errors.max() <= 1e-11
