"""Networks as exact programs, against gradients written out by hand on gmpy2 numbers."""

from fractions import Fraction

import gmpy2
import high_precision
import numpy as np
import pytest

from eomsym.errors import InputError
from eomsym.models import ACTIVATIONS, MLP
from eomsym.models.network import network_program
from eomsym.optimizers import get
from eomsym.series.number_rings import array_ring, decimal_ring
from eomsym.step_index.numbers import program_counterterms

DESCENT = get("gradient-descent").rule()
RANDOM = np.random.default_rng(5)
INPUTS = RANDOM.standard_normal((3, 2))
VALUES, LABELS = RANDOM.standard_normal((3, 2)), np.array([1, 0, 1])
MODELS = [MLP([2, 3, 2], activation=name, loss="mse", weight_decay=0.1) for name in ACTIVATIONS] + [
    MLP([2, 2, 2, 2], activation="tanh", loss="cross-entropy"),
    MLP([2, 2], loss="cross-entropy", weight_decay=0.25),
    MLP([2, 3, 2, 1, 2], "sin", "cross-entropy", 0.1, bias=False),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model.activation}-{model.loss}-{len(model.layers)}")
def test_counter_terms_agree_with_plain_gradients_to_25_digits(model):
    targets = VALUES if model.loss == "mse" else LABELS
    theta = model.initial(seed=1)
    with gmpy2.context(gmpy2.get_context(), precision=high_precision.BITS):
        inputs = high_precision.exact(INPUTS)
        values = high_precision.exact(VALUES) if model.loss == "mse" else LABELS
        expected = high_precision.modified_field(
            lambda point: -high_precision.gradient(model, point, inputs, values), high_precision.exact(theta), 3
        )
        digits = [[f"{-value:.30e}" for value in row] for row in expected]
    ring = decimal_ring(40)
    point = [ring.number(Fraction(value)) for value in theta.tolist()]
    rows = program_counterterms(DESCENT, [network_program(model, INPUTS, targets)], point, [], 3, ring)
    for row, correct in zip(rows, digits, strict=True):
        scale = max(abs(float(text)) for text in correct)
        for value, text in zip(row, correct, strict=True):
            assert abs(value - ring.number(Fraction(text))) < scale * ring.number(Fraction(1, 10**25))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model.activation}-{model.loss}-{len(model.layers)}")
def test_arrays_of_floats_follow_the_digits_at_every_point(model):
    program = network_program(model, INPUTS, VALUES if model.loss == "mse" else LABELS)
    points = np.array([model.initial(seed) for seed in (1, 2)])
    arrays = program_counterterms(DESCENT, [program], list(points.T), [], 4, array_ring())
    ring = decimal_ring(30)
    for column, point in enumerate(points):
        start = [ring.number(Fraction(x)) for x in point.tolist()]
        exact = program_counterterms(DESCENT, [program], start, [], 4, ring)
        for row, correct in zip(arrays, exact, strict=True):
            found = [np.broadcast_to(value, 2)[column] for value in row]
            expected = np.array(correct, dtype=float)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_normalisation_is_refused():
    with pytest.raises(InputError, match="normalization 'weight': not known to exact programs"):
        network_program(MLP([2, 3, 1], loss="mse", normalization="weight"), INPUTS, VALUES)


def test_nets_too_large_to_write_out_are_refused():
    with pytest.raises(InputError, match=r"100 samples of layers .*multiplications"):
        network_program(MLP([64, 32, 10]), np.zeros((100, 64)), [0] * 100)
