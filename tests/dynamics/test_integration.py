"""The integrator: its result against closed forms, and its error estimate against its error."""

import numpy as np
import pytest

from eomsym.dynamics.integration import _Counted, _Reader, _single_step, integrate
from eomsym.errors import IntegrationError

PROBLEMS = {
    "decay": (lambda y: -3 * y, np.array([1.0, 2.0]), 2.0, lambda y, t: y * np.exp(-3 * t)),
    "growth": (lambda y: 2 * y, np.array([1.0, -1.0]), 3.0, lambda y, t: y * np.exp(2 * t)),
    "y' = y^2": (lambda y: y**2, np.array([0.7, -4.0]), 1.0, lambda y, t: y / (1 - t * y)),
    "rotation": (
        lambda y: np.array([-y[1], y[0]]),
        np.array([1.0, 0.0]),
        7.0,
        lambda y, t: np.array([np.cos(t), np.sin(t)]),
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("absolute", [1e-3, 1e-6, 1e-9, 1e-12])
def test_the_error_estimate_bounds_the_error(name, absolute):
    rate, start, time, exact = PROBLEMS[name]
    end = integrate(rate, start, time, absolute)
    error = np.linalg.norm(end.state - exact(start, time))
    # A rounding of its own belongs to the closed form.
    assert error <= np.linalg.norm(end.error_estimate) + 4e-16 * np.linalg.norm(end.state)


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_tight_tolerance_comes_near_the_roundoff(name):
    rate, start, time, exact = PROBLEMS[name]
    end = integrate(rate, start, time, 1e-15)
    np.testing.assert_allclose(end.state, exact(start, time), rtol=3e-14, atol=3e-14)


def test_an_error_is_estimated_even_where_one_step_would_do():
    end = integrate(lambda y: -y, np.ones(1), 2.0, 10.0)
    error = abs(end.state[0] - np.exp(-2.0))
    assert 0 < error <= end.error_estimate[0]


def test_evaluations_are_counted():
    calls = []
    end = integrate(lambda y: calls.append(1) or -y, np.ones(1), 1.0, 1e-6)
    assert end.evaluations == len(calls)


def test_no_time_is_no_motion():
    end = integrate(lambda y: -y, np.ones(3), 0.0, 1e-6)
    np.testing.assert_array_equal(end.state, np.ones(3))
    assert end.evaluations == 0


def test_a_pole_is_reported_with_its_time():
    with pytest.raises(IntegrationError, match=r"time 1(\.0\d*)? of 2|time 0\.99\d* of 2"):
        integrate(lambda y: y**2, np.ones(1), 2.0, 1e-9)


def test_times_inside_a_step_that_ends_by_a_rounding_later_are_read_in_the_step():
    """``left + (right − left)`` may fall short of ``right``: SciPy makes a step of round-off more, whose interpolation
    means nothing a step before it (numbers of 1e79 stood in the paths of ``follow``)."""
    pairs = np.sort(np.random.default_rng(0).uniform(0, 0.97, (4000, 2)), axis=1)
    short = [(left, right) for left, right in pairs if left + (right - left) < right]
    assert len(short) > 3
    for left, right in short:
        inside = left + np.array([0.0, 0.3, 0.9]) * (right - left)
        read = _Reader(inside, slice(None))
        rate = _Counted(lambda y: np.array([-y[1], np.sin(y[0]), y[0] * y[1]]) / 2, right)
        _single_step(rate, np.array([0.3, 0.7, 0.1]), left, right, read)
        assert len(read.states) == 2
        for time, state in zip(inside[1:], read.states, strict=True):
            end = integrate(rate.rate, np.array([0.3, 0.7, 0.1]), time - left, 1e-13)
            np.testing.assert_allclose(state, end.state, atol=1e-6)
