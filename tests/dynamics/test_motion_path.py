"""The equation of motion at the times asked for, against closed forms and SciPy's own integrators; paths in a plane."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from eomsym.dynamics import integrate_equation_of_motion, optimizer_path
from eomsym.dynamics.trajectory_figure import principal_plane, trajectory_figure
from eomsym.errors import InputError, IntegrationError

THETA, TIMES = np.array([1.0, -2.0, 0.5]), [0.0, 0.3, 0.31, 2.0]


@pytest.fixture
def quadratic(closed_form):
    return closed_form.Quadratic([0.1, 1.0, 3.0])


@pytest.mark.parametrize("order", [0, 2])
def test_all_times_of_a_quadratic_loss_are_exponentials(quadratic, order):
    path = integrate_equation_of_motion(quadratic, THETA, 0.2, times=TIMES, order=order)
    exact = np.array([quadratic.moved(THETA, 0.2, time, order) for time in TIMES])
    assert (np.linalg.norm(path.states - exact, axis=1) <= path.error_estimates + 1e-15).all()
    assert path.error_estimates.max() < 1e-12
    other = np.array([quadratic.moved(THETA, 0.2, time, order + 1) for time in TIMES[1:]])
    assert np.linalg.norm(path.states[1:] - other, axis=1).min() > 1e-6  # an order more is another path


def test_a_start_that_is_not_asked_for_is_left_out(quadratic):
    path = integrate_equation_of_motion(quadratic, THETA, 0.2, times=TIMES[1:])
    whole = integrate_equation_of_motion(quadratic, THETA, 0.2, times=TIMES)
    np.testing.assert_array_equal(path.states, whole.states[1:])
    np.testing.assert_array_equal(path.times, TIMES[1:])
    np.testing.assert_array_equal(path.error_estimates, whole.error_estimates[1:])


def test_it_agrees_with_scipy(closed_form):
    kernel, start = closed_form.Riccati(), np.array([-1.0, -0.3])
    path = integrate_equation_of_motion(kernel, start, 0.1, TIMES, order=3, dense=True)
    tight = {"t_eval": TIMES, "rtol": 1e-9, "atol": 1e-12}
    peer, wrong = (
        solve_ivp(lambda t, y, n=order: kernel.field(y, 0.1, order=n), (0, 2), start, dense_output=True, **tight)
        for order in (3, 2)
    )
    np.testing.assert_allclose(path.states.T, peer.y, rtol=1e-7)
    between = np.linspace(0, 2, 17)
    np.testing.assert_allclose(path.sol(between), peer.sol(between), rtol=1e-5)
    np.testing.assert_allclose(path.sol(path.times), path.states.T, rtol=1e-14)
    for beyond in (-0.01, 2.01, [1.0, 3.0], float("nan")):  # SciPy would go on with a polynomial of order 7
        with pytest.raises(InputError, match="known from 0 to 2"):
            path.sol(beyond)
    assert abs(path.states.T - wrong.y).max() > 1e-5


def test_a_path_with_a_pole_is_an_error(closed_form):
    with pytest.raises(IntegrationError, match=r"equation of motion of order 0, eta = 0\.01: path: "):
        integrate_equation_of_motion(closed_form.Riccati(size=1), np.ones(1), 0.01, times=[0.5, 3.0], order=0)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"times": 1.0, "dense": True}, r"times of shape \(\): give a row"),
        ({"times": "soon"}, "time 'soon': give a finite number above 0"),
        ({"times": [0.0]}, "only the start"),
        ({"times": [1.0, 0.5]}, "times: not rising"),
        ({"times": [-1.0, 0.5]}, "times: not rising from 0"),
        ({"times": []}, r"times of shape \(0,\)"),
        ({"times": [1.0, float("nan")]}, "finite numbers"),
        ({"times": ["soon"]}, "times: "),
    ],
)
def test_bad_times_are_refused(quadratic, change, fault):
    with pytest.raises(InputError, match=fault):
        integrate_equation_of_motion(quadratic, THETA, 0.2, **change)


def test_iterates_at_some_steps_are_rows_of_all(quadratic):
    whole = optimizer_path(quadratic, THETA, 0.2, 9, optimizer="heavy-ball")
    some = optimizer_path(quadratic, THETA, 0.2, [0, 4, 9], optimizer="heavy-ball")
    np.testing.assert_array_equal(some, whole[[0, 4, 9]])
    third = optimizer_path(quadratic, THETA, 0.2, np.array([3]))
    np.testing.assert_allclose(third, [(1 - 0.2 * np.array([0.1, 1.0, 3.0])) ** 3 * THETA], rtol=1e-14)


@pytest.mark.parametrize("steps", [[], [3, 2], [2, 2]])
def test_steps_that_do_not_rise_are_refused(quadratic, steps):
    with pytest.raises(InputError, match="not rising; sort them and give each once"):
        optimizer_path(quadratic, THETA, 0.2, steps)


def test_the_principal_plane_is_that_of_the_covariance():
    points = np.random.default_rng(0).normal(size=(40, 5)) @ np.diag([0.1, 3.0, 0.2, 1.0, 0.1])
    mean, plane, shares = principal_plane(points)
    values, vectors = np.linalg.eigh(np.cov(points.T))
    np.testing.assert_allclose(shares, values[:-3:-1] / values.sum())
    np.testing.assert_allclose(abs(plane @ vectors[:, :-3:-1]), np.eye(2), atol=1e-9)
    np.testing.assert_allclose(mean, points.mean(axis=0))


def test_a_figure_has_each_path_in_the_plane_asked_for(quadratic):
    run = optimizer_path(quadratic, THETA, 0.2, 20)
    flow = integrate_equation_of_motion(quadratic, THETA, 0.2, times=0.2 * np.arange(21)).states
    axes = trajectory_figure({"run": run, "order 8": flow}, (2, 1)).axes[0]
    np.testing.assert_array_equal(axes.get_lines()[0].get_xydata(), run[:, [2, 1]])
    np.testing.assert_array_equal(axes.get_lines()[2].get_xydata(), flow[:, [2, 1]])
    assert (axes.get_xlabel(), axes.get_ylabel()) == (r"$\theta_{2}$", r"$\theta_{1}$")
    plane = trajectory_figure({"run": run, "order 8": flow}).axes[0]
    assert plane.get_xlabel().startswith("principal component 1 (9")
    distances = np.linalg.norm(plane.get_lines()[0].get_xydata() - plane.get_lines()[2].get_xydata(), axis=1)
    assert distances.max() < 1e-3


@pytest.mark.parametrize(
    ("paths", "coordinates", "fault"),
    [
        ({"a": np.ones((4, 1))}, None, "same two numbers or more"),
        ({"a": np.ones((4, 2)), "b": np.ones((4, 3))}, (0, 1), "same two numbers or more"),
        ({"a": np.ones((2, 3))}, None, "2 points have no principal plane"),
        ({"a": np.ones((4, 3))}, (0, 3), r"coordinates \(0, 3\): give two different ones of 0 to 2"),
        ({"a": np.ones((4, 3))}, (1, 1), "two different ones"),
    ],
)
def test_what_has_no_plane_is_refused(paths, coordinates, fault):
    with pytest.raises(InputError, match=fault):
        trajectory_figure(paths, coordinates)
