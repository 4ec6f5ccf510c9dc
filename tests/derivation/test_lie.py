"""The Lie-derivative recursion against the coefficients found on trees: two routes that share nothing."""

import mpmath
import pytest
import sympy
from second_routes.lie import lie_counterterms

from eomsym.derivation import derive
from eomsym.errors import InputError

x, y, z, a, b = sympy.symbols("x y z a b")


def gradient(loss, variables):
    return [loss.diff(variable) for variable in variables]


FIELDS = {
    "Riccati": ([-(y**2)], [y], 8),
    "Lotka-Volterra": ([x * (1 - y), y * (x - 2)], [x, y], 8),
    "Rosenbrock": (gradient((1 - x) ** 2 + 100 * (y - x**2) ** 2, [x, y]), [x, y], 7),
    "Lorenz": ([10 * (y - x), x * (28 - z) - y, x * y - sympy.Rational(8, 3) * z], [x, y, z], 6),
    "matrix factorisation": (gradient((x * y * z - 1) ** 2 / 2, [x, y, z]), [x, y, z], 6),
    "two players": ([x + a * y**3, b * x**2 - y], [x, y], 6),
}


@pytest.mark.parametrize(("field", "variables", "order"), FIELDS.values(), ids=FIELDS)
def test_agrees_with_trees_on_polynomials(field, variables, order):
    by_trees = derive(order=order).at_fields([field], variables)[1:]
    assert [sympy.Matrix(column) for column in lie_counterterms(field, variables, order)] == by_trees


def at_fifty_digits(columns, variables, point):
    """Entries of all columns; common subexpressions are taken once, or the Lie route would take minutes."""
    entries = [entry for column in columns for entry in column]
    return sympy.lambdify(variables, entries, modules="mpmath", cse=True)(*point)


@pytest.mark.parametrize(
    "loss",
    [sympy.tanh(x * y) + sympy.exp(x - y**2), sympy.log(1 + sympy.exp(x * y)) + sympy.sqrt(1 + x**2)],
    ids=["tanh, exp", "softplus, sqrt"],
)
def test_agrees_with_trees_on_transcendental_losses(loss):
    with mpmath.workdps(60):
        point = [mpmath.mpf(1) / 3, mpmath.mpf(2) / 5]
        by_trees = at_fifty_digits(derive(order=3).to_sympy(loss, [x, y])[1:], [x, y], point)
        by_lie = at_fifty_digits(lie_counterterms(gradient(loss, [x, y]), [x, y], 3), [x, y], point)
        assert len(by_trees) == 6
        assert all(abs(one - other) < 1e-50 * abs(one) for one, other in zip(by_trees, by_lie, strict=True))


def test_quadratic_loss_is_the_logarithm():
    """−log(1 − ηa)/η = a + η a²/2 + η² a³/3 + …"""
    assert lie_counterterms([a * x], [x], 5) == [[a ** (k + 2) * x / (k + 2)] for k in range(5)]


def test_first_terms_by_hand():
    g = sympy.Function("g")(x)
    g1, g2 = g.diff(x), g.diff(x, 2)
    first, second = (column[0] for column in lie_counterterms([g], [x], 2))
    assert sympy.expand(first - g1 * g / 2) == 0
    assert sympy.expand(second - g1**2 * g / 3 - g2 * g**2 / 12) == 0


def test_constant_fields_and_order_zero():
    assert lie_counterterms([sympy.Integer(3), a], [x, y], 3) == [[0, 0]] * 3
    assert lie_counterterms([x], [x], 0) == []


def test_floats_stay_floats():
    assert lie_counterterms([sympy.Float("0.5") * x], [x], 1) == [[sympy.Float("0.125") * x]]


@pytest.mark.parametrize(
    ("field", "variables", "order", "message"),
    [
        ([x], [x, y], 2, "2 SymPy expressions"),
        (["x"], [x], 2, "1 SymPy expressions"),
        ([x], [x], -1, "order -1"),
        ([x], [x], 2.0, "order 2.0"),
        ([x], [x], True, "order True"),
    ],
)
def test_bad_input_is_refused(field, variables, order, message):
    with pytest.raises(InputError, match=message):
        lie_counterterms(field, variables, order)
