"""Counter terms of all optimisers on trees: two engines against one another, closed forms, published values."""

from fractions import Fraction
from math import comb, prod

import numpy as np
import pytest
import sympy
from forms import EVERY
from own_rules import POWERS
from second_routes.modified_fields import modified_field_terms
from second_routes.step_polynomial import FORMS, modified_coefficients
from second_routes.truncated import TruncatedSeries

from eomsym import optimizers
from eomsym.derivation import derive
from eomsym.derivation.algebras import modified_tree_coefficients
from eomsym.errors import InputError
from eomsym.optimizers import runge_kutta
from eomsym.trees import LEAF, THETA, Tree, parse_tree, rooted_trees

ENTRIES = [*EVERY.values(), *POWERS]
LINEAR = [entry for entry in ENTRIES if entry.rule(**entry.complete({}, trial=True)).linear]


@pytest.mark.parametrize("name", FORMS)
def test_step_function_and_difference_form_say_the_same(name):
    """Two descriptions of an optimiser, two engines: exact equality up to 6 nodes."""
    entry = optimizers.get(name)
    values = entry.complete({}, trial=True)
    by_levels = modified_tree_coefficients(entry.rule(**values), 6)
    found = {tree: value for field in by_levels for tree, value in field.items()}
    by_form = modified_coefficients(FORMS[name](**values), 6)
    expected = {tree: Fraction((-1) ** tree.order * value, tree.symmetry) for tree, value in by_form.items() if value}
    assert found == expected


def quartic_series(field, series):
    """Gradient of ``x⁴/4 + x y³ + (1 + field) x² y + y²`` along a curve, in exact series arithmetic."""
    x, y = (TruncatedSeries(tuple(column)) for column in series.T)
    c = 1 + field
    gradient = [x * x * x + y * y * y + 2 * c * (x * y), 3 * (x * y * y) + c * (x * x) + 2 * y]
    return np.array([component.coefficients for component in gradient], dtype=object).T


@pytest.mark.parametrize("entry", LINEAR, ids=lambda entry: entry.name)
def test_trees_and_numbers_agree_exactly(entry):
    """The same rule on trees, evaluated on a polynomial loss, and in rational series arithmetic: no digit differs."""
    values = entry.complete({}, trial=True)
    terms = 4
    point = np.array([Fraction(1, 3), Fraction(-1, 2)], dtype=object)
    numbers = modified_field_terms(entry.rule(**values), quartic_series, point, terms, Fraction)
    x, y = sympy.symbols("x y")
    losses = [x**4 / 4 + x * y**3 + c * x**2 * y + y**2 for c in (1, 2)]
    gradients = [[sympy.diff(loss, name) for name in (x, y)] for loss in losses]
    differentials = _differentials(gradients, (x, y), dict(zip((x, y), point, strict=True)))
    for row, field in zip(numbers, modified_tree_coefficients(entry.rule(**values), terms), strict=True):
        total = sum((value * differentials(tree) for tree, value in field.items()), start=np.array([Fraction(0)] * 2))
        assert list(total) == list(row)


def _differentials(gradients, names, point):
    known = {THETA: np.array(list(point.values()), dtype=object)}
    substitution = {name: sympy.Rational(value) for name, value in point.items()}

    def value(tree):
        if tree not in known:
            arguments = [value(child) for child in tree.children]
            total = np.array([Fraction(0)] * 2)
            for indices in np.ndindex(*(2,) * len(arguments)):
                weight = prod(argument[i] for argument, i in zip(arguments, indices, strict=True))
                along, field = [names[i] for i in indices], gradients[tree.colour - 1]
                derived = [(c.diff(*along) if along else c).subs(substitution) for c in field]
                total = total + weight * np.array([Fraction(int(d.p), int(d.q)) for d in derived], dtype=object)
            known[tree] = total
        return known[tree]

    return value


def test_heavy_ball_on_a_quadratic_in_closed_form():
    """Theory page, section 3: the log of the larger root, ``−Σ xⁿ/n Σ_k C(n−1,k)² β^k/(1−β)^{2n−1}``, symbolically."""
    beta = sympy.Symbol("beta")
    rows = derive("heavy-ball", order=5).rows
    found = [value for row in rows for tree, value in row.items() if tree.is_chain]
    assert len(found) == 6
    for n, coefficient in enumerate(found, start=1):
        narayana = sum(comb(n - 1, k) ** 2 * beta**k for k in range(n))
        expected = narayana / (n * (1 - beta) ** (2 * n - 1))
        assert sympy.cancel(coefficient.as_expr() - expected) == 0


def test_numbers_for_symbols_commute_with_the_derivation():
    symbolic, numeric = derive("heavy-ball", order=4), derive("heavy-ball", order=4, beta="9/10")
    for row, numbers in zip(symbolic.rows, numeric.rows, strict=True):
        for tree, coefficient in row.items():
            value = coefficient.as_expr().subs("beta", sympy.Rational(9, 10))
            assert Fraction(int(value.p), int(value.q)) == numbers[tree]


def test_implicit_euler_is_the_adjoint_of_explicit_euler():
    """η becomes −η: the coefficients of ξ_k change sign for even k (Hairer, Lubich & Wanner, section IX.2)."""
    explicit, implicit = derive("gradient-descent", order=5), derive("implicit-euler", order=5)
    for k, (left, right) in enumerate(zip(explicit.rows, implicit.rows, strict=True)):
        assert right == {tree: (-1) ** k * value for tree, value in left.items()}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # f̃_1 = (1 − 1/2) f'f; the midpoint rules stand in tests/test_published_values.py.
        ("extragradient", {"[[]]": "-1/2", "[[[]]]": "-2/3", "[[],[]]": "1/12"}),
        ("optimistic", None),
    ],
)
def test_first_terms_of_one_step_methods(name, expected):
    found = terms_of(name)
    if expected is None:
        # Optimistic and extragradient steps agree to second order in η: the first counter term is the same.
        assert found["[[]]"] == "-1/2"
        assert found != terms_of("extragradient")
        return
    assert found == expected


def terms_of(name):
    return {str(tree): str(value) for row in derive(name, order=2).rows[1:] for tree, value in row.items()}


@pytest.mark.parametrize(
    ("name", "order"), [("explicit-midpoint", 2), ("implicit-midpoint", 2), ("runge-kutta-4", 4), ("extragradient", 1)]
)
def test_a_method_of_order_p_has_its_first_counter_term_at_p(name, order):
    rows = derive(name, order=order).rows
    assert all(value == 0 for row in rows[1:order] for value in row.values())
    assert any(value != 0 for value in rows[order].values())


def test_symmetric_methods_have_even_powers_only():
    for row in derive("implicit-midpoint", order=5).rows[1::2]:
        assert all(value == 0 for value in row.values())


def test_y_squared():
    """``y' = y²`` under implicit Euler: 1, 1, 3/2, 8/3, 31/6, …, those of explicit Euler without their signs."""
    expected = [Fraction(1), 1, Fraction(3, 2), Fraction(8, 3), Fraction(31, 6)]
    start = np.array([Fraction(1)], dtype=object)
    rows = modified_field_terms(optimizers.get("implicit-euler").rule(), _square_series, start, 5, Fraction)
    assert [row[0] for row in rows] == expected


def _square_series(field, series):
    y = TruncatedSeries(tuple(series[:, 0]))
    return np.array([(-1 * (y * y)).coefficients], dtype=object).T


def test_a_tableau_of_the_user_may_be_implicit():
    """Gauss of order 4 in the algebraic closure is not rational; Radau IIA of order 3 is: ξ_0 = ξ_1 = 0, ξ_2 is not."""
    radau = runge_kutta("radau-iia-3", [["5/12", "-1/12"], ["3/4", "1/4"]], ["3/4", "1/4"])
    fields = modified_tree_coefficients(radau.rule(), 4)
    assert fields[0] == {LEAF: -1}
    assert fields[1] == fields[2] == {}
    assert fields[3] != {}


def test_decay_without_momentum_is_decay_in_the_gradient():
    """SGDW at β = 0 is gradient descent on ``L + λθ²/2``: compared on numbers that are exact."""
    decay, point = Fraction(1, 7), np.array([Fraction(1, 3), Fraction(-1, 2)], dtype=object)
    rule = optimizers.get("sgdw").rule(beta=Fraction(0), decay=decay)
    apart = modified_field_terms(rule, quartic_series, point, 4, Fraction)

    def coupled(field, series):
        return quartic_series(field, series) + decay * series

    together = modified_field_terms(optimizers.get("gd").rule(), coupled, point, 4, Fraction)
    assert [list(row) for row in apart] == [list(row) for row in together]


def test_equal_batches_are_gradient_descent():
    """With all batches alike, an epoch is m steps: colours forgotten, f̃ is m times that of gradient descent."""
    for name, batches in (("mini-batches", 3), ("random-reshuffling", 3)):
        rule = optimizers.get(name).rule(batches=Fraction(batches))
        forgotten = {}
        for field in modified_tree_coefficients(rule, 4):
            for tree, value in field.items():
                bare = tree.recoloured(lambda _: 1)
                forgotten[bare] = forgotten.get(bare, 0) + value
        expected = {tree: value for row in derive("gradient-descent", order=3).rows for tree, value in row.items()}
        # η per step, mη of time per epoch: the map is the same flow, so the fields per epoch differ by the factor m.
        assert {tree: -value / batches for tree, value in forgotten.items() if value} == {
            tree: value for tree, value in expected.items() if value
        }


def test_simultaneous_players_have_the_trees_of_gradient_descent():
    assert derive("simultaneous-players", order=3).terms == derive("gradient-descent", order=3).terms


def test_trees_have_their_limits():
    with pytest.raises(InputError, match="vector language"):
        modified_tree_coefficients(optimizers.get("adam").rule(**optimizers.get("adam").complete({})), 2)
    with pytest.raises(InputError, match="order 7"):
        derive("mini-batches", order=7)
    with pytest.raises(InputError, match="order 4"):
        derive("adam", order=4)


def test_coloured_trees():
    other = Tree(colour=2)
    tree = Tree([other, LEAF, other])
    assert str(tree) == "1[1[],2[],2[]]"
    assert (tree.order, tree.symmetry, tree.colours) == (4, 2, {1, 2})
    assert tree.recoloured(lambda _: 1) == parse_tree("[[],[],[]]")
    assert tree == Tree([other, other, LEAF])
    assert tree != Tree([other, LEAF, other], 2)
    assert len({LEAF, other, Tree()}) == 2
    assert (LEAF.is_plain, tree.is_plain, THETA.is_plain) == (True, False, False)
    assert (LEAF.brackets(colours=True), str(Tree([LEAF])), str(Tree([THETA]))) == ("1[]", "[[]]", "1[0[]]")
    with pytest.raises(AttributeError, match="immutable"):
        tree.colour = 2
    count = sum(len(rooted_trees(n)) for n in range(1, 5))
    assert len([t for f in modified_tree_coefficients(optimizers.get("optimistic").rule(), 4) for t in f]) <= count
