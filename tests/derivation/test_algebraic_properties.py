"""Laws that hold for every tree, every method and every field: drawn at random, checked exactly."""

from collections import Counter
from fractions import Fraction
from functools import cache
from itertools import product
from math import comb, factorial, prod

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from second_routes.modified_fields import modified_field_terms
from second_routes.step_polynomial import FORMS, modified_coefficients, step_polynomials
from second_routes.truncated import TruncatedSeries

from eomsym import optimizers
from eomsym.derivation.algebras import modified_tree_coefficients
from eomsym.optimizers import runge_kutta
from eomsym.trees import LEAF, Tree, rooted_trees

TREES = st.recursive(st.just(LEAF), lambda inner: st.lists(inner, max_size=4).map(Tree), max_leaves=9)
SMALL_TREES = st.sampled_from([tree for nodes in range(1, 7) for tree in rooted_trees(nodes)])
RATIONALS = st.fractions(min_value=-3, max_value=3, max_denominator=6)
ONE_STEP = ("gradient-descent", "implicit-euler")


# Trees ---------------------------------------------------------------------------------------------------------------


def pruned(tree: Tree) -> list[Tree]:
    """The trees that are left without one of its leaves, once for each leaf."""
    found = []
    for index, child in enumerate(tree.children):
        others = (*tree.children[:index], *tree.children[index + 1 :])
        found += [Tree(others)] if child == LEAF else [Tree((*others, smaller)) for smaller in pruned(child)]
    return found


def grown(tree: Tree) -> list[Tree]:
    """The trees with one more leaf, once for each node that it hangs on."""
    found = [Tree((*tree.children, LEAF))]
    for index, child in enumerate(tree.children):
        others = (*tree.children[:index], *tree.children[index + 1 :])
        found += [Tree((*others, larger)) for larger in grown(child)]
    return found


@given(TREES)
def test_density_by_taking_the_largest_label_off(tree):
    """The largest of n labels that rise from the root is a leaf's: n!/γ(τ) = Σ (n−1)!/γ(τ less it) over the leaves."""
    if tree != LEAF:
        left = Fraction(factorial(tree.order), tree.density)
        assert left == sum(Fraction(factorial(tree.order - 1), smaller.density) for smaller in pruned(tree))


@given(TREES)
def test_symmetry_by_counting_the_ways_up_and_down(tree):
    """Pairs (τ, node to grow at) and (τ', leaf to take off) are the same up to symmetry: σ(τ') up = σ(τ) down."""
    for larger, ways in Counter(grown(tree)).items():
        assert ways * larger.symmetry == pruned(larger).count(tree) * tree.symmetry


# Order polynomials ---------------------------------------------------------------------------------------------------


@cache
def polynomials(name: str):
    return step_polynomials(FORMS[name](), 6)


def at(differences, s: int) -> Fraction:
    """The polynomial with these forward differences at 0, at any integer."""
    return sum(
        Fraction(d) * (comb(s, k) if s >= 0 else (-1) ** k * comb(k - s - 1, k)) for k, d in enumerate(differences)
    )


@given(SMALL_TREES, st.integers(-5, 5))
def test_reciprocity(tree, s):
    """Stanley's: strict order polynomials at −s count weakly ordered maps, those of implicit Euler, up to sign."""
    strict, weak = (at(polynomials(name)[tree], t) for name, t in (("gradient-descent", -s), ("implicit-euler", s)))
    assert weak == (-1) ** tree.order * strict


def cuts(tree: Tree) -> list[tuple[Tree, tuple[Tree, ...]]]:
    """All subtrees that hold the root, each with the forest that is cut off."""
    choices = [[(None, (child,)), *cuts(child)] for child in tree.children]
    found = []
    for chosen in product(*choices):
        kept = Tree(part for part, _ in chosen if part is not None)
        found.append((kept, sum((forest for _, forest in chosen), ())))
    return found


@pytest.mark.parametrize("name", ONE_STEP)
@given(tree=SMALL_TREES, m=st.integers(-4, 4), n=st.integers(-4, 4))
def test_addition(name, tree, m, n):
    """m steps, then n: P(m + n) = P(m) + Σ_cuts P_kept(n) ∏ P_cut(m), the composition of B-series."""
    of = polynomials(name)
    total = at(of[tree], m)
    for kept, forest in cuts(tree):
        total += at(of[kept], n) * prod((at(of[part], m) for part in forest), start=Fraction(1))
    assert at(of[tree], m + n) == total


@pytest.mark.parametrize("name", ONE_STEP)
@given(tree=SMALL_TREES)
def test_a_step_and_its_inverse_compose_to_nothing(name, tree):
    """The map's coefficients P(1) (1 on the leaf alone for explicit Euler), the inverse's P(−1)."""
    of = polynomials(name)
    total = at(of[tree], -1)
    for kept, forest in cuts(tree):
        total += at(of[kept], 1) * prod((at(of[part], -1) for part in forest), start=Fraction(1))
    assert total == 0
    if name == "gradient-descent":
        assert at(of[tree], 1) == (tree == LEAF)


# Methods -------------------------------------------------------------------------------------------------------------


@st.composite
def tableaux(draw):
    """Two stages, explicit or implicit, weights that add up to 1."""
    matrix = [[draw(RATIONALS) for _ in range(2)] for _ in range(2)]
    first = draw(RATIONALS)
    return matrix, [first, 1 - first]


def field_of(tableau, terms):
    entry = runge_kutta("drawn-at-random", *tableau)
    return modified_tree_coefficients(entry.rule(), terms)


@settings(max_examples=30, deadline=None)
@given(tableaux())
def test_the_adjoint_method_has_the_other_signs(tableau):
    """a*_ij = b_{s+1−j} − a_{s+1−i,s+1−j}, b*_i = b_{s+1−i} (Hairer, Lubich & Wanner, sections II.3 and IX.2)."""
    matrix, weights = tableau
    adjoint = [[weights[1 - j] - matrix[1 - i][1 - j] for j in range(2)] for i in range(2)], weights[::-1]
    for k, (one, other) in enumerate(zip(field_of(tableau, 4), field_of(adjoint, 4), strict=True)):
        assert other == {tree: (-1) ** k * value for tree, value in one.items()}


@settings(max_examples=30, deadline=None)
@given(tableaux(), st.sampled_from([0, 1]))
def test_the_order_of_the_stages_is_irrelevant(tableau, kept):
    """Renumbered, and with a third stage that has no weight."""
    matrix, weights = tableau
    swapped = [[matrix[1 - i][1 - j] for j in range(2)] for i in range(2)], weights[::-1]
    idle = [[*matrix[0], 0], [*matrix[1], 0], [*matrix[kept], 0]], [*weights, 0]
    assert field_of(tableau, 4) == field_of(swapped, 4) == field_of(idle, 4)


# Fields: numbers that are exact ---------------------------------------------------------------------------------------

METHODS = ("gradient-descent", "implicit-euler", "heavy-ball", "nesterov", "optimistic", "runge-kutta-4", "sgdw")
COEFFICIENTS = st.lists(RATIONALS, min_size=12, max_size=12)
POINTS = st.lists(RATIONALS, min_size=2, max_size=2)
TERMS = 4


def polynomial_field(coefficients):
    """Two quadratic components: the gradient g as a function of two series (or numbers)."""
    rows = coefficients[:6], coefficients[6:]

    def gradient(x, y):
        return [c[0] * (x * x) + c[1] * (x * y) + c[2] * (y * y) + c[3] * x + c[4] * y + c[5] for c in rows]

    return gradient


def modified_terms(name, gradient, point):
    """``[f̃_0, …]`` of a method at a point, as tuples of Fractions."""
    entry = optimizers.get(name)

    def series(field, curve):
        components = [TruncatedSeries(tuple(column)) for column in curve.T]
        return np.array([part.coefficients for part in gradient(*components)], dtype=object).T

    rule = entry.rule(**entry.complete({}, trial=True))
    rows = modified_field_terms(rule, series, np.array(point, dtype=object), TERMS, Fraction)
    return [tuple(row) for row in rows]


def times(matrix, vector):
    return [matrix[i][0] * vector[0] + matrix[i][1] * vector[1] for i in range(2)]


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(METHODS), COEFFICIENTS, POINTS, st.lists(RATIONALS, min_size=4, max_size=4))
def test_conjugation_by_a_linear_change_of_variables(name, coefficients, point, entries):
    """Seen through y = A x a method is the same method: f̃_k of A f(A⁻¹ y) is A f̃_k(A⁻¹ y), which a permutation of the
    parameters is a case of."""
    a, b, c, d = entries
    determinant = a * d - b * c
    assume(determinant != 0)
    there, back = [[a, b], [c, d]], [[d / determinant, -b / determinant], [-c / determinant, a / determinant]]
    gradient = polynomial_field(coefficients)
    plain = modified_terms(name, gradient, point)
    seen = modified_terms(name, lambda x, y: times(there, gradient(*times(back, [x, y]))), times(there, point))
    assert seen == [tuple(times(there, row)) for row in plain]


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(METHODS[:-1]), COEFFICIENTS, POINTS, RATIONALS.filter(bool))
def test_scaling_of_the_loss_is_scaling_of_the_step(name, coefficients, point, c):
    """With c L in the place of L, η^k f̃_k becomes that of the step size c η, over c: a factor of c^{k+1}."""
    gradient = polynomial_field(coefficients)
    plain = modified_terms(name, gradient, point)
    scaled = modified_terms(name, lambda x, y: [c * part for part in gradient(x, y)], point)
    assert scaled == [tuple(c ** (k + 1) * value for value in row) for k, row in enumerate(plain)]


@settings(max_examples=10, deadline=None)
@given(COEFFICIENTS, POINTS)
def test_the_order_of_the_parameters_is_irrelevant_to_componentwise_methods_too(coefficients, point):
    """Adam divides component by component, so only permutations commute with it."""
    gradient = polynomial_field(coefficients)
    entry = optimizers.get("adam(inside=yes, corrected=no)")
    rule = entry.rule(**entry.complete({}, trial=True))

    def terms(order):
        def series(field, curve):
            columns = [TruncatedSeries(tuple(curve[:, order.index(i)])) for i in range(2)]
            parts = [part.coefficients for part in gradient(*columns)]
            return np.array([parts[i] for i in order], dtype=float).T

        start = np.array([float(point[i]) for i in order])
        return np.array(modified_field_terms(rule, series, start, 3))

    forward, backward = terms((0, 1)), terms((1, 0))
    np.testing.assert_allclose(forward, backward[:, ::-1], rtol=1e-9, atol=1e-12 * np.abs(forward).max())


@pytest.mark.parametrize("order", range(1, 8))
def test_where_all_differentials_are_equal(order):
    """For f = e^y at 0 all of them are 1, so f̃ is Σ b/σ over the trees of each order: plain iterates know it too."""
    coefficients = modified_coefficients(FORMS["gradient-descent"](), order)
    found = sum(Fraction(coefficients[tree]) / tree.symmetry for tree in rooted_trees(order))
    assert found == exponential_field(order)


@cache
def exponential_field(order: int) -> Fraction:
    """Coefficient of f̃ for ``y' = e^y`` at 0 by the iterates themselves: y ↦ y + η e^y, the logarithm of the map."""
    length = order + 1

    def exponential(series):
        result = [Fraction(1)]
        for n in range(1, length):
            result.append(sum(k * series[k] * result[n - k] for k in range(1, n + 1)) / n)
        return result

    iterates = [[Fraction(0)] * length]
    for _ in range(order):
        last = iterates[-1]
        power = exponential(last)
        iterates.append([a + b for a, b in zip(last, [Fraction(0), *power[:-1]], strict=True)])
    return sum(
        Fraction((-1) ** (n + 1), n) * sum((-1) ** (n - j) * comb(n, j) * iterates[j][order] for j in range(n + 1))
        for n in range(1, order + 1)
    )
