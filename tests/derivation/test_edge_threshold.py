"""Thresholds of stability: the closed forms of theory §18, and for every rule plain iterates of its own step."""

import math
from fractions import Fraction

import numpy as np
import pytest
import sympy

import eomsym
from eomsym import edge_threshold
from eomsym.errors import InputError
from eomsym.optimizers import FURTHER, REGISTRY, Optimizer, Parameter, chosen

LISTED = {**REGISTRY, **FURTHER}
HALF = Fraction(1, 2)


def number(name, default, minimum=-1, supremum=2):
    return Parameter(name, name, name, Fraction(minimum), Fraction(supremum), Fraction(default))


BETA, C = number("beta", "9/10", supremum=1), number("c", "1/10", 0, 1)


def average(gradient, state, eta, beta):
    """v⁺ = β v + (1 − β) g, θ⁺ = θ − η v⁺"""
    theta, mean = state
    mean = beta * mean + (1 - beta) * gradient(theta)
    return theta - eta * mean, mean


def average_ahead(gradient, state, eta, beta):
    """The average with a step ahead, as Muon's momentum has it."""
    theta, mean = state
    slope = gradient(theta)
    mean = beta * mean + (1 - beta) * slope
    return theta - eta * ((1 - beta) * slope + beta * mean), mean


def quasi_hyperbolic(gradient, state, eta, beta, nu):
    """v⁺ = β v + (1 − β) g, θ⁺ = θ − η ((1 − ν) g + ν v⁺)"""
    theta, mean = state
    slope = gradient(theta)
    mean = beta * mean + (1 - beta) * slope
    return theta - eta * ((1 - nu) * slope + nu * mean), mean


def schedule_free(gradient, state, eta, beta, c):
    """x is the average with weight c of z, which moves by the gradient between both."""
    average, fast = state
    fast = fast - eta * gradient((1 - beta) * fast + beta * average)
    return (1 - c) * average + c * fast, fast


def nesterov(gradient, state, eta, beta):
    """Nesterov's, of any β."""
    theta, velocity = state
    velocity = beta * velocity + gradient(theta - eta * beta * velocity)
    return theta - eta * velocity, velocity


def delayed(steps):
    def step(gradient, state, eta):
        """The gradient of some steps before."""
        theta, *before = state
        return theta - eta * before[0], *before[1:], gradient(theta)

    return Optimizer(f"delayed-{steps}", step, memory=tuple(f"g{n}" for n in range(steps)))


def lookahead(steps):
    def step(gradient, state, eta):
        """Half of the way that some steps of descent go."""
        (theta,) = state
        fast = theta
        for _ in range(steps):
            fast = fast - eta * gradient(fast)
        return (theta + (fast - theta) * HALF,)

    return Optimizer(f"lookahead-{steps}", step)


def lookahead_with_momentum(gradient, state, eta):
    """Half of the way that six steps of heavy ball go; the velocity goes on."""
    theta, velocity = state
    fast = theta
    for _ in range(6):
        velocity = Fraction(9, 10) * velocity + gradient(fast)
        fast = fast - eta * velocity
    return theta + (fast - theta) * HALF, velocity


OWN = {
    "average": Optimizer("average", average, (BETA,), ("mean",)),
    "average-ahead": Optimizer("average-ahead", average_ahead, (BETA,), ("mean",)),
    "quasi-hyperbolic": Optimizer("quasi-hyperbolic", quasi_hyperbolic, (BETA, number("nu", "7/10")), ("mean",)),
    "schedule-free": Optimizer(
        "schedule-free", schedule_free, (BETA, C), ("fast",), lambda gradient, theta, **others: (theta,)
    ),
    "nesterov-of-any-sign": Optimizer("nesterov-of-any-sign", nesterov, (number("beta", "-1/2"),), ("velocity",)),
    **{f"delayed-{steps}": delayed(steps) for steps in (1, 2, 3)},
    **{f"lookahead-{steps}": lookahead(steps) for steps in (5, 6)},
    "lookahead-with-momentum": Optimizer("lookahead-with-momentum", lookahead_with_momentum, memory=("velocity",)),
}

#: Theory §18, in symbols.
FORMULAS = {
    "gradient-descent": "2",
    "heavy-ball": "2*(1 + beta)",
    "heavy-ball(dampened=yes)": "2*(1 + beta)/(1 - dampening)",
    "nesterov": "2*(1 + beta)/(1 + 2*beta)",
    "nesterov(lookahead=yes)": "2*(1 + beta)/(1 + 2*beta)",
    "optimistic": "2/3",
    "extragradient": "1",
    "explicit-midpoint": "2",
    "sgdw": "(1 + beta)*(2 - eta*decay)",
    "rmsprop": "2",
    "adam": "2*(1 + beta1)/(1 - beta1)",
    "adamw": "(1 + beta1)*(2 - eta*decay)/(1 - beta1)",
    "nadam": "2*(1 + beta1)/((1 - beta1)*(1 + 2*beta1))",
    "adam(nesterov=yes)": "2*(1 + beta1)/((1 - beta1)*(1 + 2*beta1))",
    "average": "2*(1 + beta)/(1 - beta)",
    "average-ahead": "2*(1 + beta)/((1 - beta)*(1 + 2*beta))",
    "quasi-hyperbolic": "2*(1 + beta)/(1 + beta - 2*nu*beta)",
    "schedule-free": "2*(2 - c)/((2 - c)*(1 - beta) + c*beta)",
    "nesterov-of-any-sign": "1 - 1/beta",
}
SYMBOLS = {name: sympy.Symbol(name) for name in ("beta", "eta")}
#: Theory §18, in numbers: the threshold and its angle.
NUMBERS = {
    "heavy-ball": (3.8, 180),
    "adam": (38, 180),
    "average-ahead": (13.571, 180),
    "nadam": (13.571, 180),
    "extragradient": (1, 0),
    "explicit-midpoint": (2, 0),
    "runge-kutta-4": (2.7853, 0),
    "lookahead-5": (2.2457, 180),
    "lookahead-6": (2, 0),
    "lookahead-with-momentum": (3.035, 27),
    "nesterov-of-any-sign": (3, 120),
    **{f"delayed-{n}": (2 * math.sin(math.pi / (4 * n + 2)), 180 / (2 * n + 1)) for n in (1, 2, 3)},
}


def rule(name):
    return OWN.get(name, name)


@pytest.mark.parametrize("name", FORMULAS)
def test_closed_forms(name):
    threshold = edge_threshold(rule(name))
    formula, found = (sympy.parse_expr(text, SYMBOLS) for text in (FORMULAS[name], threshold.expression))
    assert sympy.simplify(found - formula) == 0
    known = {"eta": 0} | {key: sympy.Rational(value) for key, value in threshold.parameters}
    assert threshold.value == pytest.approx(float(formula.subs(known)), rel=1e-15)
    assert threshold.latex


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_and_angles(name):
    threshold = edge_threshold(rule(name))
    value, angle = NUMBERS[name]
    assert threshold.value == pytest.approx(value, rel=2e-4)
    assert threshold.angle == pytest.approx(angle, abs=1 if angle == 27 else 1e-9)
    assert abs(threshold.multiplier) == pytest.approx(1, abs=1e-12)


#: What keeps a mean of squares, and what it is set to before each step, so that the step divides by 1.
SHARES = {"square": {"rmsprop": "beta2", "adan": "beta3"}, "distrust": {}}


def held_states(entry, threshold, values):
    """The places and values of what is held; what fades has faded."""
    held = {}
    for place, name in enumerate(entry.memory, start=1):
        if name in threshold.held:
            share = SHARES.get(name, {}).get((entry.plain or entry).name, "beta2")
            held[place] = 1 / float(values[share]) if name in SHARES else 1.0
        elif name.startswith(("share of the start", "clock", "product of")):
            held[place] = 0.0
    return held


def growing(step, products, count, steps=1500, window=200):
    """Which of the x grow, by the largest size of θ in two windows of plain iterates that begin tiny."""
    state = [np.full(len(products), 1e-100 * (1 + place)) for place in range(count)]
    largest = []
    with np.errstate(all="ignore"):
        for _ in range(2):
            sizes = []
            for left in reversed(range(steps // 2)):
                state = step(state)
                sizes += [np.abs(state[0])] if left < window else []
            largest.append(np.max(sizes, axis=0))
    return ~((largest[1] < largest[0]) & (largest[1] < 1e-50) | (largest[1] < 1e-200))


def first_growing(step_at, count, low=0.02, high=400.0):
    """The smallest x whose iterates grow, to some 1e-8 of it."""
    for level in range(4):
        products = np.geomspace(low, high, 200 if level == 0 else 60)
        found = growing(step_at(products), products, count)
        if not found.any():
            return math.inf
        place = int(np.argmax(found))
        low, high = products[max(place - 1, 0)], products[place]
    return high


def plain_iterates(entry, threshold, values, eta=1.0):
    held = held_states(entry, threshold, values)
    numbers = {name: float(value) for name, value in values.items()}

    def step_at(products):
        def step(state):
            state = [np.full(len(products), held[n]) if n in held else part for n, part in enumerate(state)]
            return entry.run(lambda point, field=0: products / eta * point, tuple(state), eta, **numbers)

        return step

    return first_growing(step_at, 1 + len(entry.memory))


REFUSED = [name for name, entry in LISTED.items() if {f.kind for f in entry.fields(**entry.complete({}))} != {"loss"}]
MAPS = ("muon", "lamb", "lars", "sam", "shampoo", "adafactor")
#: Their average moves by 1/n of its way in step n, so that no step is like the one before.
COUNTING = ("schedule-free-sgd", "schedule-free-adamw")
FORMS = ("adam(nesterov=yes)", "rmsprop(centered=yes, momentum=yes)", "heavy-ball(slow_weights=yes)")
SEEN = [*(name for name in LISTED if name not in (*REFUSED, *COUNTING, *MAPS)), *FORMS]


@pytest.mark.parametrize("name", [*SEEN, *OWN])
def test_plain_iterates_of_the_step_itself_grow_from_there(name):
    entry, _ = chosen(rule(name))
    threshold = edge_threshold(rule(name), eta=1)
    small = name.startswith("smoothed")  # near the minimum its divisor is ε
    values = entry.complete({"epsilon": 1} if small else {})
    assert (threshold.held == ("the divisor",)) or not small
    if math.isinf(threshold.value):  # the implicit equation is solved by iteration, which ends at 1
        assert threshold.notes == ("stable at every x > 0",)
        assert name in ("implicit-euler", "implicit-midpoint")
        assert threshold.products(1 / 3) == pytest.approx([2 if name == "implicit-euler" else 1])
        return
    assert plain_iterates(entry, threshold, values) == pytest.approx(threshold.value, rel=1e-6)


def test_the_iterates_tell_rules_apart():
    """The negative control: no other rule's threshold passes."""
    entry, _ = chosen("nesterov")
    found = plain_iterates(entry, edge_threshold("nesterov"), entry.complete({}))
    others = [edge_threshold(rule(name), eta=1).value for name in (*SEEN, *OWN) if name != "nesterov"]
    assert min(abs(value / found - 1) for value in others) > 1e-3


@pytest.mark.parametrize("name", MAPS)
def test_maps_of_blocks_have_no_threshold(name):
    with pytest.raises(InputError, match="calls a map of blocks, whose derivative no lambda tells"):
        edge_threshold(name)


@pytest.mark.parametrize("name", REFUSED)
def test_several_losses_have_no_threshold(name):
    with pytest.raises(InputError, match=r"batches or players"):
        edge_threshold(name)


@pytest.mark.parametrize("name", COUNTING)
def test_steps_that_count_have_no_threshold(name):
    with pytest.raises(InputError, match=r"no threshold, its steps depend on the curvature by more than x"):
        edge_threshold(name)


@pytest.mark.parametrize("name", [name for name in (*SEEN, *OWN) if not name.startswith("implicit")])
def test_from_a_multiplier_back_to_x(name):
    """At the threshold the multiplier that leaves gives the threshold."""
    threshold = edge_threshold(rule(name))
    products = threshold.products(threshold.multiplier)
    assert any(x == pytest.approx(threshold.value, rel=1e-9) for x in products)


@pytest.mark.parametrize("multiplier", [0.93 * np.exp(0.5j), -0.98, 0.95])
def test_the_way_back_of_heavy_ball(multiplier):
    """x = 1 + β − μ − β/μ."""
    x = 1.9 - multiplier - 0.9 / multiplier
    found = edge_threshold("heavy-ball").products(multiplier, tolerance=0.5)
    assert found == pytest.approx([x.real] if x.real > 0 else [])


def test_a_complex_multiplier_beside_the_curve_has_no_x():
    assert edge_threshold("heavy-ball").products(0.5 * np.exp(1j)) == ()
    with pytest.raises(InputError, match="not finite"):
        edge_threshold("heavy-ball").products(math.nan)


def test_decay_beside_the_step_needs_eta():
    symbolic, at_eta = (
        edge_threshold("torch.AdamW(weight_decay=0.1)"),
        edge_threshold("adamw", eta="1/100", decay="1/10"),
    )
    assert symbolic.value == 38
    assert "give eta" in symbolic.notes[0]
    assert at_eta.value == pytest.approx(19 * (2 - 1e-3), rel=1e-15)
    assert at_eta.notes == ()


def test_decay_in_the_gradient_is_part_of_the_loss():
    for name, value in (("torch.Adam(weight_decay=0.1)", 38), ("heavy-ball(coupled_decay=yes)", 3.8)):
        threshold = edge_threshold(name)
        assert (threshold.value, threshold.notes) == (value, ("the Hessian is that of the loss with its weight decay",))


def test_what_is_held_is_found_in_the_rule():
    held = {name: edge_threshold(name).held for name in ("heavy-ball", "adam", "adabelief", "adadelta", "adan")}
    expected = [(), ("square",), ("distrust",), ("square", "moves"), ("square",)]
    assert list(held.values()) == expected
    assert "P^½ H P^½, square held" in edge_threshold("adam").report()[1]


@pytest.mark.parametrize("name", ["gradient-descent", "implicit-euler", "adam"])
def test_a_rule_that_climbs_is_stable_nowhere_to_begin_with(name):
    threshold = edge_threshold(f"{name}(maximize=yes)")
    assert (threshold.value, threshold.angle, threshold.expression) == (0, None, "none")
    assert "is it stable" in threshold.notes[0]


def test_stability_that_returns_is_said():
    """A rule whose multiplier is a polynomial that comes back into (−1, 1)."""

    def step(gradient, state, eta):
        """θ⁺ = (1 − x)(1 − x/4)(1 − x/12) θ"""
        (theta,) = state
        for share in (1, Fraction(1, 4), Fraction(1, 12)):
            theta = theta - eta * share * gradient(theta)
        return (theta,)

    threshold = edge_threshold(Optimizer("three-rates", step))
    x = np.linspace(0.001, 20, 200_001)
    stable = np.abs((1 - x) * (1 - x / 4) * (1 - x / 12)) < 1
    ends = x[1:][stable[1:] != stable[:-1]]
    assert [threshold.value, *threshold.stable_again[0]] == pytest.approx(ends, abs=1e-3)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (lambda gradient, state, eta: (state[0] - eta * gradient(state[0]) ** 2,), "not linear near a minimum"),
        (lambda gradient, state, eta: (state[0] - eta * (gradient(state[0]) + 1),), "adds a number that is held"),
        (lambda gradient, state, eta: (state[0] - eta**2 * gradient(state[0]),), "give eta"),
        (lambda gradient, state, eta: (state[0] - gradient(state[0]),), "more than x = eta lambda"),
        (lambda gradient, state, eta: (state[0] - eta * gradient(state[0], 1),), "several losses"),
        (lambda gradient, state, eta: (state[0] - 0.1 * eta * gradient(state[0]),), "not exact"),
        (lambda gradient, state, eta: (state[0] - eta * np.sign(gradient(state[0])),), "cannot be traced"),
    ],
)
def test_rules_without_a_threshold_are_refused_in_one_line(step, reason):
    with pytest.raises(InputError, match=reason) as refusal:
        edge_threshold(Optimizer("own", step))
    assert "\n" not in str(refusal.value)


def test_a_branch_is_that_of_the_values():
    """Symbols have no order."""

    def step(gradient, state, eta, c):
        """θ⁺ = θ − η c g, or half of it"""
        return (state[0] - eta * (c if c > 1 else c * HALF) * gradient(state[0]),)

    entry = Optimizer("branches", step, (number("c", "9/10", 0, 10),))
    assert [edge_threshold(entry, c=c).value for c in (HALF, 2)] == [8, 1]


def test_a_parameter_may_have_the_name_of_the_product():
    def step(gradient, state, eta, x, r):
        """θ⁺ = θ − η x r g"""
        return (state[0] - eta * x * r * gradient(state[0]),)

    entry = Optimizer("named-x", step, (number("x", HALF), number("r", HALF)))
    assert edge_threshold(entry).value == 8


def test_library_names_that_are_no_rule_are_refused_with_the_reason():
    with pytest.raises(InputError, match="the sign of g jumps"):
        edge_threshold("optax.lion()")


def test_it_is_told_in_every_form():
    threshold = edge_threshold("heavy-ball")
    assert str(threshold).startswith("heavy-ball: x = 2*(beta + 1) = 3.8 by -1")
    assert threshold.to_dict()["value"] == 3.8
    assert threshold.to_dict()["parameters"] == {"beta": "9/10"}
    assert eomsym.derivation.EdgeThreshold is type(threshold)
