"""The even-step equation: closed forms on quadratics, a stable run beyond ηλ = 1, and what is refused."""

from types import SimpleNamespace

import iris
import numpy as np
import pytest

from eomsym.dynamics import even_steps
from eomsym.dynamics.even_steps import follow_even_steps
from eomsym.dynamics.runs import StateMap
from eomsym.errors import InputError, IntegrationError, ResummationWarning

CURVATURES = np.array([1.7, 0.4, 0.1])
QUADRATIC = SimpleNamespace(order=1, size=3, gradient=lambda theta: CURVATURES * theta)
START = np.array([0.5, 1.0, -2.0])


def test_on_a_quadratic_it_is_every_second_power_of_the_step():
    path = even_steps(QUADRATIC, START, 1.0, 20, order=3, tolerance=1e-9)
    for time in (0, 2, 7.5, 20):
        exact = np.abs(1 - CURVATURES) ** time * START
        np.testing.assert_allclose(path.state(time), exact, atol=2e-7)


def test_centre_and_amplitude_are_those_of_the_run():
    """Along curvature 1.7 the iterates are multiplied by −0.7: nearly all of that alternates."""
    path = even_steps(QUADRATIC, START, 1.0, 20, order=3, tolerance=1e-9)
    for k in (0, 6):
        run = np.array([(1 - CURVATURES) ** n * START for n in (k, k + 1, k + 2)])
        np.testing.assert_allclose(path.centre(k), (run[0] + 2 * run[1] + run[2]) / 4, atol=2e-7)
        np.testing.assert_allclose(path.amplitude(k), (run[0] - 2 * run[1] + run[2]) / 4, atol=2e-7)
        assert abs(path.amplitude(k)[0]) > 20 * abs(path.centre(k)[0])


def test_it_counts_gradients():
    calls = []

    def gradient(theta):
        calls.append(1)
        return CURVATURES * theta

    path = even_steps(SimpleNamespace(order=1, size=3, gradient=gradient), START, 1.0, 4, order=2)
    assert path.gradients == len(calls)
    path.centre(2)
    assert len(calls) == path.gradients + 2


def beyond_one():
    """Iris at ηλ = 1.5: stable, and what is steep alternates."""
    theta, curvature = iris.trained()
    kernel, data, eta = iris.kernel(), iris.data(), 1.5 / curvature
    start = theta + 0.02 * np.random.default_rng(3).standard_normal(theta.size)
    run = [start]
    for _ in range(4):
        run.append(run[-1] - eta * kernel.gradient(run[-1], *data))
    return kernel, start, eta, data, run


@pytest.mark.parametrize("logarithm", ["plain", "subspace"])
def test_beyond_one_the_error_falls_with_the_order(logarithm):
    kernel, start, eta, data, run = beyond_one()
    errors = []
    for order in (0, 2, 4):
        path = even_steps(kernel, start, eta, 4, data, order=order, logarithm=logarithm, tolerance=1e-7)
        errors.append(np.linalg.norm(path.state(4) - run[4]))
    assert errors[0] > 3 * errors[1] > 6 * errors[2]


def test_with_stride_one_it_grows_there():
    """The control: the plain look-ahead field of single steps gets worse with each order."""
    from eomsym.dynamics.integration import integrate
    from eomsym.step_index import map_logarithm

    kernel, start, eta, data, run = beyond_one()

    def step(theta):
        return theta - eta * kernel.gradient(theta, *data)

    errors = []
    for order in (0, 2, 4):
        end = integrate(lambda z, order=order: map_logarithm(step, z, order), start, 4.0, 1e-7)
        errors.append(np.linalg.norm(end.state - run[4]))
    assert errors[0] < errors[1] < errors[2]


ALONE, BESIDE = np.array([1.0]), np.array([1.0, 0.3, 0.05])


def quadratic_error(curvatures, x, steps, **options):
    """Of the path on a quadratic, relative to the distance that the run has moved."""
    kernel = SimpleNamespace(order=1, size=len(curvatures), gradient=lambda theta: curvatures * theta)
    start = np.array([1.0, 2.0, -0.7])[: len(curvatures)]
    end = even_steps(kernel, start, x, steps, **options).state(steps)
    run = (1 - x * curvatures) ** steps * start
    return np.linalg.norm(end - run) / np.linalg.norm(run - start)


@pytest.mark.parametrize("curvatures", [ALONE, BESIDE], ids=["alone", "beside"])
@pytest.mark.parametrize("order", range(5))
@pytest.mark.parametrize("x", [2.5, 2.7, 2.9])
def test_the_plain_sum_says_that_it_ends_at_one_and_the_root_of_two(curvatures, order, x):
    with pytest.warns(ResummationWarning, match=r"even-step equation, step .*beyond 1\.41 .*'subspace'") as told:
        error = quadratic_error(curvatures, x, 4, order=order, logarithm="plain")
    assert error > 0.3
    assert [one.filename for one in told] == [__file__]


@pytest.mark.parametrize("curvatures", [ALONE, BESIDE], ids=["alone", "beside"])
@pytest.mark.parametrize("x", [0.5, 1.0, 1.9, 2.2])
def test_below_it_says_nothing(curvatures, x):
    """The control: warnings are errors.  Along ηλ = 1 the run is there in a step, and the flow a few later."""
    assert quadratic_error(curvatures, x, 20, order=4, logarithm="plain") < 0.01


@pytest.mark.parametrize("x", [1.0, 2.5, 2.7])
def test_the_subspace_is_right_up_to_2_8_and_at_one(x):
    """At ηλ = 1 exactly a multiplier is 0, and its logarithm infinite."""
    assert quadratic_error(BESIDE, x, 20, order=4) < 1e-4


@pytest.mark.parametrize("x", [2.9, 3.5])
def test_and_says_that_it_ends_there(x):
    with pytest.warns(ResummationWarning, match=r"beyond 1\.8 either way the path is far off; take a smaller eta"):
        assert quadratic_error(BESIDE, x, 20, order=4) > 1


@pytest.mark.parametrize("x", [2.02, 2.5])
def test_one_direction_is_not_enough_for_several_and_it_says_so(x):
    with pytest.warns(ResummationWarning, match=r"outside of the span of 1 difference, .*take a higher order") as told:
        error = quadratic_error(BESIDE, x, 4, order=1)
    assert error > 0.3
    assert [one.filename for one in told] == [__file__]


@pytest.mark.parametrize(("curvatures", "order"), [(ALONE, 1), (np.array([1.0, 0.3]), 2), (BESIDE, 3)])
@pytest.mark.parametrize("x", [0.3, 2.02, 2.5])
def test_as_many_directions_as_there_are_are_enough(curvatures, order, x):
    """The control: warnings are errors."""
    assert quadratic_error(curvatures, x, 8, order=order) < 1e-4


def heavy_ball(x, beta=0.9):
    """The step on ½x θ² as a matrix on (θ, v)."""
    return np.array([[1 - x, -beta], [x, beta]])


@pytest.mark.parametrize("x", [0.1, 3.7])
def test_heavy_ball_on_its_whole_state(x):
    """Multipliers with |μ² − 1| < 1: below 0.285 and above 3.515 at β = 0.9."""
    kernel = SimpleNamespace(order=1, size=1, gradient=lambda theta: x * theta)
    state = [np.array([0.2])]
    path = even_steps(kernel, np.array([1.0]), 1.0, 12, order=3, optimizer="heavy-ball", state=state, tolerance=1e-9)
    for k in (2, 6, 12):
        exact = np.linalg.matrix_power(heavy_ball(x), k) @ [1.0, 0.2]
        np.testing.assert_allclose(path.state(k), exact, atol=1e-6)
        assert path.centre(k).shape == path.amplitude(k).shape == (1,)


@pytest.mark.parametrize("x", [0.3, 1.5])
def test_heavy_ball_needs_two_directions_and_it_says_so(x):
    """Its multipliers are a pair there, of (θ, v); order 2 is the control: warnings are errors."""
    kernel = SimpleNamespace(order=1, size=1, gradient=lambda theta: x * theta)
    options = {"optimizer": "heavy-ball", "state": [np.array([0.2])]}
    exact = np.linalg.matrix_power(heavy_ball(x), 4) @ [1.0, 0.2]
    with pytest.warns(ResummationWarning, match="outside of the span of 1 difference, "):
        low = even_steps(kernel, np.array([1.0]), 1.0, 4, order=1, **options).state(4)
    assert np.linalg.norm(low - exact) > 0.2
    if x < 1:
        np.testing.assert_allclose(
            even_steps(kernel, np.array([1.0]), 1.0, 4, order=2, **options).state(4), exact, atol=1e-3
        )


def test_heavy_ball_between_is_refused_as_a_plain_sum():
    kernel = SimpleNamespace(order=1, size=1, gradient=lambda theta: 1.5 * theta)
    with pytest.raises(InputError, match=r"stride 2: \|mu\^2 - 1\| is 2\.\d+ for .* heavy-ball"):
        even_steps(kernel, np.ones(1), 1.0, 10, order=4, optimizer="heavy-ball", state=[np.ones(1)], logarithm="plain")


def test_a_trial_outside_the_domain_makes_the_step_smaller():
    """The step is defined for θ above 0 alone, where the run stays: θ ← θ^0.2, so that log θ falls by log 5 a step."""

    def step(theta):
        if not (theta > 0).all():
            raise InputError("theta: not above 0")
        return np.where(theta < 1e-3, np.nan, theta**0.2)

    path = follow_even_steps(StateMap(step, np.array([2e-3]), 1), 10, 2, tolerance=1e-3)
    assert path.state(10)[0] == pytest.approx(1, abs=0.05)


def test_a_map_that_leaves_the_numbers_is_one_line():
    whole = StateMap(lambda z: 1e200 * z**2, np.array([2.0]), 1)
    with pytest.raises(IntegrationError, match="not finite where it begins"):
        follow_even_steps(whole, 10)
    whole = StateMap(lambda z: z + z**2, np.array([0.5]), 1)
    told = pytest.warns(ResummationWarning, match=r"step 0: 100% .* multiplied by up to 2\.25 in a step")
    with told, pytest.raises(IntegrationError, match="even-step equation: stopped at step"):
        follow_even_steps(whole, 100)


def test_bad_values_are_refused():
    cases = (
        ({"optimizer": "heavy-ball"}, "heavy-ball has a memory .*give it"),
        ({"optimizer": "heavy-ball", "state": [np.ones(2)]}, "2 numbers; the memory of heavy-ball has 3"),
        ({"logarithm": "pade"}, "choose from subspace, plain"),
        ({"tolerance": 0}, "above 0"),
        ({"order": 21}, "0 to 20"),
    )
    for options, message in cases:
        with pytest.raises(InputError, match=message):
            even_steps(QUADRATIC, START, 1.0, 10, **options)
    with pytest.raises(InputError, match="steps 0"):
        even_steps(QUADRATIC, START, 1.0, 0)
    with pytest.raises(InputError, match="times from 0 to 4"):
        even_steps(QUADRATIC, START, 1.0, 4).centre(4.5)
