"""Counter terms of concrete losses and fields as SymPy expressions."""

from fractions import Fraction

import pytest
import sympy

from eomsym import optimizers
from eomsym.derivation import derive
from eomsym.derivation.closed_forms import closed_form
from eomsym.errors import InputError
from eomsym.models import ExpressionLoss, VectorField
from eomsym.notation.coefficients import coefficient_expression
from eomsym.optimizers import Optimizer, Parameter, get

x, y, a, b = sympy.symbols("x y a b")
ROSENBROCK = (1 - x) ** 2 + 100 * (y - x**2) ** 2


def counter_terms(equation, loss, variables):
    """``[ξ_0, ξ_1, …]``; before them stands the multiple of the gradient."""
    leading, *rest = equation.to_sympy(loss, variables)
    names = variables if isinstance(variables, (list, tuple)) else [variables]
    (coefficient,) = equation.rows[0].values()
    gradient = sympy.Matrix([loss.diff(name) for name in names])
    assert sympy.simplify(leading - coefficient_expression(coefficient) * gradient).is_zero_matrix
    return rest


def test_quadratic_loss_has_chains_only():
    loss = (a * x**2 + b * y**2) / 2
    columns = counter_terms(derive(order=5), loss, [x, y])
    assert columns == [sympy.Matrix([a ** (k + 2) * x, b ** (k + 2) * y]) / (k + 2) for k in range(5)]


def test_first_counter_terms_by_matrices():
    """ξ_0 = ½ Hg = ¼ ∇‖g‖² (theory §5); ξ_1 = ⅓ H²g + ¹⁄₁₂ ∇³L[g, g]."""
    g = sympy.Matrix([ROSENBROCK.diff(v) for v in (x, y)])
    hessian = sympy.hessian(ROSENBROCK, (x, y))
    third = sympy.Matrix([(g.T * sympy.hessian(component, (x, y)) * g)[0] for component in g])
    first, second = counter_terms(derive(order=2), ROSENBROCK, [x, y])
    squared_norm = (g.T * g)[0]
    assert first == (hessian * g / 2).expand()
    assert first == sympy.Matrix([squared_norm.diff(v) / 4 for v in (x, y)]).expand()
    assert second == (hessian**2 * g / 3 + third / 12).expand()


def test_columns_follow_the_order_of_the_variables():
    one = counter_terms(derive(order=3), ROSENBROCK, [x, y])
    other = counter_terms(derive(order=3), ROSENBROCK, (y, x))
    assert [column[::-1] for column in one] == [list(column) for column in other]
    assert all(column.shape == (2, 1) for column in one)


def test_symbols_that_are_no_variables_are_constants():
    columns = counter_terms(derive(order=2), a * x**4 / 4, [x])
    assert columns == [sympy.Matrix([3 * a**2 * x**5 / 2]), sympy.Matrix([sympy.Rational(7, 2) * a**3 * x**7])]


def test_floats_are_kept():
    (column,) = counter_terms(derive(order=1), sympy.Float("0.25") * x**2, [x])
    assert column == sympy.Matrix([sympy.Float("0.125") * x])
    (column,) = counter_terms(derive(order=1), sympy.Float("0.25") * x**3 + x**2 / 3, [x])
    assert column[0].expand().coeff(x) == sympy.Rational(2, 9)  # exact numbers stay exact beside them


def test_nothing_to_derive():
    assert counter_terms(derive(order=0), x**2, [x]) == []
    assert counter_terms(derive(order=2), sympy.Integer(3), [x, y]) == [sympy.zeros(2, 1)] * 2


def test_high_order_of_a_polynomial_is_quick():
    """Order 10 has 1842 trees of the last order; Rosenbrock's gradient has degree 3, so most of them vanish."""
    columns = counter_terms(derive(order=10), ROSENBROCK, [x, y])
    assert len(columns) == 10
    assert columns[9].subs({x: 1, y: 1}) == sympy.zeros(2, 1)


@pytest.fixture
def heavy_ball(monkeypatch):
    parameters = (Parameter("beta", "β", "", Fraction(0), Fraction(1)),)
    entry = Optimizer("test-heavy-ball", get("heavy-ball").step, parameters, ("velocity",))
    monkeypatch.setitem(optimizers.registry._BY_ALIAS, entry.name, entry)
    return entry.name


@pytest.mark.parametrize("loss", [ROSENBROCK, a * x**4 + x * y**3, sympy.exp(x) * y**2 + x], ids=str)
def test_symbolic_parameters(heavy_ball, loss):
    beta, value = sympy.Symbol("beta"), Fraction(3, 4)
    symbolic = counter_terms(derive(heavy_ball, order=3), loss, [x, y])
    exact = counter_terms(derive(heavy_ball, order=3, beta=value), loss, [x, y])
    assert all(beta in column.free_symbols for column in symbolic)
    for one, other in zip(symbolic, exact, strict=True):
        assert (one.subs(beta, sympy.Rational(value)) - other).expand() == sympy.zeros(2, 1)


def test_a_variable_named_like_a_parameter_is_refused(heavy_ball):
    beta = sympy.Symbol("beta")
    with pytest.raises(InputError, match="rename the variable"):
        counter_terms(derive(heavy_ball, order=2), beta**3 * x, [beta, x])
    assert counter_terms(derive(order=1), beta**2 / 2, [beta]) == [sympy.Matrix([beta / 2])]


@pytest.mark.parametrize("loss", ["x**2", 3, None, ["x"], sympy.Matrix([x]), sympy.Eq(x, 1), x > 0], ids=repr)
def test_a_loss_that_is_no_expression_is_refused(loss):
    with pytest.raises(InputError, match="not a SymPy expression"):
        counter_terms(derive(order=2), loss, [x])


@pytest.mark.parametrize(
    "variables", [[], "x", ["x"], [x, x], [x, 2 * y], [x, "y" * 10**5], None, x + y], ids=lambda v: repr(v)[:20]
)
def test_variables_that_are_no_distinct_symbols_are_refused(variables):
    with pytest.raises(InputError, match="symbol") as caught:
        counter_terms(derive(order=2), x**2, variables)
    assert len(str(caught.value)) < 200


def test_one_symbol_alone_is_one_variable():
    assert counter_terms(derive(order=1), x**2 / 2, x) == [sympy.Matrix([x / 2])]


def test_a_field_must_fit_its_variables():
    with pytest.raises(InputError, match="1 components for 2 variables"):
        derive(order=1).at_fields([[x]], [x, y])
    with pytest.raises(InputError, match="not a SymPy expression"):
        derive(order=1).at_fields([["x"]], [x])
    with pytest.raises(InputError, match="losses: 2 given, gradient-descent has 1; give one for each"):
        derive(order=1).to_sympy([x**2, x], [x])


def test_order_0_and_players():
    x, y = sympy.symbols("x y")
    assert closed_form(ExpressionLoss("x**4", ["x"]), 0).columns == (sympy.Matrix([4 * x**3]),)
    # The field of players is not the gradient of their loss: with a loss alone the answer would be that of descent.
    with pytest.raises(InputError, match="batches or players"):
        closed_form(ExpressionLoss("x*y", ["x", "y"]), 1, "simultaneous-players")
    players = closed_form(VectorField("-y; x", ["x", "y"]), 1, "simultaneous-players")
    assert players.columns[1] == sympy.Matrix([x, y]) / 2
