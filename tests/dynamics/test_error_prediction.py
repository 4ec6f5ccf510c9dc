"""The predicted discretization error against closed forms and against the error that is there."""

import numpy as np
import pytest

from eomsym.dynamics import integrate_equation_of_motion
from eomsym.dynamics.error_prediction import predict_discretization_error
from eomsym.dynamics.runs import run_optimizer
from eomsym.errors import InputError

THETA = np.array([1.0, -2.0, 0.5])


@pytest.fixture
def quadratic(closed_form):
    return closed_form.Quadratic([0.1, 1.0, 3.0])


def test_a_quadratic_loss_has_a_closed_form(quadratic):
    prediction = predict_discretization_error(quadratic, THETA, 2.0, range(5))
    assert prediction.orders == (0, 1, 2, 3, 4)
    assert prediction.coefficients.shape == (5, 3)
    np.testing.assert_allclose(prediction.theta, np.exp(-2.0 * quadratic.eigenvalues) * THETA, rtol=1e-7)
    for order, row, estimate in zip(range(5), prediction.coefficients, prediction.error_estimates, strict=True):
        exact = quadratic.error_coefficient(THETA, 2.0, order)
        np.testing.assert_allclose(row, exact, rtol=1e-7, atol=1e-7 * np.linalg.norm(exact))
        assert np.linalg.norm(row - exact) <= estimate + 1e-13 * np.linalg.norm(exact)


def test_gradient_flow_of_the_riccati_equation_has_a_closed_form(closed_form):
    """E_0' = 2yE − c_1 y³ with y = y_0/(1 − t y_0) and c_1 = −1: E_0 = −y² ln(y/y_0) c_1 by variation of constants."""
    kernel, start = closed_form.Riccati(), np.array([-1.0, -0.3])
    prediction = predict_discretization_error(kernel, start, 1.5, [0])
    end = start / (1 - 1.5 * start)
    np.testing.assert_allclose(prediction.coefficients[0], end**2 * np.log(end / start), rtol=1e-7)


def test_the_measured_error_tends_to_the_predicted_one(closed_form):
    kernel, start, time = closed_form.Riccati(), np.array([-0.7, -0.2]), 2.0
    prediction = predict_discretization_error(kernel, start, time, range(3))
    for order in range(3):
        ratios = []
        for steps in (40, 80):
            eta = time / steps
            moved = integrate_equation_of_motion(kernel, start, eta, time, order=order).theta
            measured = np.linalg.norm(moved - run_optimizer(kernel, start, eta, steps).theta)
            ratios.append(measured / prediction.error(order, eta))
        assert abs(ratios[1] - 1) < 0.6 * abs(ratios[0] - 1) < 0.1
        assert 2 * ratios[1] - ratios[0] == pytest.approx(1, abs=2e-3)


def test_differences_take_the_place_of_the_hessian_for_other_optimisers(closed_form):
    kernel, start = closed_form.Riccati(), np.array([-1.0, -0.3])
    by_hessian, by_differences = (
        predict_discretization_error(kernel, start, 1.5, range(3), gradient_flow=flow) for flow in (True, False)
    )
    np.testing.assert_allclose(by_differences.coefficients, by_hessian.coefficients, rtol=1e-6)


def test_orders_may_be_any_and_in_any_sequence(quadratic):
    some = predict_discretization_error(quadratic, THETA, 2.0, [3, 1])
    for row, order in zip(some.coefficients, (3, 1), strict=True):
        np.testing.assert_allclose(row, quadratic.error_coefficient(THETA, 2.0, order), rtol=1e-6, atol=1e-6)


def test_one_evaluation_of_the_counter_terms_serves_all_orders(closed_form):
    kernel = closed_form.Quadratic([1.0, 2.0])
    prediction = predict_discretization_error(kernel, np.ones(2), 1.0, range(5))
    # One more evaluation sets the scale of the errors.
    assert kernel.calls == prediction.evaluations + 1


def test_at_a_minimum_nothing_moves_and_nothing_is_wrong(quadratic):
    prediction = predict_discretization_error(quadratic, np.zeros(3), 1.0, [0, 1])
    np.testing.assert_array_equal(prediction.coefficients, 0)


def test_the_predicted_error_is_a_power_of_eta(quadratic):
    prediction = predict_discretization_error(quadratic, THETA, 2.0, [1])
    assert prediction.error(1, 0.2) == pytest.approx(4 * prediction.error(1, 0.1), rel=1e-14)
    with pytest.raises(InputError, match="order 2: not predicted; there are 1"):
        prediction.error(2, 0.1)


def test_the_kernel_must_know_the_first_term_left_out(closed_form):
    with pytest.raises(InputError, match="order 3, needed for predicting the error of order 2: the kernel has order 2"):
        predict_discretization_error(closed_form.Quadratic([1.0], order=2), np.ones(1), 1.0, [0, 2])


def test_no_orders_are_refused(quadratic):
    with pytest.raises(InputError, match="orders: none given"):
        predict_discretization_error(quadratic, THETA, 1.0, [])
