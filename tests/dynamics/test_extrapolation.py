"""The extrapolation integrator against closed forms, in doubles and in double-double numbers."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from mpmath import mp

from eomsym.double_double import DoubleDouble
from eomsym.dynamics.extrapolation import extrapolation_weights, integrate_by_extrapolation
from eomsym.errors import IntegrationError


def _rotation(y):
    if isinstance(y, DoubleDouble):
        return DoubleDouble.stack([-y[1], y[0]])
    return np.array([-y[1], y[0]])


#: Rate, start, time, and the solution at a time by mpmath.
PROBLEMS = {
    "decay": (lambda y: -3 * y, [1.0, 2.0], 2.0, lambda y, t: [value * mp.exp(-3 * t) for value in y]),
    "growth": (lambda y: 2 * y, [1.0, -1.0], 3.0, lambda y, t: [value * mp.exp(2 * t) for value in y]),
    "y' = y^2": (lambda y: y * y, [0.7, -4.0], 1.0, lambda y, t: [value / (1 - t * value) for value in y]),
    "rotation": (_rotation, [1.0, 0.0], 7.0, lambda y, t: [mp.cos(t), mp.sin(t)]),
}


def error_of(name, state):
    _, start, time, solution = PROBLEMS[name]
    with mpmath.workdps(50):
        truth = solution([mp.mpf(value) for value in start], mp.mpf(time))
        values = state.to_mpmath() if isinstance(state, DoubleDouble) else state
        return float(mp.norm([mp.mpf(a) - b for a, b in zip(values, truth, strict=True)]))


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("absolute", [1e-3, 1e-8, 1e-12, 1e-15])
def test_the_error_estimate_bounds_the_error_in_doubles(name, absolute):
    rate, start, time, _ = PROBLEMS[name]
    end = integrate_by_extrapolation(rate, np.array(start), time, absolute)
    assert error_of(name, end.state) <= np.linalg.norm(end.error_estimate)


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize(
    "absolute", [1e-20, *(pytest.param(each, marks=pytest.mark.slow) for each in (1e-8, 1e-30, 1e-33))]
)
def test_the_error_estimate_bounds_the_error_in_double_double(name, absolute):
    rate, start, time, _ = PROBLEMS[name]
    end = integrate_by_extrapolation(rate, DoubleDouble.from_value(np.array(start)), time, absolute)
    assert error_of(name, end.state) <= np.linalg.norm(end.error_estimate)


@pytest.mark.parametrize("name", PROBLEMS)
def test_28_digits(name):
    """Relative to the largest state on the way, whose round-off nothing can undo."""
    rate, start, time, _ = PROBLEMS[name]
    end = integrate_by_extrapolation(rate, DoubleDouble.from_value(np.array(start)), time, 1e-31)
    largest = max(end.state.norm(), np.linalg.norm(start))
    assert error_of(name, end.state) <= 1e-28 * largest
    assert np.linalg.norm(end.error_estimate) <= 1e-28 * largest


@pytest.mark.parametrize("name", PROBLEMS)
def test_doubles_come_near_the_roundoff(name):
    rate, start, time, _ = PROBLEMS[name]
    end = integrate_by_extrapolation(rate, np.array(start), time, 1e-15)
    assert error_of(name, end.state) <= 3e-14 * max(np.linalg.norm(end.state), np.linalg.norm(start))


def test_a_tolerance_below_the_roundoff_is_not_said_to_be_met():
    end = integrate_by_extrapolation(lambda y: -y, np.ones(1), 1.0, 1e-25)
    assert end.error_estimate[0] > 1e-17
    finer = integrate_by_extrapolation(lambda y: -y, DoubleDouble.from_value(np.ones(1)), 1.0, 1e-40)
    assert finer.error_estimate[0] > 1e-32


@pytest.mark.parametrize("columns", [3, 5, 8])
def test_the_order_is_twice_the_columns(columns):
    """One step of half the size leaves 2^(2 columns + 1) times less behind."""
    from eomsym.dynamics.extrapolation import _Method

    errors = []
    for width in (0.5, 0.25):
        method = _Method(lambda y: -y, DoubleDouble.from_value(np.ones(1)), 1.0, columns)
        state = method.step(DoubleDouble.from_value(np.ones(1)), 0.0, width).state
        with mpmath.workdps(50):
            errors.append(float(abs(state.to_mpmath()[0] - mp.exp(-mp.mpf(width)))))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2 * columns + 1, abs=0.6)


@pytest.mark.parametrize(("first", "last"), [(1, 1), (1, 6), (2, 9)])
def test_weights_keep_constants_and_remove_even_powers(first, last):
    weights = extrapolation_weights(first, last)
    for power in range(len(weights)):
        total = sum(w * Fraction(1, 2 * j) ** (2 * power) for w, j in zip(weights, range(first, last + 1), strict=True))
        assert total == (power == 0)


def test_a_time_with_32_digits():
    third = DoubleDouble.from_value(Fraction(1, 3))
    end = integrate_by_extrapolation(lambda y: -y, DoubleDouble.from_value(np.ones(1)), third, 1e-31)
    with mpmath.workdps(50):
        assert abs(end.state.to_mpmath()[0] - mp.exp(-third.to_mpmath().item())) < 1e-30


def test_evaluations_are_counted():
    calls = []
    end = integrate_by_extrapolation(lambda y: calls.append(1) or -y, np.ones(1), 1.0, 1e-6)
    assert end.evaluations == len(calls)


def test_no_time_is_no_motion():
    end = integrate_by_extrapolation(lambda y: -y, np.ones(3), 0.0, 1e-6)
    np.testing.assert_array_equal(end.state, np.ones(3))
    assert end.evaluations == 0


def test_at_rest_nothing_happens():
    end = integrate_by_extrapolation(lambda y: 0 * y, DoubleDouble.zeros(2), 1.0, 1e-30)
    assert end.state.norm() == 0
    assert end.error_estimate.max() == 0


@pytest.mark.parametrize("start", [np.ones(1), DoubleDouble.from_value(np.ones(1))])
def test_a_pole_is_reported_with_its_time(start):
    with pytest.raises(IntegrationError, match=r"time (1|1\.0\d*|0\.99\d*)( of 2|:)"):
        integrate_by_extrapolation(lambda y: y * y, start, 2.0, 1e-9)


def test_too_many_steps_are_an_error(monkeypatch):
    monkeypatch.setattr("eomsym.dynamics.extrapolation.LARGEST_NUMBER_OF_STEPS", 10)
    with pytest.raises(IntegrationError, match="more than 10 steps; allow a larger error"):
        integrate_by_extrapolation(lambda y: -200 * y, np.ones(1), 2.0, 1e-12)
