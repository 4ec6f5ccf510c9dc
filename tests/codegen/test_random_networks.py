"""Kernels of networks drawn at random: certified by ball arithmetic, and blind to what must not matter.

Each network is compiled, which takes seconds: one of them here, more in the slow tests.
"""

import asking
import numpy as np
import pytest

from eomsym.codegen import KernelSpec, kernel_for
from eomsym.models import ACTIVATIONS, LOSSES, MLP

ORDER = 4
#: Relative error of a row; random targets make terms cancel, which costs digits.
ROUND_OFF = 1e-10


def drawn(seed):
    """A network of up to two hidden layers with up to six units, up to five samples of data, and a place."""
    random = np.random.default_rng(seed)
    layers = random.integers(1, 7, random.integers(2, 5)).tolist()
    loss = LOSSES[seed % 2]
    if loss == "cross-entropy":
        layers[-1] += 1
    model = MLP(layers, str(random.choice(ACTIVATIONS)), loss, weight_decay=float(random.choice([0.0, 0.1])))
    samples = int(random.integers(1, 6))
    inputs = random.standard_normal((samples, layers[0]))
    numbers, labels = random.standard_normal((samples, layers[-1])), random.integers(0, layers[-1], samples)
    return model, random, (inputs, numbers if loss == "mse" else labels)


def check(seed):
    pytest.importorskip("flint")
    model, random, (inputs, targets) = drawn(seed)
    theta = model.initial(seed)
    kernel = kernel_for(KernelSpec(model, ORDER))
    assert max(asking.certify(kernel, theta, inputs, targets).relative_errors) < ROUND_OFF
    rows = kernel.counterterms(theta, inputs, targets)
    scale = np.linalg.norm(rows, axis=1, keepdims=True)
    # The order of the samples does not matter.
    order = random.permutation(len(inputs))
    shuffled = kernel.counterterms(theta, inputs[order].copy(), targets[order].copy())
    assert np.all(np.abs(shuffled - rows) <= ROUND_OFF * scale)
    # Nor does that of hidden units: counter terms move with the parameters that they belong to.
    places = renumbered(model, random)
    moved = kernel.counterterms(theta[places].copy(), inputs, targets)
    assert np.all(np.abs(moved - rows[:, places]) <= ROUND_OFF * scale)


def renumbered(model, random):
    """Where each parameter comes from when the hidden units of every layer change places."""
    place, rows_from, places = 0, np.arange(model.layers[0]), []
    for layer, (rows, columns) in enumerate(zip(model.layers, model.layers[1:], strict=False)):
        last = layer == len(model.layers) - 2
        columns_from = np.arange(columns) if last else random.permutation(columns)
        weights = place + np.arange(rows * columns).reshape(rows, columns)
        biases = place + rows * columns + np.arange(columns)
        places += [weights[rows_from][:, columns_from].ravel(), biases[columns_from]]
        place, rows_from = place + (rows + 1) * columns, columns_from
    return np.concatenate(places)


def test_one_network():
    """With hidden layers of different widths, which have code of their own."""
    _, *hidden, _ = drawn(8)[0].layers
    assert len(set(hidden)) == 2
    check(8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [4, 11, 16, *range(20, 36)])
def test_many_networks(seed):
    check(seed)


def test_the_draws_differ_in_everything():
    models = [drawn(seed)[0] for seed in range(20, 36)]
    assert {len(model.layers) for model in models} == {2, 3, 4}
    assert {model.loss for model in models} == set(LOSSES)
    assert len({model.activation for model in models}) >= 5
    assert len({model.layers for model in models}) >= 14
