"""Predictions of the discretization error, tried on three networks; where the series turns."""

from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import shared_kernels
from asking import recommend_order, recommend_step

import eomsym
from eomsym.dynamics import integrate_equation_of_motion
from eomsym.dynamics.error_prediction import predict_discretization_error
from eomsym.dynamics.runs import run_optimizer
from eomsym.dynamics.spectrum import spectral_radius
from eomsym.errors import InputError
from eomsym.models import dataset
from eomsym.optimizers import get
from eomsym.series.program import ProgramBuilder
from eomsym.series.rings import Ring
from eomsym.step_index.numbers import program_counterterms


@pytest.fixture(scope="module", params=["digits", "teacher", "moons"])
def case(request):
    """Kernel, point, data and a step size with η max|λ| = 0.2."""
    kernel, samples = shared_kernels.kernel(request.param), dataset(request.param)
    arrays = samples.inputs[:64].copy(), samples.targets[:64].copy()
    theta = kernel.model.initial(0)
    return kernel, theta, arrays, 0.2 / spectral_radius(kernel, theta, arrays)


def test_measured_over_predicted_tends_to_1(case):
    kernel, theta, data, eta = case
    predicted = predict_discretization_error(kernel, theta, 8 * eta, [0, 1, 2], data, accuracy=1e-4)

    def ratio(order, steps):
        step, expected = 8 * eta / steps, predicted.error(order, 8 * eta / steps)
        accuracy = max(1e-4 * expected, 1e-15 * np.linalg.norm(theta))
        moved = integrate_equation_of_motion(kernel, theta, step, 8 * eta, data, order=order, accuracy=accuracy).theta
        return np.linalg.norm(moved - run_optimizer(kernel, theta, step, steps, data).theta) / expected

    ratios = np.array([[ratio(order, steps) for steps in (8, 16, 32)] for order in (0, 1, 2)])
    limits = 2 * ratios[:, 2] - ratios[:, 1]
    assert np.abs(limits - 1).max() < 0.02
    assert np.all(np.abs(ratios[:, 2] - 1) < np.abs(ratios[:, 0] - 1))


@pytest.mark.parametrize("order", [0, 1, 2])
def test_the_recommended_step_size_holds_and_one_step_less_does_not(case, order):
    kernel, theta, data, eta = case
    time = 8 * eta
    accuracy = {0: 3e-3, 1: 2e-4, 2: 2e-5}[order]
    advice = recommend_step(kernel, theta, time, accuracy, order, data)

    def tried(steps):
        descended = run_optimizer(kernel, theta, time / steps, steps, data).theta
        moved = integrate_equation_of_motion(kernel, theta, time / steps, time, data, order=order).theta
        return np.linalg.norm(moved - descended)

    assert tried(advice.steps) <= accuracy < tried(advice.steps - 1)
    assert advice.measured_error == pytest.approx(tried(advice.steps), rel=1e-3)
    assert advice.suggested == pytest.approx(advice.eta, rel=0.35), "the prediction alone was near"


@cache
def square_coefficients(terms):
    """``f̃_0, f̃_1, …`` of explicit Euler for ``y' = y²`` at 1, exactly."""
    builder = ProgramBuilder()
    y = builder.variable(0)
    program = builder.finish([builder.weighted(builder.multiply(y, y), Fraction(-1))], None, 1, 0)
    rule = get("gradient-descent").rule()
    rows = program_counterterms(rule, [program], [Fraction(1)], [], terms, Ring(Fraction, {}))
    return tuple(-float(row[0]) for row in rows)


class Square:
    """``y' = y²`` at y = −1, whose counter terms are exact rationals: the series turns near 26 for η = 0.3."""

    size, order = 1, 30

    def gradient(self, theta):
        return -(theta**2)

    def counterterms(self, theta, order=None):
        count = (self.order if order is None else order) + 1
        return np.array([-square_coefficients(31)[k] * theta ** (k + 2) for k in range(count)])

    def field(self, theta, eta, order=None):
        rows = self.counterterms(theta, order)
        return -(eta ** np.arange(len(rows))) @ rows

    def hessian_vector(self, theta, vector):
        return -2 * theta * vector


def test_the_order_where_the_series_turns_is_the_best_when_tried():
    advice = recommend_order(Square(), np.array([-1.0]), 0.3)
    assert advice.turns
    assert abs(advice.order - np.argmin(advice.measured)) <= 1
    assert advice.measured[advice.order] < 0.1 * min(advice.measured[advice.order - 8], advice.measured[0])


@pytest.mark.parametrize("case", ["digits", "teacher"], indirect=True)
def test_the_series_of_a_network_turns_earlier_the_larger_eta(case):
    kernel, theta, data, eta = case
    small, large = (recommend_order(kernel, theta, factor * eta, data) for factor in (2.5, 9.0))
    assert (small.order, small.turns) == (4, False)
    assert large.turns
    assert large.order < 2
    np.testing.assert_allclose(small.measured, small.defects, rtol=0.6)


def test_a_relative_accuracy_is_of_the_distance_moved(case):
    kernel, theta, data, eta = case
    flow = integrate_equation_of_motion(kernel, theta, eta, 8 * eta, data, order=0).theta
    distance = np.linalg.norm(flow - theta)
    absolute = recommend_step(kernel, theta, 8 * eta, 1e-2 * distance, 1, data)
    relative = recommend_step(kernel, theta, 8 * eta, 1e-2, 1, data, relative=True)
    assert (relative.steps, relative.eta) == (absolute.steps, absolute.eta)
    assert relative.accuracy == pytest.approx(1e-2 * distance, rel=1e-8)
    assert relative.measured_error <= relative.accuracy
    assert relative.warnings == ()


def test_the_distance_that_a_rule_with_a_memory_moves_is_that_of_theta():
    theta = np.array([1.0, -0.5])
    training = eomsym.Training("x**2/2 + 2*y**2", None, "heavy-ball", theta=theta, beta="1/2", variables=["x", "y"])
    (advice,) = eomsym.recommend(training, 0.1, 1.0, [0], relative=True).advice
    at, memory = theta, 0 * theta
    for _ in range(64):
        memory = memory / 2 + np.array([1.0, 4.0]) * at
        at = at - memory / 64
    assert advice.distance == pytest.approx(np.linalg.norm(at - theta), rel=1e-12)
    assert advice.accuracy == pytest.approx(0.1 * advice.distance)
    of_the_state = np.hypot(np.linalg.norm(at - theta), np.linalg.norm(memory))
    assert of_the_state > 1.03 * advice.distance, "with the memory it would be another number"


def test_a_step_beyond_the_radius_is_recommended_with_a_warning(closed_form):
    advice = recommend_step(closed_form.Quadratic([10.0, 1.0]), np.array([1.0, 1.0]), 0.15, 10.0)
    assert advice.steps == 1
    (warning,) = advice.warnings
    assert "from 1 on the series in eta diverges" in warning


def test_what_cannot_be_recommended(closed_form):
    kernel = closed_form.Riccati(order=2)
    theta = np.array([-1.0, -0.5])
    with pytest.raises(InputError, match="accuracy 0"):
        recommend_step(kernel, theta, 1.0, 0.0)
    with pytest.raises(InputError, match="not met with 100000 steps"):
        recommend_step(kernel, theta, 1.0, 1e-13)
    with pytest.raises(InputError, match="eta -1"):
        recommend_order(kernel, theta, -1)
    with pytest.raises(InputError, match="time nan"):
        recommend_step(kernel, theta, float("nan"), 0.1)
