"""Closed forms through a polynomial ring, against the tree route and published coefficients."""

import pytest
import sympy
from counting import at_most
from second_routes.lie import lie_counterterms

import eomsym
from eomsym.derivation.polynomial_ring import lifted, modified_equation, program_columns
from eomsym.errors import InputError
from eomsym.models.functions import sigmoid, softplus
from eomsym.notation import elementary_differentials
from eomsym.notation.coefficients import coefficient_text

x, y, a, b = sympy.symbols("x y a b")
ROSENBROCK = (1 - x) ** 2 + 100 * (y - x**2) ** 2
RATIONAL = sympy.Rational


def by_trees(loss, variables, order):
    """``[ξ_0, …]`` as sums over elementary differentials."""
    gradient = [loss.diff(name) for name in variables]
    _, *rows = eomsym.derive(order=order).rows
    values = elementary_differentials(gradient, variables, [tree for row in rows for tree in row])
    zero = sympy.zeros(len(variables), 1)
    return [sum((RATIONAL(coefficient_text(c)) * values[tree] for tree, c in row.items()), zero) for row in rows]


def test_riccati_to_order_16():
    """``y' = y²``: Hairer, Lubich & Wanner (2006), IX.1, example 1.1; beyond, f_k = c_k y^{k+2} and the Lie route."""
    columns = modified_equation([y**2], [y], 16)
    assert len(columns) == 17
    known = [1, -1, RATIONAL(3, 2), RATIONAL(-8, 3), RATIONAL(31, 6), RATIONAL(-157, 15), RATIONAL(649, 30)]
    assert [column[0] for column in columns[:7]] == [c * y ** (k + 2) for k, c in enumerate(known)]
    lie = lie_counterterms([-(y**2)], [y], 16)
    assert [-column[0] for column in columns[1:]] == [part[0] for part in lie]


def test_lotka_volterra_to_order_6():
    field = [x * (1 - y), y * (x - 1)]
    columns = modified_equation(field, [x, y], 6)
    assert columns[0].expand() == sympy.Matrix(field).expand()
    lie = lie_counterterms([-part for part in field], [x, y], 6)
    assert [list(-column) for column in columns[1:]] == lie


def test_rosenbrock_to_xi_4_at_once_and_equal_to_the_tree_route():
    with at_most():
        columns = eomsym.derive(order=5).to_sympy(ROSENBROCK, [x, y])
    assert columns == program_columns(*lifted(ROSENBROCK, [x, y]), 5)
    assert columns[1:] == [column.expand() for column in by_trees(ROSENBROCK, [x, y], 5)]


LOSSES = [
    a * sympy.exp(x * y) + x**2,
    sympy.log(1 + x**2 + y**2),
    sympy.sqrt(1 + x**2 * y),
    1 / (1 + x**2 + a * y**2) + x**2,
    sympy.tanh(a * x) * sympy.sin(y),
    softplus(x + y) + sigmoid(x * y),
    sympy.erf(x * y) + sympy.cosh(x),
    sympy.atan(x * y) + sympy.tan(y),
    x**a + sympy.sqrt(2) * y**3,
    sympy.pi * x**2 * y + sympy.E * y**2,
    x ** RATIONAL(5, 3) + 2**x * y,
    sympy.log(2) * x**2 + y**3 / sympy.sqrt(a) + b,
]


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_every_function_against_the_tree_route(loss):
    point = {x: RATIONAL(1, 3), y: RATIONAL(2, 5), a: RATIONAL(7, 5), b: 1}
    for one, other in zip(program_columns(*lifted(loss, [x, y]), 2)[1:], by_trees(loss, [x, y], 2), strict=True):
        for left, right in zip(one, other, strict=True):
            assert abs((left - right).subs(point).evalf(30, chop=True)) < 1e-24


def test_a_field_that_is_no_gradient():
    field = [x * y + a, -(x**2) / (1 + y)]
    found = program_columns(*lifted(field, [x, y]), 3)
    for one, other in zip(found[1:], lie_counterterms(field, [x, y], 3), strict=True):
        assert [sympy.cancel(left - right) for left, right in zip(one, other, strict=True)] == [0, 0]


def test_what_cannot_be_written_out():
    for call, what in (
        (lambda: modified_equation([y**2], [x, y], 2), "1 components for 2 variables"),
        (lambda: modified_equation([y**2], [y], 21), "0 to 20"),
        (lambda: modified_equation([sympy.gamma(y)], [y], 2), "gamma"),
        (lambda: modified_equation([sympy.Function("h")(y)], [y], 2), "h"),
    ):
        with pytest.raises(InputError, match=what):
            call()


def test_functions_without_a_system_take_the_tree_route():
    _, column = eomsym.derive(order=1).to_sympy(sympy.Function("h")(x), [x])
    h = sympy.Function("h")(x)
    assert column[0] == h.diff(x) * h.diff(x, 2) / 2
