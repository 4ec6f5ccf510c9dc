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

ORDER = 6
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


@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("layers", [[3, 5, 2], [2, 4, 4, 3]], ids=str)
def test_ten_digits_of_seven_rows(layers, activation, loss):
    model, random = MLP(layers, activation, loss), np.random.default_rng(0)
    theta = 0.7 * random.standard_normal(sum((rows + 1) * columns for rows, columns in pairwise(layers)))
    inputs = random.standard_normal((6, layers[0]))
    targets = random.integers(0, layers[-1], 6) if loss == "cross-entropy" else random.standard_normal((6, layers[-1]))
    with gmpy2.context(gmpy2.get_context(), precision=high_precision.BITS):
        data = high_precision.exact(inputs), targets if loss == "cross-entropy" else high_precision.exact(targets)
        rows = high_precision.modified_field(
            lambda t: -high_precision.gradient(model, t, *data), high_precision.exact(theta), ORDER + 1
        )
        exact = -np.array(rows, dtype=float)

    def measured(parameters):
        scores, wanted = network(model, parameters, torch.from_numpy(inputs)), torch.from_numpy(targets)
        if loss == "mse":
            return (scores - wanted).square().sum() / (2 * len(inputs))
        return functional.cross_entropy(scores, wanted)

    found = torch.stack(eomsym.torch.counterterms(measured, torch.from_numpy(theta), ORDER)).numpy()
    assert (np.linalg.norm(found - exact, axis=1) <= 1e-10 * np.linalg.norm(exact, axis=1)).all()
