"""Kernels against plain gradient descent in 1200 bits: every counter term, every activation, both losses."""

from dataclasses import replace

import gmpy2
import high_precision
import numpy as np
import pytest
import shared_kernels

from eomsym.codegen import KernelSpec, kernel_for
from eomsym.models import ACTIVATIONS, LOSSES, MLP, NORMALIZATIONS

TOLERANCE = 1e-11
SAMPLES = 67  # one full block and a bit


def data(model):
    """Twenty different samples, none like its neighbours."""
    random = np.random.default_rng(5)
    inputs = random.standard_normal((20, model.layers[0]))
    mse = model.loss == "mse"
    targets = random.standard_normal((20, model.layers[-1])) if mse else random.integers(0, model.layers[-1], 20)
    places = np.arange(SAMPLES) * 7 % 20
    return inputs[places], targets[places]


def relative_errors(rows, truth):
    return np.linalg.norm(rows - truth, axis=1) / np.linalg.norm(truth, axis=1)


def check_every_counterterm(kernel):
    inputs, targets = data(kernel.model)
    theta = kernel.model.initial(3)
    rows = kernel.counterterms(theta, inputs, targets)
    truth = high_precision.counterterms(kernel.model, theta, inputs, targets, kernel.order)
    assert np.all(relative_errors(rows, truth) <= TOLERANCE)
    # The same kernel asked for less gives the same rows.
    assert relative_errors(kernel.counterterms(theta, inputs, targets, order=2), rows[:3]).max() < 1e-14
    # Its series primitive is the derivative along a curve: Hessian times g is twice ξ_0 (theory §1).
    product = kernel.hessian_vector(theta, rows[0], inputs, targets)
    assert np.linalg.norm(product - 2 * rows[1]) <= 1e-14 * np.linalg.norm(product)


@pytest.mark.parametrize("name", shared_kernels.ACCURACY)
def test_every_counterterm(name):
    """Each activation with one of the losses; an activation and a loss meet in the last layer, which has none."""
    check_every_counterterm(shared_kernels.kernel(name))


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_counterterm_of_every_network(activation, loss):
    if f"{activation} {loss}" not in shared_kernels.ACCURACY:
        check_every_counterterm(kernel_for(KernelSpec(MLP([2, 4, 4, 3], activation, loss), 6)))


def of_high_order(loss):
    if loss == "cross-entropy":
        return shared_kernels.kernel("high order")
    return kernel_for(replace(shared_kernels.HIGH_ORDER, model=MLP([2, 3, 3], "tanh", loss)))


@pytest.mark.parametrize("loss", LOSSES)
def test_high_orders_keep_their_digits(loss):
    """Bounds on f̃_k; forward steps alone would lose one digit an order (numerics.md)."""
    kernel = of_high_order(loss)
    model = kernel.model
    inputs, targets = (part[:20] for part in data(model))
    theta = model.initial(3)
    truth = high_precision.counterterms(model, theta, inputs, targets, 11, bits=2600, spacing=-50)
    errors = relative_errors(kernel.counterterms(theta, inputs, targets), truth)
    bounds = np.array([1e-14] * 5 + [1e-13] * 3 + [1e-12] * 2 + [1e-11] * 2)  # k = 1 … 5, 8, 10, 12
    if loss == "cross-entropy":  # terms of random labels cancel: even steps 1, −1, 2, −2, … leave ten times as much
        bounds *= 30
    assert np.all(errors <= bounds)
    # Asked for an order in between, it ends there.
    assert np.all(relative_errors(kernel.counterterms(theta, inputs, targets, order=7), truth[:8]) <= bounds[:8])
    # In a flow coefficient k counts with η^k, and so do the digits that it has lost.
    for eta, tolerance in ((0.1, 1e-14), (0.5, 1e-13)):
        exact = -sum(eta**k * row for k, row in enumerate(truth))
        field = kernel.field(theta, eta, inputs, targets)
        assert np.linalg.norm(field - exact) <= tolerance * np.linalg.norm(exact)


@pytest.mark.parametrize(
    "layers",
    [(3, 2), (1, 1), (2, 40, 35, 2), (170, 96, 2)],
    ids=["no hidden layer", "one parameter pair", "outer products in pieces", "one hidden layer, products in pieces"],
)
def test_shapes_and_weight_decay(layers):
    model = MLP(layers, "tanh", "mse", weight_decay=0.3)
    inputs, targets = (part[:2] for part in data(model))  # the reference takes its time
    theta = model.initial(1)
    kernel = kernel_for(KernelSpec(model, 3))
    truth = high_precision.counterterms(model, theta, inputs, targets, 3)
    assert np.all(relative_errors(kernel.counterterms(theta, inputs, targets), truth) <= 1e-13)
    step = 1e-5 * np.eye(model.size)[0]
    slope = kernel.loss(theta + step, inputs, targets) - kernel.loss(theta - step, inputs, targets)
    assert slope / 2e-5 == pytest.approx(truth[0][0], rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("first", [2, 170], ids=["", "first layer reused"])
def test_networks_without_biases(normalization, first):
    check_every_counterterm(
        kernel_for(KernelSpec(MLP([first, 4, 3, 2], "tanh", "cross-entropy", 0.1, normalization, bias=False), 3))
    )


def test_the_reference_itself():
    """y' = y² at 1: 1, −1, 3/2, −8/3, 31/6, −157/15, 649/30 (theory §2)."""
    with gmpy2.context(gmpy2.get_context(), precision=high_precision.BITS):
        rows = high_precision.modified_field(lambda y: y * y, high_precision.exact(np.ones(1)), 7)
        values = [float(row[0]) for row in rows]
    assert values == pytest.approx([1, -1, 3 / 2, -8 / 3, 31 / 6, -157 / 15, 649 / 30], rel=1e-15)


def test_large_scores_and_saturated_units_stay_finite():
    kernel = shared_kernels.kernel("softplus cross-entropy")
    model, (inputs, targets) = kernel.model, data(kernel.model)
    theta = 300 * model.initial(0)
    rows = kernel.counterterms(theta, inputs, targets, order=1)
    truth = high_precision.counterterms(model, theta, inputs, targets, 1)
    assert np.isfinite(kernel.loss(theta, inputs, targets))
    # In norm: components that underflow (1e-200 beside 1e+2) have no digits in double precision.
    assert np.all(relative_errors(rows, truth) <= 1e-11)


@pytest.fixture(scope="module")
def three_classes():
    return of_high_order("cross-entropy")


@pytest.mark.parametrize(
    ("biases", "labels", "tolerance"),
    [
        ((0, 0, 0), (0, 1, 2), 1e-13),
        ((30, 0, 0), (0, 0, 0), 1e-13),  # nearly certain and right: g is 1e-13, ξ_3 1e-61
        ((700, -700, 0), (1, 1, 1), 1e-12),  # certain and wrong
        ((700, -700, 0), (0, 1, 2), 1e-12),
        ((0, -690, 0), (0, 1, 2), 1e-12),  # a class of probability 1e-300
        ((1e4, 1e4, 1e4), (0, 1, 2), 1e-11),  # a shift that no softmax sees, but the scores' round-off
    ],
)
@pytest.mark.parametrize("scale", [0.0, 1.0], ids=["blank inputs", "inputs"])
def test_scores_far_apart_or_far_from_zero(three_classes, biases, labels, tolerance, scale):
    """Each row relative to its own size, however small, and so the loss."""
    kernel, random = three_classes, np.random.default_rng(1)
    inputs, targets = scale * random.standard_normal((9, 2)), np.array(3 * labels)
    theta = 0.7 * random.standard_normal(kernel.size)
    theta[-3:] = biases
    rows = kernel.counterterms(theta, inputs, targets, order=4)
    truth = high_precision.counterterms(kernel.model, theta, inputs, targets, 4, bits=2400, spacing=-40)
    assert np.all(relative_errors(rows, truth) <= tolerance)
    hidden = np.tanh(inputs @ theta[:6].reshape(2, 3) + theta[6:9])
    scores = hidden @ theta[9:18].reshape(3, 3) + theta[18:]
    gaps = scores - scores[np.arange(9), targets][:, None]
    gaps[np.arange(9), targets] = -np.inf
    exact = np.mean(np.logaddexp(0.0, np.logaddexp.reduce(gaps, axis=1)))
    assert kernel.loss(theta, inputs, targets) == pytest.approx(exact, rel=max(tolerance, 1e-12), abs=0)
