"""The integrated equation of motion against closed forms."""

import numpy as np
import pytest

from eomsym.dynamics import integrate_equation_of_motion
from eomsym.dynamics.runs import run_optimizer
from eomsym.errors import InputError, IntegrationError

THETA = np.array([1.0, -2.0, 0.5])


@pytest.fixture
def quadratic(closed_form):
    return closed_form.Quadratic([0.1, 1.0, 3.0])


@pytest.mark.parametrize("order", range(5))
def test_a_quadratic_loss_is_an_exponential(quadratic, order):
    end = integrate_equation_of_motion(quadratic, THETA, 0.2, 2.0, order=order)
    exact = quadratic.moved(THETA, 0.2, 2.0, order)
    np.testing.assert_allclose(end.theta, exact, rtol=1e-12)
    assert np.linalg.norm(end.theta - exact) <= end.error_estimate + 1e-15
    assert end.error_estimate < 1e-12


def test_the_order_of_the_kernel_is_the_default(quadratic):
    kernel_order = integrate_equation_of_motion(quadratic, THETA, 0.2, 2.0).theta
    np.testing.assert_array_equal(
        kernel_order, integrate_equation_of_motion(quadratic, THETA, 0.2, 2.0, order=quadratic.order).theta
    )


def test_more_orders_come_nearer_to_gradient_descent(closed_form):
    kernel, start, eta, steps = closed_form.Riccati(), np.array([-1.0, -0.3]), 0.1, 10
    descended = run_optimizer(kernel, start, eta, steps).theta
    errors = [
        np.linalg.norm(integrate_equation_of_motion(kernel, start, eta, eta * steps, order=order).theta - descended)
        for order in range(6)
    ]
    assert (np.array(errors[1:]) < 0.25 * np.array(errors[:-1])).all()


def test_gradient_flow_of_the_riccati_equation(closed_form):
    start = np.array([-3.0, 0.4])
    end = integrate_equation_of_motion(closed_form.Riccati(), start, 0.1, 2.0, order=0)
    np.testing.assert_allclose(end.theta, start / (1 - 2.0 * start), rtol=1e-12)


def test_a_coarse_accuracy_costs_less_and_says_so(quadratic):
    coarse = integrate_equation_of_motion(quadratic, THETA, 0.2, 2.0, order=2, accuracy=1e-4)
    fine = integrate_equation_of_motion(quadratic, THETA, 0.2, 2.0, order=2)
    exact = quadratic.moved(THETA, 0.2, 2.0, 2)
    assert coarse.evaluations < fine.evaluations / 2
    assert np.linalg.norm(coarse.theta - exact) <= coarse.error_estimate
    assert 1e-12 < coarse.error_estimate < 1e-3


def test_evaluations_are_those_of_the_field(quadratic):
    end = integrate_equation_of_motion(quadratic, THETA, 0.2, 2.0, order=1)
    assert end.evaluations == quadratic.calls


def test_only_the_order_that_is_kept_is_evaluated(closed_form):
    class Watched(closed_form.Quadratic):
        def counterterm(self, k, theta):
            assert k < 2
            return super().counterterm(k, theta)

    integrate_equation_of_motion(Watched([1.0]), np.ones(1), 0.1, 1.0, order=2)


def test_a_path_with_a_pole_is_an_error(closed_form):
    with pytest.raises(IntegrationError, match="stopped at time 1"):
        integrate_equation_of_motion(closed_form.Riccati(size=1), np.ones(1), 0.01, 3.0, order=0)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"order": 9}, "order 9, needed for the equation of motion: the kernel has order 8; generate order 9"),
        ({"order": -1}, "order -1: out of range; give an integer of at least 0"),
        ({"order": 1.0}, "order 1.0: not an integer"),
        ({"accuracy": 0}, "accuracy 0: give a finite number above 0"),
        ({"accuracy": float("nan")}, "accuracy nan"),
    ],
)
def test_bad_input_is_named(quadratic, change, fault):
    with pytest.raises(InputError, match=fault):
        integrate_equation_of_motion(quadratic, THETA, 0.1, 1.0, **change)


@pytest.mark.parametrize("time", [0.0, -1.0, float("inf"), True])
def test_a_time_that_is_none_is_refused(quadratic, time):
    with pytest.raises(InputError, match=f"time {time}: give a finite number above 0"):
        integrate_equation_of_motion(quadratic, THETA, 0.1, time)
