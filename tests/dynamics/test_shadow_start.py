"""The shadow start in numbers: against exact trees and closed forms, and as the start of the equation of motion."""

from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from eomsym import optimizers
from eomsym.codegen import KernelSpec, kernel_for
from eomsym.derivation import derive
from eomsym.dynamics import integrate_equation_of_motion, optimizer_path, shadow_start
from eomsym.dynamics.shadow_start import start_at
from eomsym.errors import InputError, IntegrationError
from eomsym.models import ExpressionLoss
from eomsym.optimizers import Optimizer, solve, sqrt
from eomsym.series.array_series import ArraySeries

LOSS = ExpressionLoss("x**4/4 + x**2/2 + x*y**2/3 + y**2/2 + 3*x/5 + y + sin(x*y)/3", ["x", "y"])
THETA = np.array([0.7, 0.4])
ADAM_INSIDE = "adam(inside=yes, corrected=no)"
ADAM = {"beta1": Fraction(9, 10), "beta2": Fraction(99, 100), "epsilon": Fraction(1, 1000)}
MOMENTUM = {"beta": Fraction(9, 10)}


@cache
def kernel(name):
    """No component of g vanishes near THETA and on its way, where Adam would lose its digits."""
    settings = {ADAM_INSIDE: ADAM, "heavy-ball": MOMENTUM}[name]
    return kernel_for(KernelSpec(LOSS, 3, name, settings=tuple(settings.items())))


def corrected_step(gradient, state, eta, beta1, beta2, epsilon):
    theta, mean, square, faded1, faded2 = state
    slope = gradient(theta)
    mean, square = beta1 * mean + (1 - beta1) * slope, beta2 * square + (1 - beta2) * slope**2
    faded1, faded2 = beta1 * faded1, beta2 * faded2
    step = mean / (1 - faded1) / sqrt(square / (1 - faded2) + epsilon)
    return theta - eta * step, mean, square, faded1, faded2


def corrected_start(gradient, theta, **parameters):
    one = 0 * theta[:1] + 1
    return 0 * theta, 0 * theta, one, one


#: Written here, so that the package's own bias correction is not its own witness.
CORRECTED = Optimizer(
    "test-adam-corrected",
    corrected_step,
    optimizers.get(ADAM_INSIDE).parameters,
    ("mean", "square", "first power", "second power"),
    initial=corrected_start,
)


@pytest.mark.parametrize(
    ("name", "given"),
    [("heavy-ball", {"beta": "1/2"}), ("heavy-ball", MOMENTUM), ("nesterov", MOMENTUM), ("optimistic", {})],
    ids=["heavy-ball 1/2", "heavy-ball 9/10", "nesterov", "optimistic"],
)
def test_exact_trees_say_the_same(name, given):
    numbers = shadow_start(kernel("heavy-ball"), THETA, None, 3, optimizer=name, **given)
    exact = start_at(derive(name, 3, start=True, **given).start, kernel("heavy-ball"), THETA)
    distances = np.linalg.norm(numbers.coefficients - exact.coefficients, axis=1)
    assert np.all(distances <= numbers.errors)
    assert np.all(numbers.errors <= 1e-6 * np.linalg.norm(exact.coefficients, axis=1))
    assert numbers.steps > 0 == exact.steps
    np.testing.assert_allclose(exact.at(0.01, 1), THETA + 0.01 * exact.coefficients[0])
    np.testing.assert_allclose(exact.at(0.01), exact.at(0.01, 2) + 1e-6 * exact.coefficients[2])


def test_a_hand_over_with_any_velocity():
    """shared/theory.md §15: c_1 = β/(1−β) (g/(1−β) − v_0); c_2 by the trees with v_0."""
    given, beta, velocity = kernel("heavy-ball"), 0.5, np.array([0.3, -0.8])
    found = shadow_start(given, THETA, None, 2, optimizer="heavy-ball", beta="1/2", memory=[velocity])
    g = given.gradient(THETA)
    hv, hg = (given.hessian_vector(THETA, vector) for vector in (velocity, g))
    np.testing.assert_allclose(found.coefficients[0], beta / (1 - beta) * (g / (1 - beta) - velocity), rtol=1e-9)
    expected = beta * (2 + beta) / (1 - beta) ** 4 * hg - beta * (1 + beta) / (1 - beta) ** 3 * hv
    np.testing.assert_allclose(found.coefficients[1], expected, rtol=1e-9)


def lambert(beta):
    """Σ n βⁿ/(1 − βⁿ)."""
    n = np.arange(1, 20000)
    return np.sum(n * beta**n / (1 - beta**n))


def test_adam_in_closed_form():
    """§10: c_1 of uncorrected Adam as a sum, c_1 = 0 and c_2 of corrected Adam by Lambert series."""
    g = kernel(ADAM_INSIDE).gradient(THETA)
    beta1, beta2, epsilon = (float(value) for value in ADAM.values())
    n = np.arange(1, 20000)[:, None]
    phi = g / np.sqrt(g * g + epsilon)
    sum_ = np.sum(phi - (1 - beta1**n) * g / np.sqrt((1 - beta2**n) * g * g + epsilon), axis=0)
    plain = shadow_start(kernel(ADAM_INSIDE), THETA, 1e-4, 1, optimizer=ADAM_INSIDE, **ADAM)
    assert np.linalg.norm(plain.coefficients[0] - sum_) <= plain.errors[0] <= 1e-8 * np.linalg.norm(sum_)
    found = start("bias-corrected adam")
    moved = kernel(ADAM_INSIDE).hessian_vector(THETA, phi)
    by_mean, by_square = (g * g + epsilon) ** -0.5, -g / 2 * (g * g + epsilon) ** -1.5
    second = lambert(beta1) * by_mean * moved + lambert(beta2) * by_square * 2 * g * moved
    assert np.linalg.norm(found.coefficients[0]) <= found.errors[0] <= 1e-6
    assert np.linalg.norm(found.coefficients[1] - second) <= found.errors[1] <= 1e-8 * np.linalg.norm(second)


CASES = {
    "adam, inside": (ADAM_INSIDE, ADAM_INSIDE, 0.5, 6.25e-5, 8000, ADAM, [1, 1, 1]),
    "bias-corrected adam": (ADAM_INSIDE, CORRECTED, 0.5, 6.25e-5, 8000, ADAM, [1, 2, 2]),
    "heavy-ball": ("heavy-ball", "heavy-ball", 0.05, 2.5e-5, 2000, MOMENTUM, [1, 1, 1]),
}


@cache
def start(case):
    name, optimizer, _, eta, _, settings, _ = CASES[case]
    return shadow_start(kernel(name), THETA, eta, 2, optimizer=optimizer, **settings)


@cache
def ends(case):
    """Where the optimizer has come to at the time with each of two step sizes."""
    name, optimizer, _, eta, steps, settings, _ = CASES[case]
    paths = [optimizer_path(kernel(name), THETA, eta / j, [steps * j], optimizer=optimizer, **settings) for j in (1, 2)]
    return [path[-1] for path in paths]


def slopes(case, shadow):
    """Slopes of the distance to the iterate at a fixed time, by order; every start to the order of its flow."""
    name, _, time, eta, *_ = CASES[case]
    errors = np.empty((3, 2))
    for j, end in enumerate(ends(case)):
        h = eta / 2**j
        for order in range(3):
            place = start(case).at(h, order) if shadow else THETA
            motion = integrate_equation_of_motion(kernel(name), place, h, time, order=order, accuracy=1e-12)
            errors[order, j] = np.linalg.norm(motion.theta - end)
    return np.log2(errors[:, 0] / errors[:, 1])


@pytest.mark.parametrize("case", CASES)
def test_the_flow_from_there_has_slopes_one_two_three(case):
    np.testing.assert_allclose(slopes(case, shadow=True), [1, 2, 3], atol=0.1)


@pytest.mark.parametrize("case", CASES)
def test_the_flow_from_where_the_optimizer_starts_is_stuck(case):
    """The control: uncorrected at 1, since c_1 is left out, corrected at 2, since c_2 is."""
    np.testing.assert_allclose(slopes(case, shadow=False), CASES[case][-1], atol=0.1)


def test_an_implicit_step_is_solved_in_series():
    """v⁺ = β v + g(θ − η v⁺) solved for v⁺, against its trees."""

    def step(gradient, state, eta, beta):
        theta, velocity = state
        (velocity,) = solve(lambda parts: (beta * velocity + gradient(theta - eta * parts[0]),), (velocity,))
        return theta - eta * velocity, velocity

    parameters = optimizers.get("heavy-ball").parameters
    entry = Optimizer("test-implicit-momentum", step, parameters, ("velocity",))
    numbers = shadow_start(kernel("heavy-ball"), THETA, None, 3, optimizer=entry, beta="1/2")
    exact = start_at(derive(entry, 3, start=True, beta="1/2").start, kernel("heavy-ball"), THETA)
    assert np.all(np.linalg.norm(numbers.coefficients - exact.coefficients, axis=1) <= numbers.errors)


@pytest.mark.parametrize("name", ["gradient-descent", "implicit-midpoint"])
def test_without_memory_it_is_where_one_stands(name):
    found = shadow_start(kernel(ADAM_INSIDE), THETA, 0.1, 2, optimizer=name)
    assert not found.coefficients.any()
    np.testing.assert_array_equal(found.at(0.1), THETA)


def test_series_in_eta_do_what_their_values_do():
    rows = np.array([[1.5, 2.0], [0.3, -0.7], [0.2, 0.4], [-0.1, 0.6]])
    a, eta, h = ArraySeries(rows), ArraySeries.eta(4), 1e-4

    def value(series):
        return sum(h**k * row for k, row in enumerate(series.rows))

    v = value(a)
    for series, expected in (
        (1 / a, 1 / v),
        ((2 - a) * a / (a + eta), (2 - v) * v / (v + h)),
        (sqrt(a) - 0.5, np.sqrt(v) - 0.5),
        (a**3 - a**0.5, v**3 - np.sqrt(v)),
        (np.float64(2) * a[:1] + np.array([1.0]), 2 * v[:1] + 1),
        (-a / 4, -v / 4),
    ):
        np.testing.assert_allclose(value(series), expected, rtol=0, atol=1e-14)
    with pytest.raises(InputError, match="power -1"):
        a**-1


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda k: shadow_start(k, THETA, 0.01, 4, optimizer=ADAM_INSIDE),
            InputError,
            "order 4.*has order 3",
        ),
        (
            lambda k: shadow_start(k, [1.0], None, 2, optimizer=ADAM_INSIDE),
            InputError,
            r"theta: shape \(1,\)",
        ),
        (
            lambda k: shadow_start(k, THETA, -1, 2, optimizer=ADAM_INSIDE),
            InputError,
            "eta -1: give a finite number above 0",
        ),
        (
            lambda k: shadow_start(k, THETA, None, 2, optimizer=ADAM_INSIDE, beta2=1),
            InputError,
            "beta2 = 1: out of range",
        ),
        (
            lambda k: shadow_start(k, THETA, None, 2, optimizer=ADAM_INSIDE, beta2="0.99999"),
            InputError,
            "so long that 1[0-9]+ steps are needed, and 600000 are allowed",
        ),
        (
            lambda k: shadow_start(k, THETA, 0.1, 2, optimizer="heavy-ball"),
            InputError,
            "eta 0.1: the terms of the start.*do not fall.*run the optimizer through its transient",
        ),
        (
            lambda k: shadow_start(k, THETA, None, 2, optimizer="heavy-ball", memory=[np.zeros(3)]),
            InputError,
            r"memory: shapes \[\(3,\)\]; give one array of shape \(2,\) for each of velocity",
        ),
        (
            lambda k: start_at(derive("heavy-ball", 2, start=True).start, k, THETA),
            InputError,
            "has a symbol; derive it with a value",
        ),
        (
            lambda k: start_at(derive("heavy-ball", 1, start={"velocity": "v"}, beta="1/2").start, k, THETA),
            InputError,
            "over more than one g",
        ),
        (
            lambda k: shadow_start(Flat(), np.zeros(2), None, 2, optimizer="adam(corrected=no)", **ADAM),
            InputError,
            "g is 0 at parameter 0, where the root",
        ),
        (
            lambda k: shadow_start(Forgetful(), THETA, None, 2, optimizer="heavy-ball"),
            IntegrationError,
            "order [12] has no digits left",
        ),
    ],
)
def test_what_has_no_start_is_refused_in_one_line(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call(kernel(ADAM_INSIDE))
    assert "\n" not in str(caught.value)


class Flat:
    """L = ‖θ‖²/2."""

    order, size = 3, 2

    def gradient_series(self, series):
        return 1.0 * series


class Forgetful(Flat):
    """No gradient at all: what it says changes from call to call, and never settles."""

    def __init__(self):
        self.calls = 0

    def gradient_series(self, series):
        self.calls += 1
        return series * np.sin(self.calls / 300)
