"""``derive``: golden counter terms, symbolic parameters, and plain iterates as a judge that knows no trees."""

import copy
import pickle
from fractions import Fraction
from math import comb

import pytest
import sympy

import eomsym
from eomsym import optimizers
from eomsym.derivation import derive
from eomsym.derivation.posing import MAX_ORDER
from eomsym.errors import InputError
from eomsym.optimizers import Optimizer, Parameter
from eomsym.trees import LEAF, rooted_trees

#: theory.md §1.
GOLDEN = (
    {"[[]]": "1/2"},
    {"[[[]]]": "1/3", "[[],[]]": "1/12"},
    {"[[[[]]]]": "1/4", "[[[],[]]]": "1/12", "[[[]],[]]": "1/12", "[[],[],[]]": "0"},
    {
        "[[[[[]]]]]": "1/5",
        "[[[[],[]]]]": "3/40",
        "[[[[]],[]]]": "1/10",
        "[[[],[],[]]]": "1/180",
        "[[[[]]],[]]": "1/20",
        "[[[],[]],[]]": "1/120",
        "[[[]],[[]]]": "1/60",
        "[[[]],[],[]]": "-1/120",
        "[[],[],[],[]]": "-1/720",
    },
)


def heavy_ball_step(gradient, state, eta, momentum, damping):
    theta, velocity = state
    velocity = momentum * velocity + damping * gradient(theta)
    return theta - eta * velocity, velocity


@pytest.fixture
def heavy_ball(monkeypatch):
    """A heavy ball with two parameters under a name of its own, so that symbols are tested whatever is registered."""
    parameters = (
        Parameter("momentum", "β", "share of the last step", Fraction(0), Fraction(1)),
        Parameter("damping", "d", "factor of the step", Fraction(0), Fraction(2)),
    )
    entry = Optimizer("test-heavy-ball", heavy_ball_step, parameters, memory=("velocity",))
    monkeypatch.setitem(optimizers.registry._BY_ALIAS, entry.name, entry)
    return entry.name


def test_golden_counter_terms():
    counterterms = derive("gradient-descent", order=4)
    found = [[(str(tree), str(value)) for tree, value in row.items()] for row in counterterms.rows]
    assert found == [[("[]", "1")], *(list(golden.items()) for golden in GOLDEN)]


@pytest.mark.parametrize("order", [0, 1, 6])
def test_every_tree_is_listed(order):
    counterterms = eomsym.derive("gd", order=order)
    assert counterterms.optimizer == "gradient-descent"
    assert counterterms.order == order
    assert [tuple(row) for row in counterterms.rows] == [rooted_trees(k + 1) for k in range(order + 1)]
    assert all(type(value) is Fraction for row in counterterms.rows for value in row.values())


def test_default_is_gradient_descent_of_order_two():
    assert derive() == derive("gradient-descent", order=2)


@pytest.mark.parametrize("order", [-1, MAX_ORDER + 1, 2.0, "2", True, None])
def test_impossible_orders_are_refused(order):
    with pytest.raises(InputError, match="order"):
        derive(order=order)


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="unknown"):
        derive("gradient-ascent")
    with pytest.raises(InputError, match="does not have it"):
        derive("gradient-descent", momentum="0.9")


def test_result_is_immutable_and_copies_equal():
    counterterms = derive(order=3)
    with pytest.raises(AttributeError):
        counterterms.order = 2
    with pytest.raises(TypeError):
        counterterms.parameters["momentum"] = Fraction(1, 2)
    with pytest.raises(TypeError):
        counterterms.rows[0][LEAF] = Fraction(1, 2)
    assert pickle.loads(pickle.dumps(counterterms)) == counterterms
    assert copy.deepcopy(counterterms) == counterterms


# Parameters that stay symbols ----------------------------------------------------------------------------------------


def test_parameter_without_a_value_stays_a_symbol(heavy_ball):
    counterterms = derive(heavy_ball, order=5, damping=1)
    (leading,), *rows = (tuple(row.values()) for row in counterterms.rows)
    beta = leading.field.gens[0]
    assert str(beta) == "momentum"
    assert counterterms.parameters == {"damping": 1}
    assert leading == 1 / (1 - beta)
    assert rows[0][0] == (1 + beta) / (2 * (1 - beta) ** 3)
    for n, row in enumerate(rows, start=2):  # chains; theory §3
        expected = sum(comb(n - 1, k) ** 2 * beta**k for k in range(n)) / (n * (1 - beta) ** (2 * n - 1))
        assert row[0] == expected


def test_symbols_take_the_place_of_their_values(heavy_ball):
    values = {"momentum": Fraction(9, 10), "damping": Fraction(1, 3)}
    symbolic, exact = derive(heavy_ball, order=4), derive(heavy_ball, order=4, **values)
    point = {sympy.Symbol(name): sympy.Rational(value.numerator, value.denominator) for name, value in values.items()}
    for symbolic_row, exact_row in zip(symbolic.rows, exact.rows, strict=True):
        assert tuple(symbolic_row) == tuple(exact_row)
        for one, other in zip(symbolic_row.values(), exact_row.values(), strict=True):
            assert one.as_expr().subs(point) == sympy.Rational(other)


def test_coefficients_free_of_the_symbols_are_fractions(heavy_ball):
    counterterms = derive(heavy_ball, order=3, momentum=0)
    (damping,), _, (chain, _), (*_, bush) = (tuple(row.values()) for row in counterterms.rows)
    assert chain == damping**3 / 3
    assert type(bush) is Fraction  # with three leaves: B_3 = 0
    assert bush == 0
    assert pickle.loads(pickle.dumps(counterterms)) == counterterms


# A third judge: plain iterates in series arithmetic ------------------------------------------------------------------


class Series:
    """A truncated power series in η with rational coefficients; just what the iterates below need."""

    def __init__(self, coefficients):
        self.coefficients = coefficients

    def __add__(self, other):
        if not isinstance(other, Series):
            other = Series([other] + [0] * (len(self.coefficients) - 1))
        return Series([a + b for a, b in zip(self.coefficients, other.coefficients, strict=True)])

    def __mul__(self, other):
        if not isinstance(other, Series):
            return Series([other * a for a in self.coefficients])
        a, b = self.coefficients, other.coefficients
        return Series([sum(a[i] * b[k - i] for i in range(k + 1)) for k in range(len(a))])

    __radd__, __rmul__ = __add__, __mul__

    def times_eta(self):
        return Series([Fraction(0), *self.coefficients[:-1]])


def iterated_counterterms(gradient, point, order):
    """ξ_0 … ξ_{order−1} at a point from y_{j+1} = y_j − η g(y_j) and η f̃ = Σ_n (−1)^{n+1}/n Δ^n y_0."""
    length = order + 2
    iterates = [[Series([Fraction(number)] + [Fraction(0)] * (length - 1)) for number in point]]
    for _ in range(length - 1):
        last = iterates[-1]
        iterates.append([y + -1 * g.times_eta() for y, g in zip(last, gradient(*last), strict=True)])
    field = [Series([Fraction(0)] * length) for _ in point]
    for n in range(1, length):
        for j in range(n + 1):
            weight = Fraction((-1) ** (n + 1), n) * (-1) ** (n - j) * comb(n, j)
            field = [f + weight * y for f, y in zip(field, iterates[j], strict=True)]
    return [[-component.coefficients[index + 2] for component in field] for index in range(order)]


FIELDS = {
    "Riccati": (lambda y: [-1 * y * y], (Fraction(3, 7),)),
    "Lotka-Volterra": (lambda x, y: [x * (1 + -1 * y), y * (x + -2)], (Fraction(2), Fraction(5, 3))),
    "Rosenbrock": (
        lambda x, y: [2 * x + -2 + -400 * x * (y + -1 * x * x), 200 * y + -200 * x * x],
        (Fraction(1, 2), Fraction(1, 3)),
    ),
    "Rabinovich-Fabrikant": (
        lambda x, y, z: [y * (z + -1 + x * x) + x, x * (3 * z + 1 + -1 * x * x) + y, -2 * z * (2 + x * y)],
        (Fraction(1, 2), Fraction(-1, 3), Fraction(2)),
    ),
}


@pytest.mark.parametrize(("gradient", "point"), FIELDS.values(), ids=FIELDS)
def test_plain_iterates_agree(gradient, point):
    order = 6
    variables = sympy.symbols("x y z")[: len(point)]
    _, *columns = derive(order=order).at_fields([gradient(*variables)], list(variables))
    at_point = {name: sympy.Rational(value) for name, value in zip(variables, point, strict=True)}
    found = [[entry.subs(at_point) for entry in column] for column in columns]
    assert found == [
        [sympy.Rational(number) for number in row] for row in iterated_counterterms(gradient, point, order)
    ]


def test_gradient_flow_has_no_counter_terms():
    assert derive(order=0).rows == ({LEAF: 1},)
    assert LEAF.order == 1
