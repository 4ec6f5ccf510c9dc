"""Adam on paper: the published first counter term, the second against numbers, other routes to the same field."""

from fractions import Fraction

import numpy as np
import pytest
import sympy
from second_routes.modified_fields import modified_field_terms
from second_routes.truncated import TruncatedSeries

from eomsym import optimizers
from eomsym.derivation import derive
from eomsym.derivation.algebras import Monomial, VectorAlgebra
from eomsym.errors import InputError
from eomsym.optimizers.tracing import trace
from eomsym.step_index import solve
from eomsym.step_index.tables import integer_nodes

X, Y = sympy.symbols("x y")
LOSS = X**4 / 4 + X * Y**3 + X**2 * Y + Y**2
POINT = {X: sympy.Rational(1, 3), Y: sympy.Rational(-1, 2)}


def loss_series(field, series):
    x, y = (TruncatedSeries(tuple(column)) for column in series.T)
    gradient = [x * x * x + y * y * y + 2 * (x * y), 3 * (x * y * y) + x * x + 2 * y]
    return np.array([component.coefficients for component in gradient], dtype=object).T


def test_the_first_counter_term_of_adam_is_the_published_one():
    """Theory page, section 3 (Cattaneo, Klusowski & Shigida, ICML 2024), as an identity in β₁, β₂, ε and a loss.

    ``θ̇_j = −(g_j + B_j)/√(g_j²+ε)``, ``B_j = (η/2){(1+β₁)/(1−β₁) − (1+β₂)/(1−β₂) + [(1+β₂)/(1−β₂)] ε/(g_j²+ε)}
    ∂_j Σ_i √(g_i²+ε)``.
    """
    b1, b2, epsilon = sympy.symbols("beta1 beta2 epsilon")
    leading, xi_0 = derive("adam(inside=yes, corrected=no)", order=1).to_sympy([LOSS], [X, Y])
    gradient = [LOSS.diff(name) for name in (X, Y)]
    first, second = (1 + b1) / (1 - b1), (1 + b2) / (1 - b2)
    total = sum(sympy.sqrt(g**2 + epsilon) for g in gradient)
    for j, name in enumerate((X, Y)):
        root = sympy.sqrt(gradient[j] ** 2 + epsilon)
        bracket = first - second + second * epsilon / (gradient[j] ** 2 + epsilon)
        published = bracket * total.diff(name) / (2 * root)
        assert leading[j] - gradient[j] / root == 0
        assert sympy.factor(xi_0[j] - published, deep=False) == 0 or sympy.simplify(xi_0[j] - published) == 0


def test_the_first_counter_term_of_adam_in_the_language_itself():
    """Two monomials, ``g'(g/r)/r`` and ``g'(g/r)/r³``, with the published coefficients."""
    row = derive("adam(inside=yes, corrected=no)", order=1).rows[1]
    inner = (Monomial(gradient=1, powers=((0, -1),)),)
    found = {basis: value.as_expr() for basis, value in row.items()}
    b1, b2, epsilon = sympy.symbols("beta1 beta2 epsilon")
    first, second = (1 + b1) / (1 - b1), (1 + b2) / (1 - b2)
    expected = {
        Monomial((inner,), 0, ((0, -1),)): (first - second) / 2,
        Monomial((inner,), 0, ((0, -3),)): second * epsilon / 2,
    }
    assert found.keys() == expected.keys()
    for monomial, coefficient in expected.items():
        assert sympy.cancel(found[monomial] - coefficient) == 0


@pytest.mark.parametrize(
    "name", ["adam", "adam(corrected=no)", "adam(inside=yes, corrected=no)", "adamw", "rmsprop", "rmsprop(inside=yes)"]
)
def test_formulas_and_series_arithmetic_agree(name):
    """Orders 0 to 3 of the formulas at a point against the same rule in series arithmetic with 40 digits."""
    order = 2 if name == "adamw" else 3
    values = optimizers.get(name).complete({}, trial=True)
    formulas = derive(name, order=order, **values).to_sympy([LOSS], [X, Y])
    point = np.array([sympy.Float(POINT[X], 40), sympy.Float(POINT[Y], 40)], dtype=object)

    def number(value):
        return sympy.Float(sympy.Rational(value.numerator, value.denominator), 40)

    rule = optimizers.get(name).rule(**values)
    numbers = modified_field_terms(rule, loss_series, point, order + 1, number, root=sympy.sqrt)
    for formula, row in zip(formulas, numbers, strict=True):
        for found, expected in zip(formula, row, strict=True):
            assert abs(found.subs(POINT).evalf(40) + expected) <= 1e-33 * (1 + abs(expected))


def test_without_averages_rmsprop_is_euler_on_the_normalised_gradient():
    """β₂ = 0: the explicit Euler method for ``f = −g/r``, so ``f̃_1 = −½ f'f``, a route without moving averages."""
    epsilon = sympy.Rational(1, 10)
    _, xi_0, xi_1 = derive("rmsprop(inside=yes)", order=2, beta2=0, epsilon="1/10").to_sympy([LOSS], [X, Y])
    f = [-LOSS.diff(name) / sympy.sqrt(LOSS.diff(name) ** 2 + epsilon) for name in (X, Y)]

    def along(vector, direction):
        return [
            sum(d * component.diff(name) for d, name in zip(direction, (X, Y), strict=True)) for component in vector
        ]

    ff = along(f, f)
    fff = along(ff, f)  # f'f'f + f''(f,f)
    chain = along(f, ff)  # f'f'f
    for j in range(2):
        second = chain[j] / 3 + (fff[j] - chain[j]) / 12
        assert abs((xi_0[j] - ff[j] / 2).subs(POINT).evalf(30)) < 1e-25
        assert abs((xi_1[j] + second).subs(POINT).evalf(30)) < 1e-25


def vector_terms(rule, terms):
    """``[f̃_0, …]`` as combinations, and the functions of g that occur in them."""
    algebra = VectorAlgebra(integer_nodes(rule, terms))
    return [algebra.row(field) for field in solve(rule, algebra, terms)], tuple(algebra.functions)


def test_linear_rules_are_the_same_in_both_languages():
    """Heavy ball through the vector language has the coefficients that it has on trees."""
    beta = Fraction(1, 3)
    fields, functions = vector_terms(optimizers.get("heavy-ball").rule(beta=beta), 3)
    assert functions == ()
    g = Monomial(gradient=1)
    hg = Monomial(derivatives=((g,),))
    (leading,), (first,), (chain, bush) = (row.values() for row in derive("heavy-ball", order=2, beta=beta).rows)
    assert fields[0] == {g: -leading}
    assert fields[1] == {hg: -first}
    assert fields[2] == {Monomial(derivatives=((hg,),)): -chain, Monomial(derivatives=((g, g),)): -bush}


def test_what_the_language_cannot_say_is_refused():
    def by_gradient(gradient, state, eta):
        return (state[0] - eta * (1 / gradient(state[0])),)

    def by_theta(gradient, state, eta):
        return (state[0] - eta * (gradient(state[0]) / (1 + state[0] ** 2)),)

    for step, reason in ((by_gradient, "add an epsilon"), (by_theta, "depends on theta")):
        with pytest.raises(InputError, match=reason):
            vector_terms(trace(step, 1, {}), 2)


def test_epsilon_zero_is_refused_on_paper_too():
    with pytest.raises(InputError, match="0 < epsilon"):
        derive("adam", order=1, epsilon=0)
