"""Iterates against their closed form, round-off against exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest

from eomsym import optimizers
from eomsym.dynamics import optimizer_path
from eomsym.dynamics.runs import run_optimizer
from eomsym.errors import InputError, IntegrationError
from eomsym.optimizers.optimizer import Field

THETA = np.array([1.0, -2.0, 0.5])


@pytest.fixture
def quadratic(closed_form):
    return closed_form.Quadratic([0.1, 1.0, 3.0])


def test_iterates_of_gradient_descent_are_powers(quadratic):
    path = optimizer_path(quadratic, THETA, 0.25, 12)
    assert path.shape == (13, 3)
    for index, point in enumerate(path):
        np.testing.assert_allclose(point, quadratic.descended(THETA, 0.25, index), rtol=1e-14)


def test_the_endpoint_is_the_last_iterate(quadratic):
    path = optimizer_path(quadratic, THETA, 0.25, 12)
    np.testing.assert_array_equal(run_optimizer(quadratic, THETA, 0.25, 12).theta, path[-1])
    np.testing.assert_array_equal(run_optimizer(quadratic, THETA, 0.25, 0).theta, THETA)


def test_the_start_is_left_as_it_was(quadratic):
    theta = THETA.copy()
    path = optimizer_path(quadratic, theta, 0.25, 2)
    path += 1
    np.testing.assert_array_equal(theta, THETA)


def test_data_reach_the_gradient():
    class Shifted:
        order, size = 0, 2

        def gradient(self, theta, inputs, targets):
            return theta - inputs - targets

    data = (np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    np.testing.assert_array_equal(run_optimizer(Shifted(), np.zeros(2), 1.0, 1, data).theta, [4.0, 6.0])


def test_a_step_that_overflows_is_named(closed_form):
    with pytest.raises(IntegrationError, match=r"step 10 is not finite; eta = 1 is too large"):
        optimizer_path(closed_form.Riccati(size=1), np.array([2.0]), 1.0, 50)


def test_the_measured_roundoff_is_that_of_exact_arithmetic(closed_form):
    """``y' = y²`` by 64 Euler steps, exact in rationals: the true round-off lies within the estimate, not far below."""
    starts, eta, steps = np.linspace(-1.0, -0.5, 32), 1 / 16, 64
    kernel = closed_form.Riccati(size=32)
    exact = [Fraction(start) for start in starts]
    for _ in range(steps):
        exact = [round_far(y + Fraction(eta) * y * y) for y in exact]
    end = run_optimizer(kernel, starts, eta, steps)
    true = np.linalg.norm([float(Fraction(y) - z) for y, z in zip(end.theta, exact, strict=True)])
    assert true < 2 * end.error_estimate
    assert end.error_estimate < 10 * true


def round_far(value, digits=60):
    """The exact value would double its digits in every step."""
    return round(value * 10**digits) / Fraction(10**digits)


def test_the_measured_roundoff_grows_with_an_unstable_path(closed_form):
    stable = run_optimizer(closed_form.Quadratic([1.0]), np.ones(1), 0.1, 100).error_estimate
    unstable = run_optimizer(closed_form.Quadratic([-1.0]), np.ones(1), 0.1, 100).error_estimate
    assert unstable > 1e3 * stable > 0


def test_the_measured_roundoff_is_always_the_same(quadratic):
    estimates = {run_optimizer(quadratic, THETA, 0.1, 50).error_estimate for _ in range(2)}
    assert len(estimates) == 1


@pytest.mark.parametrize("function", [optimizer_path, run_optimizer])
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"theta": np.ones(2)}, r"theta: shape \(2,\); the kernel takes a vector of length 3"),
        ({"theta": np.array([0, np.nan, 0])}, "theta: entry 1 is not finite"),
        ({"theta": "text"}, "theta: not an array of numbers"),
        ({"eta": 0.0}, "eta 0.0: give a finite number above 0"),
        ({"eta": "small"}, "eta 'small'"),
        ({"steps": -1}, "steps -1"),
        ({"steps": 1.5}, "steps 1.5"),
        ({"optimizer": "gradient-ascent"}, "'gradient-ascent': unknown; choose from gradient-descent"),
        ({"momentum": "0.9"}, "'momentum': gradient-descent does not have it"),
    ],
)
def test_bad_input_is_named(quadratic, function, change, fault):
    arguments = {"theta": THETA, "eta": 0.1, "steps": 3, **change}
    with pytest.raises(InputError, match=fault):
        function(quadratic, arguments.pop("theta"), arguments.pop("eta"), arguments.pop("steps"), **arguments)


DESCENTS = [
    name
    for name, entry in optimizers.REGISTRY.items()
    if not (entry.parameters or entry.memory) and entry.fields() == (Field(),)
]


@pytest.mark.parametrize("name", DESCENTS)
def test_every_descent_without_parameters_or_memory_has_a_path(quadratic, name):
    path = optimizer_path(quadratic, THETA, 0.01, 3, optimizer=name)
    flow = np.exp(-0.03 * quadratic.eigenvalues) * THETA
    np.testing.assert_allclose(path[-1], flow, rtol=0.01)
