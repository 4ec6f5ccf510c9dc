"""Steps traced to rules: what is written down, that it says what the step does, and what is refused."""

from fractions import Fraction

import asking
import numpy as np
import pytest
from forms import EVERY
from interpreted import interpreted
from own_rules import POWERS

import eomsym
from eomsym import optimizers
from eomsym.codegen import KernelSpec
from eomsym.errors import InputError, IntegrationError
from eomsym.models import MLP, ExpressionLoss
from eomsym.optimizers import Optimizer, Parameter, runge_kutta, solve, sqrt
from eomsym.optimizers.loop import Loop, loop_of, losses_in_turn
from eomsym.optimizers.rule import Gradient, Linear, One, Product, Quotient, SquareRoot, State
from eomsym.optimizers.tracing import trace
from eomsym.schedules import constant
from eomsym.series.array_series import ArraySeries

ENTRIES = [*EVERY.values(), *POWERS]


def run_rule(rule, gradient, state, eta):
    """One step of an explicit rule by its data alone."""
    values = {}

    def linear(combination):
        return sum(float(weight) * eta**power * atom(number) for number, power, weight in combination.terms)

    def atom(number):
        if number not in values:
            values[number] = evaluate(rule.atoms[number])
        return values[number]

    def evaluate(kind):
        match kind:
            case State(index):
                return state[index]
            case Gradient(field, point):
                return gradient(linear(point), field)
            case One():
                return np.ones_like(state[0])
            case Product(left, right):
                return linear(left) * linear(right)
            case Quotient(numerator, denominator):
                return linear(numerator) / linear(denominator)
            case SquareRoot(argument):
                return np.sqrt(linear(argument))
        raise AssertionError(kind)

    return tuple(linear(following) for following in rule.following)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_the_rule_says_what_the_step_does(entry):
    values = entry.complete({}, trial=True)
    rule = trace(entry.step, 1 + len(entry.memory), values)
    if rule.stages:
        pytest.skip("implicit: the rule has no order of evaluation; see the test of stages")
    state = (np.array([0.4, -0.3, 1.2]), *(np.array([0.5, 0.3, 1.2]) + 0.1 * i for i in range(len(entry.memory))))

    def gradient(point, field=0):
        return np.sin((1 + field) * point) + point[::-1] ** 2

    numbers = {name: float(value) for name, value in values.items()}
    for found, expected in zip(
        run_rule(rule, gradient, state, 0.1), entry.run(gradient, state, 0.1, **numbers), strict=True
    ):
        np.testing.assert_allclose(np.broadcast_to(found, expected.shape), expected, rtol=1e-14)


@pytest.mark.parametrize("name", ["implicit-euler", "implicit-midpoint"])
def test_implicit_steps_solve_their_equation(name):
    entry, theta, eta = optimizers.get(name), np.array([0.4, -0.3]), 0.3
    (after,) = entry.step(np.sin, (theta,), eta)
    at = after if name == "implicit-euler" else (theta + after) / 2
    np.testing.assert_allclose(after, theta - eta * np.sin(at), rtol=1e-15)
    with pytest.raises(IntegrationError, match="take a smaller eta"):
        entry.step(lambda point: 50 * point, (theta,), eta)


def test_a_rule_is_data():
    beta = Fraction(9, 10)
    rule = optimizers.get("heavy-ball").rule(beta=beta)
    assert rule.atoms == (State(0), State(1), Gradient(0, Linear(((0, 0, 1),))))
    assert rule.following[1] == Linear(((1, 0, beta), (2, 0, 1)))
    assert rule.moved(0) == Linear(((1, 1, -beta), (2, 1, -1)))
    assert rule.linear
    assert not optimizers.get("adam").rule(**optimizers.get("adam").complete({})).linear


def test_equal_evaluations_are_one():
    """Reshuffling three batches: 3 first steps, 6 second ones, 6 third ones instead of 18."""
    assert optimizers.get("random-reshuffling").rule(batches=Fraction(3)).evaluations == 15


def _step(function):
    return lambda: trace(function, 2, {"beta": Fraction(1, 2)})


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda g, s, eta, beta: (s[0] - g(s[0]), s[1]), "theta must move by eta times something"),
        (lambda g, s, eta, beta: (beta * s[0] - eta * g(s[0]), s[1]), "theta must move by eta times something"),
        (lambda g, s, eta, beta: (s[0] - eta * s[1], s[1] + g(s[0])), "never settles"),
        (lambda g, s, eta, beta: (s[0] - eta * s[1], 0.1 * s[1] + g(s[0])), r"0\.1 is not exact"),
        (lambda g, s, eta, beta: (s[0] - eta * s[1] ** beta, 0 * s[1]), None),
        (lambda g, s, eta, beta: (s[0] - eta * s[1] ** -1, s[1] * beta), "power -1"),
        (lambda g, s, eta, beta: [s[0], s[1]], "return a tuple of the 2 states"),
        (lambda g, s, eta, beta: (s[0] - eta * np.exp(s[1]), s[1]), "cannot be traced"),
        (lambda g, s, eta, beta: (s[0] - eta * g(3), s[1]), "take it at a vector"),
    ],
)
def test_steps_that_have_no_series_are_refused(function, reason):
    if reason is None:
        assert trace(function, 2, {"beta": Fraction(1, 2)}).atoms[-1] == SquareRoot(Linear(((1, 0, 1),)))
        return
    with pytest.raises(InputError, match=reason):
        trace(function, 2, {"beta": Fraction(1, 2)})


def keeping(share):
    def step(gradient, state, eta):
        theta, memory = state
        memory = share * memory + gradient(theta)
        return theta - eta * memory, memory

    return Optimizer("keeps", step, memory=("memory",))


def _kernel(entry):
    return interpreted(KernelSpec(ExpressionLoss("x**4 + x**2", ["x"]), 2, optimizers.get(entry).name))


def _follow(entry, state):
    own = interpreted(KernelSpec(ExpressionLoss("x**4 + x**2", ["x"]), 2))
    return asking.follow(own, np.array([0.7]), 0.01, 3, optimizer=entry, orders=[0], state=state)


SLOW_MANIFOLD = {
    "derive": lambda entry: eomsym.derive(entry, 1),
    "start": lambda entry: eomsym.derive(entry, 1, start=True),
    "schedule": lambda entry: eomsym.derive(entry, 1, schedule="eta"),
    "kernel": _kernel,
    "verify": lambda entry: asking.verify(entry, MLP([1, 1], "identity", "mse"), (np.ones((2, 1)), np.zeros((2, 1)))),
    "arrays": lambda entry: loop_of(entry).rule({}),
    "rounds": lambda entry: loop_of(entry, None, losses_in_turn(2, "forward")).rule({}),
    "transient": lambda entry: entry.transient(),
    "follow": lambda entry: _follow(entry, "slow"),
}


@pytest.mark.parametrize("share", [2, -1, Fraction(-3, 2), 1.5])
@pytest.mark.parametrize("where", SLOW_MANIFOLD)
def test_a_memory_that_never_fades_has_no_slow_manifold(where, share):
    with pytest.raises(InputError, match=r"never (fades|settles)"):  # two steps of the share −1 keep all
        SLOW_MANIFOLD[where](keeping(share))


def test_steps_with_such_a_memory_can_be_followed_in_the_whole_state():
    assert _follow(keeping(2), "whole").records()
    assert keeping(Fraction(-1, 2)).rule().self_coefficient(1) == Fraction(-1, 2)


def _root(value):
    return sqrt(value**2 + Fraction(1, 2))


GROUPED = {
    "quotient": (lambda u, eta: eta * u / _root(u), lambda u, eta: eta * (u / _root(u))),
    "product": (lambda u, eta: (eta * u) * (eta * u), lambda u, eta: eta**2 * u**2),
    "quotient of powers": (lambda u, eta: eta * (eta * u) / (eta * _root(u)), lambda u, eta: eta * (u / _root(u))),
    "root": (lambda u, eta: sqrt((eta * u) ** 2 + eta**2 / 2), lambda u, eta: eta * _root(u)),
}


@pytest.mark.parametrize("what", GROUPED)
def test_eta_counts_wherever_it_stands_in_a_product(what):
    one, other = (trace(lambda g, s, eta, made=made: (s[0] - made(g(s[0]), eta),), 1, {}) for made in GROUPED[what])
    assert one.following == other.following
    assert one.atoms == other.atoms


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda u, eta: eta * u / (eta * _root(u)), "theta must move by eta times something"),
        (lambda u, eta: u / (eta * _root(u)), "divides by eta"),
        (lambda u, eta: sqrt(eta * u**2), "square root of eta"),
    ],
)
def test_what_is_no_multiple_of_eta_is_still_refused(made, reason):
    with pytest.raises(InputError, match=reason):
        trace(lambda g, s, eta: (s[0] - made(g(s[0]), eta),), 1, {})


def exact_step(gradient, state, eta):
    theta, memory = state
    memory = Fraction(1, 3) * memory + gradient(theta) * Fraction(2, 3)
    return theta - eta * memory / sqrt(memory**2 + Fraction(1, 7)), memory


def float_step(gradient, state, eta):
    theta, memory = state
    memory = 1 / 3 * memory + gradient(theta) * (2 / 3)
    return theta - eta * memory / np.sqrt(memory**2 + 1 / 7), memory


EXACT = Optimizer(
    "exact", exact_step, memory=("memory",), initial=lambda gradient, theta: (Fraction(1, 3) * gradient(theta),)
)


def documented_step(gradient, state, eta):
    """θ⁺ = θ − η g, over
    two lines

    What else there is to say.

    Limits: nothing
    known
    """
    return (state[0] - eta * gradient(state[0]),)


def test_people_are_told_what_the_docstring_of_a_step_says():
    entry = Optimizer("documented", documented_step)
    assert (entry.summary, entry.source, entry.limits) == ("θ⁺ = θ − η g, over two lines", "", "nothing known")
    other = Optimizer("documented", documented_step, summary="descent", source="these tests")
    assert (other.summary, other.source, other.limits) == ("descent", "these tests", "nothing known")
    assert Optimizer("plain", lambda gradient, state, eta: state).summary == ""


def test_exact_numbers_in_a_step_are_floats_on_arrays():
    theta = np.array([0.4, -0.3])
    start = EXACT.initial_state(theta, np.sin)
    np.testing.assert_array_equal(start[1], 1 / 3 * np.sin(theta))
    found, expected = EXACT.run(np.sin, start, 0.1), float_step(np.sin, start, 0.1)
    assert all(type(part) is np.ndarray and part.dtype == float for part in (*start, *found))
    np.testing.assert_allclose(found, expected, rtol=1e-15)
    series = EXACT.run(lambda point: point, (ArraySeries.constant(theta, 3),) * 2, ArraySeries.eta(3))
    assert all(part.rows.dtype == float for part in series)


def test_exact_numbers_are_refused_where_arrays_do_not_know_them():
    torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")
    with pytest.raises(InputError, match="write what such arrays know"):
        EXACT.run(torch.sin, (torch.ones(2), torch.ones(2)), 0.1)
    with pytest.raises(TypeError, match="NoneType"):  # what has nothing to do with them stays as it is
        keeping(2).run(lambda point: None, (torch.ones(2), torch.ones(2)), 0.1)


def test_states_that_depend_on_one_another_at_once_are_refused():
    def step(gradient, state, eta):
        theta, a, b = state
        return theta - eta * gradient(theta), b, a

    with pytest.raises(InputError, match="depend on one another"):
        trace(step, 3, {})


def test_square_roots_of_arrays_and_solutions_of_tuples():
    np.testing.assert_array_equal(sqrt(np.array([4.0, 9.0])), [2, 3])
    x, y = solve(lambda points: (0.5 * points[1], 0.25 * points[0] + 1), (np.zeros(1), np.zeros(1)))
    np.testing.assert_allclose([x[0], y[0]], [4 / 7, 8 / 7], rtol=1e-15)


def test_tableaux_are_checked():
    with pytest.raises(InputError, match="add up to 1/2"):
        runge_kutta("half", [[0]], ["1/2"])
    with pytest.raises(InputError, match="matrix of 2 rows"):
        runge_kutta("narrow", [[0], [1]], [0, 1])


def test_own_optimisers_are_registered_and_names_are_guarded(monkeypatch):
    for table in ("REGISTRY", "_BY_ALIAS"):
        monkeypatch.setattr(optimizers.registry, table, dict(getattr(optimizers.registry, table)))
    beta = Parameter("beta", "β", "", Fraction(0), Fraction(1))
    mine = Optimizer("my-method", lambda gradient, state, eta, beta: state, (beta,), aliases=("mine",))
    assert optimizers.get(mine) is mine
    assert optimizers.get("mine") is mine
    with pytest.raises(InputError, match="beta: missing; give 0 <= beta < 1"):
        mine.complete({})
    for name, reason in (("adam", "taken"), ("My Method", "small letters")):
        with pytest.raises(InputError, match=reason):
            optimizers.register(Optimizer(name, lambda gradient, state, eta: state))


@pytest.mark.parametrize(("name", "given"), [("heavy-ball", {"beta": "9/10"}), ("adam", {}), ("optimistic", {})])
def test_the_transient_forgets_the_start_to_the_last_bit(name, given):
    """Two runs at frozen θ whose memories differ by one are equal after the transient."""
    entry = optimizers.get(name)
    values = entry.complete(given, trial=True)
    numbers = {key: float(value) for key, value in values.items()}
    ends = []
    for offset in (0.0, 1.0):
        state = (np.array([0.3]), *(np.array([offset]) for _ in entry.memory))
        for _ in range(entry.transient(**values)):
            state = (np.array([0.3]), *entry.step(lambda point, field=0: 2 * point, state, 1e-3, **numbers)[1:])
        ends.append(state)
    np.testing.assert_allclose(ends[0], ends[1], rtol=4e-16, atol=2**-60)
    assert optimizers.get("extragradient").transient() == 0


def test_powers_of_a_number_that_depends_on_time():
    def step(gradient, state, eta, beta):
        theta, velocity = state
        velocity = beta * velocity + gradient(theta)
        return theta - eta * (1 - beta) ** -1 * velocity, velocity

    entry = Optimizer("power", step, (optimizers.get("heavy-ball").parameters[0],), ("velocity",))
    rule = Loop(entry, {"beta": Fraction(1, 2)}, {"beta": constant(0.5)}).rule({"beta": [Fraction(1, 2), 0]})
    assert [value for *_, value in rule.moved(0).terms] == [-1, -2]
    with pytest.raises(InputError, match=r"power 0\.5 of eta"):
        trace(lambda gradient, state, eta: (state[0] - eta**0.5 * gradient(state[0]),), 1, {})


def test_the_step_of_a_registered_optimizer_is_followed_anew():
    """It may read what has changed since."""
    factor = 1

    def step(gradient, state, eta):
        return (state[0] - factor * eta * gradient(state[0]),)

    optimizers.register(Optimizer("factor", step))
    before = loop_of("factor").rule({})
    factor = 2
    after = loop_of("factor").rule({})
    assert before != after
