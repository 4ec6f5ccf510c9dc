"""Designed optimisers: coefficients of books, steps written out here against the flow, and what has no solution."""

from fractions import Fraction
from itertools import permutations, product

import numpy as np
import pytest
import sympy
from scipy.integrate import solve_ivp

import eomsym
from eomsym.derivation import modified_loss
from eomsym.errors import InputError, UnsolvableError
from eomsym.optimizers import Map, Optimizer, Parameter, batch_passes, runge_kutta_family, sqrt
from eomsym.optimizers.optimizer import coefficient
from eomsym.trees import parse_tree

# A loss in the plane without symmetries; its gradient is written out, and shares no code with the package.
HALF = Fraction(1, 2)
START = np.array([0.7, -0.4])
ETAS = 0.2 * 0.5 ** np.arange(5)


def gradient(z):
    x, y = z
    return np.array([x**3 + 0.5 * y + np.sin(x) + 1, 0.5 * x + 3 * y + y**3 - np.cos(y)])


def flow(field, time):
    return solve_ivp(lambda _, z: field(z), (0, time), START, method="DOP853", rtol=1e-13, atol=1e-15).y[:, -1]


def runge_kutta_ends(values, stages, eta):
    """θ at time 1.6 by the tableau that the coefficients say."""
    theta = START
    for _ in range(round(1.6 / eta)):
        slopes = [gradient(theta)]
        for i in range(2, stages + 1):
            row = [values[f"a{i}{j}"] for j in range(2, i)]
            row = [values[f"c{i}"] - sum(row), *row]
            slopes.append(gradient(theta - eta * sum(float(a) * k for a, k in zip(row, slopes, strict=True))))
        weights = [values[f"b{i}"] for i in range(2, stages + 1)]
        theta = theta - eta * sum(float(b) * k for b, k in zip([1 - sum(weights), *weights], slopes, strict=True))
    return theta


def slope(errors):
    return np.log2(errors[-2] / errors[-1])


@pytest.mark.parametrize("order", [1, 2, 3])
def test_correctors_follow_gradient_flow_one_order_further(order):
    made = eomsym.design(runge_kutta_family(order + 1), vanishing=order)
    end = flow(lambda z: -gradient(z), 1.6)
    errors = [np.linalg.norm(runge_kutta_ends(made.coefficients, order + 1, eta) - end) for eta in ETAS]
    assert slope(errors) == pytest.approx(order + 1, abs=0.1)
    last = f"b{order + 1}"
    wrong = {**made.coefficients, last: made.coefficients[last] + Fraction(1, 4)}
    errors = [np.linalg.norm(runge_kutta_ends(wrong, order + 1, eta) - end) for eta in ETAS]
    assert slope(errors) == pytest.approx(1, abs=0.1)  # the negative control
    rows = eomsym.derive(made, order + 1).rows
    assert all(value == 0 for row in rows[1 : order + 1] for value in row.values())
    assert any(value != 0 for value in rows[order + 1].values())
    (stepped,) = made.step(gradient, (START,), 1.6)
    assert stepped == pytest.approx(runge_kutta_ends(made.coefficients, order + 1, 1.6), rel=1e-14)


def test_classical_methods_come_out():
    """Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I, section II.1: Heun's and Kutta's."""
    heun = eomsym.design(runge_kutta_family(3), vanishing=2, c2="1/3", c3="2/3").coefficients
    assert (heun["a32"], heun["b2"], heun["b3"]) == (Fraction(2, 3), 0, Fraction(3, 4))
    kutta = eomsym.design(runge_kutta_family(4), vanishing=3)  # the 3/8 rule
    assert list(map(str, kutta.coefficients.values())) == ["1/3", "2/3", "1", "1", "-1", "1", "3/8", "3/8", "1/8"]
    assert dict(kutta.chosen) == {"c2": "its default", "c3": "its default"}
    assert "c2 = 1/3  (free, its default)\nc3" in kutta.text()


def test_a_wanted_regulariser_and_a_field_that_is_a_gradient():
    """Half of the implicit regulariser; the flow of the loss with it is followed with slope 2, with all of it 1."""
    half = eomsym.design(runge_kutta_family(2), loss={1: {"[[]]": "1/8"}})
    assert half.coefficients["b2"] == Fraction(1, 4)

    def distance(eta, share):
        def hessian_gradient(z):
            g, small = gradient(z), 1e-6
            return (gradient(z + small * g) - gradient(z - small * g)) / (2 * small)

        end = flow(lambda z: -gradient(z) - 2 * share * eta * hessian_gradient(z), 1.6)
        return np.linalg.norm(runge_kutta_ends(half.coefficients, 2, eta) - end)

    assert slope([distance(eta, 1 / 8) for eta in ETAS]) == pytest.approx(2, abs=0.1)
    assert slope([distance(eta, 1 / 4) for eta in ETAS]) == pytest.approx(1, abs=0.1)
    assert modified_loss("gradient-descent", 2).is_gradient == (True, True, False)
    lossy = eomsym.design(runge_kutta_family(2), gradient=2)
    assert modified_loss(lossy, 2).is_gradient == (True, True, True)
    # S of the path of three nodes is g'Hg; either rooting names it.
    for tree in ("[[[]]]", "[[],[]]"):
        both = eomsym.design(runge_kutta_family(3), loss={1: {"[[]]": "-1/4"}, 2: {tree: "1/3"}})
        rows = modified_loss(both, 2).rows
        assert rows[1:] == ({parse_tree("[[]]"): Fraction(-1, 4)}, {parse_tree("[[[]]]"): Fraction(1, 3)})


def look_ahead_step(gradient, state, eta, beta, ahead):
    theta, velocity = state
    velocity = beta * velocity + gradient(theta - eta * ahead * velocity)
    return theta - eta * velocity, velocity


LOOK_AHEAD = Optimizer(
    name="look-ahead-momentum",
    summary="v⁺ = β v + g(θ − η a v), θ⁺ = θ − η v⁺",
    source="a family of this test",
    parameters=(
        Parameter("beta", "β", "memory", Fraction(0), Fraction(1), default=Fraction(9, 10), kind="share"),
        Parameter("ahead", "a", "how far it looks ahead", Fraction(0), Fraction(1000)),
    ),
    step=look_ahead_step,
    memory=("velocity",),
)


@pytest.mark.parametrize("beta", ["0", "1/2", "9/10", "99/100", "999/1000"])
def test_momentum_whose_first_counter_term_vanishes(beta):
    """By hand: a = (1 + β)/(2(1 − β)).  A quadratic loss sees all of ξ_0: its rate is right to one order more."""
    made = eomsym.design(LOOK_AHEAD, vanishing=1, beta=beta)
    b, a = made.coefficients["beta"], made.coefficients["ahead"]
    assert a == (1 + b) / (2 * (1 - b))

    def defect(x, ahead):
        """−log of the larger root of the step on λθ²/2, less the rate of the flow, in x = ηλ."""
        middle, last = 1 + b - x * (1 + ahead), b - x * ahead
        with_digits = [sympy.Float(sympy.Rational(value.numerator, value.denominator), 50) for value in (middle, last)]
        root = (with_digits[0] + sympy.sqrt(with_digits[0] ** 2 - 4 * with_digits[1])) / 2
        return abs(-sympy.log(root) - sympy.Rational(str(x / (1 - b))))

    small = (1 - b) ** 2 / 1000
    for ahead, expected in ((a, 3), (a + 1, 2)):
        assert float(sympy.log(defect(small, ahead) / defect(small / 2, ahead), 2)) == pytest.approx(expected, abs=0.1)


def divided_step(gradient, state, eta, c, b, a):
    (theta,) = state
    return (theta - eta * c / (1 - b) * gradient(theta - eta * a * gradient(theta)),)


def test_what_divides_by_zero_is_no_solution():
    """ξ_0 = w²/2 − wa with w = c/(1 − b) = 1 vanishes at a = 1/2 only; c = 0, b = 1 solves the numerators for any a."""
    numbers = [Parameter(name, name, "a number", Fraction(-2), Fraction(2)) for name in "cba"]
    family = Optimizer("divided", divided_step, tuple(numbers), source="a family of this test")
    assert eomsym.design(family, pace=1, vanishing=1, a="1/2").coefficients["b"] != 1
    with pytest.raises(UnsolvableError):
        eomsym.design(family, pace=1, vanishing=1, a="1/3")


def test_momentum_as_designed_goes_with_gradient_flow():
    """Plain iterates, once the memory has settled, against θ̇ = −2g from there; control: Nesterov's look-ahead."""

    def distance(eta, ahead):
        state = START, np.zeros(2)
        for _ in range(round(0.5 / eta)):
            state = look_ahead_step(gradient, state, eta, 0.5, ahead)
        settled = state[0]
        for _ in range(round(0.2 / eta)):
            state = look_ahead_step(gradient, state, eta, 0.5, ahead)
        tight = {"method": "DOP853", "rtol": 1e-13, "atol": 1e-15}
        return np.linalg.norm(state[0] - solve_ivp(lambda _, z: -2 * gradient(z), (0, 0.2), settled, **tight).y[:, -1])

    ahead = eomsym.design(LOOK_AHEAD, vanishing=1, beta="1/2").coefficients["ahead"]
    for factor, expected in ((float(ahead), 2), (0.5, 1)):
        assert slope([distance(eta, factor) for eta in (0.002, 0.001)]) == pytest.approx(expected, abs=0.1)


def test_a_design_with_memory_goes_through_a_kernel(tmp_path):
    made = eomsym.design(LOOK_AHEAD, vanishing=1)
    path = eomsym.generate("x**4/4 + x*y + y**2", 2, variables=["x", "y"], optimizer=made, output=tmp_path)
    kernel = eomsym.load(path)
    x, y = sympy.symbols("x y")
    _, *columns = eomsym.derive(made, 2).to_sympy(x**4 / 4 + x * y + y**2, (x, y))
    place = {x: sympy.Rational(3, 10), y: sympy.Rational(-7, 10)}
    exact = np.array([column.subs(place) for column in columns], dtype=float)[..., 0]
    rows = kernel.counterterms(np.array([0.3, -0.7]))
    assert rows[0] == pytest.approx([10 * (0.3**3 - 0.7), 10 * (0.3 - 1.4)], rel=1e-13)
    assert exact[0].tolist() == [0, 0]
    assert np.abs(rows[1]).max() < 1e-12 * np.abs(rows[2]).max()
    assert rows[2] == pytest.approx(exact[1], rel=1e-9)


def test_a_design_goes_through_the_door_of_a_framework():
    torch = pytest.importorskip("torch")
    pytest.importorskip("eomsym.torch")
    made = eomsym.design(runge_kutta_family(2), loss={1: {"[[]]": "1/8"}})
    x, y = torch.tensor([0.3, -0.7], dtype=torch.float64)
    rows = eomsym.torch.counterterms(
        lambda z: z[0] ** 4 / 4 + z[0] * z[1] + z[1] ** 2, torch.stack([x, y]), 1, optimizer=made
    )
    slope_of = torch.stack([x**3 + y, x + 2 * y])
    hessian = torch.tensor([[3 * 0.3**2, 1.0], [1.0, 2.0]], dtype=torch.float64)
    assert rows[0].numpy() == pytest.approx(slope_of.numpy(), rel=1e-13)
    assert rows[1].numpy() == pytest.approx((hessian @ slope_of / 4).numpy(), rel=1e-13)


# Four batches: gradients of losses in the plane that have nothing in common.
BATCHES = (
    lambda z: np.array([z[0] ** 3 + z[1], z[0] + 2 * z[1]]),
    lambda z: np.array([z[0] - z[1] + z[0] ** 2, z[1] - z[0]]),
    lambda z: np.array([z[0] * z[1] ** 2 + 2 * z[0], z[0] ** 2 * z[1] + 1]),
    lambda z: np.array([np.cos(z[0]) * z[1], np.sin(z[0]) + z[1] ** 3]),
)


def spread(passes, eta):
    """Root mean square distance of the ends to their mean, over all orders; eight passes for all schemes."""
    ends = []
    for order in permutations(range(len(BATCHES))):
        theta = START
        for weight, direction in passes * (8 // len(passes)):
            for batch in order[::direction]:
                theta = theta - eta * weight * BATCHES[batch](theta)
        ends.append(theta)
    return np.sqrt(np.mean(np.sum((ends - np.mean(ends, 0)) ** 2, 1)))


def palindromes(*weights):
    return [(float(weight), direction) for weight in weights for direction in (1, -1)]


@pytest.fixture(scope="module")
def eight_passes():
    return eomsym.design(batch_passes([1, -1, 2, -2, 3, -3, 4, -4]), order_free=2, pace=1)


def weights_of(made):
    return [made.coefficients[f"w{i}"] for i in range(1, 5)]


def test_the_order_of_batches_matters_one_power_of_the_step_less_each_time(eight_passes):
    """By steps of NumPy at equal numbers of gradients: shuffled, forward then reversed, designed; two controls."""
    weights = weights_of(eight_passes)
    assert sum(weights) == 4
    assert sum(weight**3 for weight in weights) == 0
    schemes = {
        2: [(1.0, 1)],
        3: palindromes(1),
        4: palindromes(*weights),
    }
    etas = 0.002 * 0.5 ** np.arange(3)
    for expected, passes in schemes.items():
        assert slope([spread(passes, eta) for eta in etas]) == pytest.approx(expected, abs=0.1)
    for wrong in (palindromes(1, 1, 1, 1), palindromes(4, -4, 2, 2)):
        assert slope([spread(wrong, eta) for eta in etas]) == pytest.approx(3, abs=0.1)


def word_coefficients(passes):
    """Coefficients of words of degree up to 3 in ``∏ exp(w A_i + w² B_i + …)``, the map of an Euler step: exact."""
    total = {(): Fraction(1)}
    for w, order in passes:
        for i in order:
            a, b = ("A", i), ("B", i)
            factor = {(): 1, (a,): w, (a, a): w**2 * HALF, (a, a, a): w**3 * HALF / 3, (b,): w**2}
            factor |= {(a, b): w**3 * HALF, (b, a): w**3 * HALF}
            longer = {}
            for (left, x), (right, y) in product(total.items(), factor.items()):
                if sum(1 + (letter == "B") for letter, _ in left + right) <= 3:
                    longer[left + right] = longer.get(left + right, 0) + x * y
            total = longer
    return total


def exchanged(words, batches):
    """What the exchange of two neighbours changes of each word's coefficient."""
    for first in range(batches - 1):
        names = {first: first + 1, first + 1: first}
        for word, value in words.items():
            yield value - words.get(tuple((letter, names.get(i, i)) for letter, i in word), 0)


def knows_the_order(passes, batches):
    return any(change != 0 for change in exchanged(word_coefficients(passes), batches))


@pytest.mark.parametrize("batches", [2, 3, 4])
def test_the_designed_round_is_free_of_the_order_in_the_free_algebra(eight_passes, batches):
    def passes(weights):
        forward = range(batches)
        return [(weight, order) for weight in weights for order in (forward, forward[::-1])]

    assert not knows_the_order(passes(weights_of(eight_passes)), batches)
    assert knows_the_order(passes([1, 1, 1, 1]), batches)


def test_the_difference_between_two_orders_is_the_derived_one(eight_passes):
    """To leading order it is −24 η · η³ (ξ_2 − ξ_2 with two batches exchanged): the ratio tends to 1."""
    x, y = sympy.symbols("x y")
    losses = [x**4 / 4 + x * y + y**2, (x - y) ** 2 / 2 + x**3 / 3, x**2 * y**2 / 2 + x**2 + y]
    point = {x: sympy.Rational(7, 10), y: sympy.Rational(-2, 5)}
    terms = eomsym.derive(eight_passes, 3)
    orders = [losses, [losses[1], losses[0], losses[2]]]
    first, second = (np.array(terms.to_sympy(order, (x, y))[3].subs(point), dtype=float).ravel() for order in orders)
    weights = weights_of(eight_passes)

    def end(order, eta):
        theta = START
        for weight, direction in palindromes(*weights):
            for batch in order[::direction]:
                theta = theta - eta * weight * BATCHES[batch](theta)
        return theta

    etas = 0.004 * 0.5 ** np.arange(3)
    ratios = []
    for eta in etas:
        measured = end((0, 1, 2), eta) - end((1, 0, 2), eta)
        ratios.append(measured @ (first - second) / (-24 * eta**4 * np.sum((first - second) ** 2)))
    assert 2 * ratios[-1] - ratios[-2] == pytest.approx(1, abs=0.01)


def test_two_batches_have_a_round_of_four_passes_with_equal_weights():
    made = eomsym.design(batch_passes([1, -2, -3, 4]), order_free=2, pace=1, batches=2)
    assert weights_of(made) == [1, 1, 1, 1]
    assert not knows_the_order([(1, (0, 1)), (1, (1, 0)), (1, (1, 0)), (1, (0, 1))], 2)
    assert [parameter.name for parameter in made.parameters] == []  # for two batches only


def test_three_batches_have_a_round_with_equal_weights_too():
    """The palindromes of all six orders, forward and reversed; the six orders alone know theirs."""
    orders = list(permutations(range(3)))
    assert not knows_the_order([(1, part) for order in orders for part in (order, order[::-1])], 3)
    assert knows_the_order([(1, order) for order in orders], 3)


@pytest.mark.parametrize("signs", list(product((1, -1), repeat=3)), ids=str)
def test_no_four_passes_forget_the_order_of_three_batches(signs):
    with pytest.raises(UnsolvableError, match=r"this condition has no solution: ξ_|has no real root$"):
        eomsym.design(batch_passes([1, *(sign * (i + 2) for i, sign in enumerate(signs))]), order_free=2, pace=1)


@pytest.mark.slow
def test_no_four_passes_of_any_orders_forget_the_order_of_three_batches():
    """Each pass in any of the six orders, the first one's fixed, by words; what three batches forbid, more do."""
    ring, *weights = sympy.ring("w1:5", sympy.QQ)
    symbols = ring.symbols
    for orders in product(permutations(range(3)), repeat=3):
        passes = list(zip(weights, [(0, 1, 2), *orders], strict=True))
        equations = {value.monic().as_expr() for value in exchanged(word_coefficients(passes), 3) if value != 0}
        basis = sympy.groebner([sum(symbols) - 4, *equations], *symbols, order="grevlex")
        if basis.exprs != [1]:
            assert basis.is_zero_dimensional
            last = sympy.Poly(basis.fglm("lex").exprs[-1], symbols[-1])
            assert last.count_roots() == 0, orders


IDLE = Optimizer(
    name="idle",
    summary="gradient descent with a coefficient that stands nowhere",
    source="a family of this test",
    parameters=(Parameter("idle", "c", "nothing", Fraction(-1), Fraction(1)),),
    step=lambda gradient, state, eta, idle: (state[0] - eta * gradient(state[0]),),
)

UNSOLVABLE = {
    "two stages are too few": (runge_kutta_family(2), {"vanishing": 2}, r"g'\(g'\(g\)\): .* = 0; beside it: ξ_0"),
    "no look-ahead is enough": (LOOK_AHEAD, {"vanishing": 2}, "no solution: ξ_1 vanishes, at g'"),
    "squares of real numbers": (batch_passes([1, 2]), {"order_free": 1, "pace": 1}, r"- 2\*w1 \+ 2 = 0 has no real"),
    "positive weights": (
        batch_passes([1, -2, -3, 4], positive=True),
        {"order_free": 2, "pace": 1},
        r"combine to w1\*\*3 \+ w4\*\*3 = 0",
    ),
    "the cube root of two": (
        batch_passes([1, -1, 2, -2, 1, -1]),
        {"order_free": 2, "pace": 1},
        r"w1\*\*3 - 6\*w1\*\*2 \+ 9\*w1 - 9/2 = 0 has no rational root",
    ),
    "a coefficient that does nothing": (IDLE, {"vanishing": 1}, r"no solution: ξ_0 vanishes, at g'\(g\): 1/2 = 0$"),
    "no look-ahead at all": ("heavy-ball", {"vanishing": 1}, r"beta \+ 1 = 0 has no rational root in its range"),
    "out of its range": (LOOK_AHEAD, {"vanishing": 1, "beta": "9999/10000"}, "no rational root in its range"),
}


@pytest.mark.parametrize("case", UNSOLVABLE.values(), ids=UNSOLVABLE)
def test_what_has_no_solution_is_said_with_the_equation(case):
    family, wanted, message = case
    with pytest.raises(UnsolvableError, match=message) as caught:
        eomsym.design(family, **wanted)
    assert "\n" not in str(caught.value)


def test_a_search_that_is_given_up_says_so(monkeypatch):
    monkeypatch.setattr("eomsym.derivation.designing.MOST_BASES", 3)
    with pytest.raises(UnsolvableError, match="was found; the search was given up after 3 Gröbner bases; fix"):
        eomsym.design(batch_passes([1, -1, 2, -2, 3, -3, 4, -4]), order_free=2, pace=1)
    with pytest.raises(UnsolvableError, match="this condition has no solution: ξ_1 vanishes"):  # it is still proved
        eomsym.design(LOOK_AHEAD, vanishing=2)


RK2 = runge_kutta_family(2)
REFUSED = {
    "nothing asked for": (RK2, {}, "nothing is asked for"),
    "no order": (RK2, {"vanishing": "2"}, "vanishing '2': not an integer"),
    "a parameter it does not have": (RK2, {"vanishing": 1, "c7": 1}, "parameter 'c7'"),
    "everything fixed": (RK2, {"vanishing": 1, "c2": 1, "b2": 1}, "has no free coefficient"),
    "no batches": (RK2, {"order_free": 1}, "there are no batches"),
    "too few batches": (batch_passes([1, -1]), {"order_free": 3}, "is derived of 4 batches, here are 3"),
    "a tree of another power": (RK2, {"loss": {1: {"[[[]]]": 1}}}, "has 3 nodes; the term with eta.1 has 2"),
    "no tree": (RK2, {"loss": {1: {"g'g": 1}}}, "tree"),
    "no mapping": (RK2, {"loss": {1: "1/4"}}, "give trees and coefficients"),
    "a loss of several": (batch_passes([1, -1]), {"loss": {1: {"[[]]": 1}}}, "several fields"),
    "a loss of a map": ("muon", {"gradient": 1}, "maps of blocks of muon have no known modified loss"),
    "componentwise": (eomsym.optimizers.get("adam"), {"vanishing": 1}, "divides componentwise"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_refused(case):
    family, wanted, message = case
    with pytest.raises(InputError, match=message):
        eomsym.design(family, **wanted)


@pytest.mark.parametrize("visits", ["1", 3, [], [2], [1, 0], [1, 3], [1, 0.5]])
def test_visits_that_are_none_are_refused(visits):
    with pytest.raises(InputError, match=r"visit"):
        batch_passes(visits)


def test_members_have_names_of_their_own():
    """Kernels are found by the name: two members of one family must not have the same."""
    names = {eomsym.design(RK2, vanishing=1, c2=place).name for place in ("1/2", "2/3", 1)}
    assert len(names) == 3
    with pytest.raises(InputError, match="stages 1"):
        runge_kutta_family(1)


def test_a_pace_that_is_not_one():
    round_ = eomsym.design(batch_passes([1, -1]), order_free=1, pace=2)
    assert round_.coefficients == {"w1": 2}


#: A smooth map of the plane, written twice: for the package, and with NumPy for the runs.
BOUNDED = Map("bounded", lambda block: block / sqrt(1 + (block * block).sum()))
MEMORY = Parameter("beta", "β", "memory", Fraction(0), Fraction(1), default=Fraction(9, 10))


def looking_ahead(slope, state, eta, beta, ahead, bounded=BOUNDED):
    """A mean of slopes as far ahead as it moves back by its memory."""
    theta, mean = state
    mean = beta * mean + (1 - beta) * slope(theta - eta * ahead * bounded(mean))
    return theta - eta * bounded(mean), mean


def twice_ahead(slope, state, eta, beta, a, b, c, d, w, bounded=BOUNDED):
    """Two slopes ahead, and the map at two places."""
    theta, mean = state
    first = slope(theta - eta * a * bounded(mean))
    second = slope(theta - eta * (b * bounded(mean) + c * bounded(first)))
    mean = beta * mean + (1 - beta) * ((1 - w) * first + w * second)
    return theta - eta * ((1 - d) * bounded(mean) + d * bounded(mean + second - first)), mean


def family_of_maps(step, *names):
    parameters = (MEMORY, *(coefficient(name, name) for name in names))
    return Optimizer("family-" + step.__name__.replace("_", "-"), step, parameters, ("mean",))


def slope_of_map(step, values, eta):
    """By which power of η a run of ``step`` leaves the flow of ``−P(g)``, from where its memory has settled."""

    def bounded(block):
        return block / np.sqrt(1 + block @ block)

    def distance(eta):
        state = START, bounded(gradient(START))
        for _ in range(round(0.4 / eta)):
            state = step(gradient, state, eta, bounded=bounded, **values)
        settled = state[0]
        for _ in range(round(0.4 / eta)):
            state = step(gradient, state, eta, bounded=bounded, **values)
        flow = solve_ivp(lambda _, z: -bounded(gradient(z)), (0, 0.4), settled, "DOP853", rtol=1e-13, atol=1e-15)
        return np.linalg.norm(state[0] - flow.y[:, -1])

    return np.log2(distance(eta) / distance(eta / 2))


@pytest.mark.parametrize(
    ("step", "names", "order", "fixed", "eta"),
    [
        (looking_ahead, ("ahead",), 1, {}, 0.0005),
        (looking_ahead, ("ahead",), 1, {"ahead": 1}, 0.01),
        (twice_ahead, "abcdw", 2, {}, 0.005),
    ],
)
def test_correctors_of_a_map_with_a_memory(step, names, order, fixed, eta):
    """Muon's memory undone: the first look ahead is (1 + β)/(2(1 − β)), and one step of it asks for β = 1/3."""
    made = eomsym.design(family_of_maps(step, *names), vanishing=order, **fixed)
    values = {name: float(value) for name, value in made.coefficients.items()}
    if step is looking_ahead:
        assert (values["beta"], values["ahead"]) == ((1 / 3, 1) if fixed else (0.9, 9.5))
        assert "ξ_0 vanishes, at P'(g'(P)): " in made.text()
    assert slope_of_map(step, values, eta) == pytest.approx(order + 1, abs=0.1)
    wrong = values | {name: 1.2 * values[name] for name in names[:1]}
    assert slope_of_map(step, wrong, eta) == pytest.approx(1, abs=0.1)  # the negative control


def test_no_memory_undoes_its_own_factor():
    """κ = ½ + β²/(1 − β) of PyTorch's Muon has no real zero, that of a plain average none below 1."""
    with pytest.raises(UnsolvableError, match="no real root"):
        eomsym.design("muon", vanishing=1, epsilon=0)
    with pytest.raises(UnsolvableError, match="no rational root in its range"):
        eomsym.design("muon(nesterov=no)", vanishing=1, epsilon=0)
