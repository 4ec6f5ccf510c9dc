"""Kernels of normalised networks against plain gradient descent in 800 bits."""

import high_precision
import numpy as np
import pytest
import shared_kernels

from eomsym.errors import InputError
from eomsym.models import MLP, NORMALIZATIONS
from eomsym.models.invariance import scale_invariant

TOLERANCE = 1e-11
SAMPLES = 67  # one full block and a bit
KINDS = [kind for kind in NORMALIZATIONS if kind != "none"]


@pytest.fixture(scope="module", params=KINDS)
def case(request):
    """A kernel with weight decay, its data, and a point."""
    kernel = shared_kernels.kernel(request.param)
    random = np.random.default_rng(5)
    inputs, targets = random.standard_normal((SAMPLES, 2)), random.integers(0, kernel.model.layers[-1], SAMPLES)
    if request.param != "batch":  # twenty different samples, none like its neighbours
        places = np.arange(SAMPLES) * 7 % 20
        inputs, targets = inputs[places], targets[places]
    return kernel, kernel.model.initial(3), (inputs, targets)


def relative_errors(rows, truth):
    return np.linalg.norm(rows - truth, axis=1) / np.linalg.norm(truth, axis=1)


def test_every_counterterm(case):
    kernel, theta, data = case
    rows = kernel.counterterms(theta, *data)
    truth = high_precision.counterterms(kernel.model, theta, *data, kernel.order)
    assert np.all(relative_errors(rows, truth) <= TOLERANCE)
    assert relative_errors(kernel.counterterms(theta, *data, order=2), rows[:3]).max() < 1e-13
    product = kernel.hessian_vector(theta, rows[0], *data)
    assert np.linalg.norm(product - 2 * rows[1]) <= 1e-13 * np.linalg.norm(product)


#: Offset and spread of what is centred, and bounds of the error at order 0 and at the highest.  In g of the layer
#: norm the decay of the offset weights is most of all.
OFFSETS = [(1e2, 1.0), (1e4, 1.0), (0.0, 1e-6)]
BOUNDS = {
    "weight": [(1e-15, 1e-11)] * 3,  # nothing is centred
    "batch": [(5e-14, 1e-12), (2e-12, 1e-10), (1e-10, 2e-8)],
    "layer": [(1e-15, 1e-12), (1e-15, 2e-12), (1e-9, 1e-8)],
}


@pytest.mark.parametrize("place", range(len(OFFSETS)), ids=map(str, OFFSETS))
def test_what_is_far_from_its_mean(case, place):
    """Round-off grows with offset over spread (at spread 1e-6 it is that of the biases), not with its square."""
    kernel, theta, (inputs, targets) = case
    offset, spread = OFFSETS[place]
    theta = theta.copy()
    if kernel.model.normalization == "batch":  # over the samples
        inputs = offset + spread * inputs
        theta[6:9] = 1.0
    else:  # over the units of the second layer
        theta[12:28] = offset + spread * theta[12:28]
        theta[28:32] = 1 + spread * np.arange(4)
    truth = high_precision.counterterms(kernel.model, theta, inputs, targets, kernel.order)
    errors = relative_errors(kernel.counterterms(theta, inputs, targets), truth)
    assert np.all(errors <= np.geomspace(*BOUNDS[kernel.model.normalization][place], kernel.order + 1)), errors


def test_the_gradient_is_that_of_the_loss(case):
    kernel, theta, data = case
    direction = np.random.default_rng(0).standard_normal(theta.size)
    slope = kernel.loss(theta + 1e-5 * direction, *data) - kernel.loss(theta - 1e-5 * direction, *data)
    assert slope / 2e-5 == pytest.approx(kernel.gradient(theta, *data) @ direction, rel=1e-7)


def test_groups_that_can_be_stretched(case):
    """f does not change when a group is multiplied, and does when all but one of its members are."""
    kernel, theta, data = case
    decay = kernel.model.weight_decay

    def loss(point):
        return kernel.loss(point, *data) - decay / 2 * point @ point

    for group in scale_invariant(kernel.model):
        stretched, bent = theta.copy(), theta.copy()
        stretched[group] *= 3
        bent[group[1:]] *= 3
        assert loss(stretched) == pytest.approx(loss(theta), rel=1e-13)
        assert abs(loss(bent) - loss(theta)) > 1e-6


def test_where_a_normalisation_divides_by_zero_the_kernel_says_so(case):
    kernel, theta, data = case
    with pytest.raises(InputError, match=f"theta: {kernel.model.normalization} normalization divides by zero"):
        kernel.counterterms(np.zeros_like(theta), *data)
    with pytest.raises(InputError, match="divides by zero"):
        kernel.loss(np.zeros_like(theta), *data)


def test_a_network_without_normalisation_has_no_such_group():
    with pytest.raises(InputError, match="normalization 'none'"):
        scale_invariant(MLP([2, 3, 2]))


@pytest.mark.parametrize(
    ("layers", "normalization", "message"),
    [
        ((2, 3, 2), "group", "choose from none, weight, batch, layer"),
        ((2, 2), "weight", "no hidden layer"),
        ((2, 2, 2), "layer", "give 3 or more"),
    ],
)
def test_what_cannot_be_normalised(layers, normalization, message):
    with pytest.raises(InputError, match=message):
        MLP(layers, normalization=normalization)
