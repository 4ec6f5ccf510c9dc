"""Reduced rank extrapolation of a series: against its closed form on quadratics, and least squares by LAPACK."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
from forms import EVERY

from eomsym import optimizers
from eomsym.errors import InputError, ResummationWarning
from eomsym.step_index import resummed, solve
from eomsym.step_index.numbers import NumberAlgebra
from eomsym.step_index.resummation import check_summable, resummed_rows, tell_growth
from eomsym.step_index.tables import small_nodes

RANDOM = np.random.default_rng(5)
#: Curvatures between 0 and 1, and the components of a gradient along them.
CURVATURES = np.concatenate([RANDOM.random(30), [1.0]])
GRADIENT = RANDOM.standard_normal(31)


def descent(x, order):
    """Terms of the logarithm of a step of descent at η = x on a quadratic, and the logarithm itself."""
    terms = [-GRADIENT * (x * CURVATURES) ** k / (k + 1) for k in range(order + 1)]
    return terms, GRADIENT * np.log1p(-x * CURVATURES) / (x * CURVATURES) if x < 1 else None


def by_lapack(terms, base=0):
    """The formula of the page as it stands there; ``base`` −1 is the textbook's sum."""
    order = len(terms) - 1
    q = order // 2
    columns = np.array([terms[k + 1] - terms[k] for k in range(order - q, order)]).T
    c = np.linalg.lstsq(columns, -terms[order - q], rcond=None)[0]
    start = order - q + base
    return sum(terms[: start + 1]) + sum(c[j] * terms[start + 1 + j] for j in range(q))


@pytest.mark.parametrize("order", [2, 3, 4, 7, 10])
def test_it_is_the_formula_by_another_route(order):
    terms, _ = descent(0.7, order)
    np.testing.assert_allclose(resummed([[u] for u in terms]).value[0], by_lapack(terms), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("x", "gain"), [(0.3, 20), (0.6, 20), (0.9, 10)])
def test_it_is_much_nearer_to_the_logarithm(x, gain):
    terms, exact = descent(x, 10)
    found = resummed([[u] for u in terms])
    plain, accelerated = (np.linalg.norm(value - exact) for value in (sum(terms), found.value[0]))
    assert accelerated < plain / gain
    assert accelerated / 3 < found.error < 100 * accelerated
    assert found.growth == pytest.approx(x, rel=0.06)


@pytest.mark.parametrize("order", range(1, 13))
@pytest.mark.parametrize("x", [0.1, 0.5, 0.8, 0.999])
def test_it_is_never_twice_as_far(order, x):
    terms, exact = descent(x, order)
    plain = np.linalg.norm(sum(terms) - exact)
    assert np.linalg.norm(resummed([[u] for u in terms]).value[0] - exact) <= 2 * plain + 1e-14


@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_no_order_is_lost_and_the_textbooks_base_loses_one(order):
    vectors = RANDOM.standard_normal((order + 6, 20))

    def error(eta, sum_of):
        terms = [eta**k * v for k, v in enumerate(vectors)]
        return np.linalg.norm(sum_of(terms[: order + 1]) - sum(terms))

    for sum_of, slope in (
        (lambda terms: resummed([[u] for u in terms]).value[0], order + 1),
        (lambda terms: by_lapack(terms, base=-1), order),
    ):
        large, small = error(1e-2, sum_of), error(5e-3, sum_of)
        assert np.log2(large / small) == pytest.approx(slope, abs=0.1)


def test_what_is_parallel_has_its_limit():
    """All terms along one vector: the columns of the least squares depend on one another."""
    terms = [[0.5**k * GRADIENT] for k in range(9)]
    np.testing.assert_allclose(resummed(terms).value[0], 2 * GRADIENT, rtol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_zeros_have_the_sum_zero(count):
    found = resummed([[np.zeros(3)] for _ in range(count)])
    assert np.array_equal(found.value[0], np.zeros(3))
    assert found.growth == 0


def test_a_term_may_be_several_arrays():
    terms, _ = descent(0.8, 8)
    whole, parts = resummed([[u] for u in terms]), resummed([[u[:10].reshape(2, 5), u[10:]] for u in terms])
    np.testing.assert_allclose(np.concatenate([part.ravel() for part in parts.value]), whole.value[0], rtol=1e-9)


def test_beyond_the_radius_it_is_the_plain_sum_and_says_so():
    terms, _ = descent(1.3, 10)
    found = resummed([[u] for u in terms])
    np.testing.assert_allclose(found.value[0], sum(terms), rtol=1e-13)
    with pytest.warns(ResummationWarning, match=r"grow by 1\.2.*stride=2"):
        assert tell_growth(found.growth)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not tell_growth(1.07)


def test_rows_are_minus_the_terms_without_their_powers():
    terms, _ = descent(0.6, 6)
    rows = [[-u / 0.3**k] for k, u in enumerate(terms)]
    found = resummed_rows(rows, 0.3)
    np.testing.assert_allclose(found.value[0], resummed([[u] for u in terms]).value[0], rtol=1e-9)


#: Those whose terms are no series that can be accelerated, and why.
REFUSED = {
    "runge-kutta-4": r"eta\^1 of runge-kutta-4 vanishes",
    "implicit-midpoint": r"eta\^1 of implicit-midpoint vanishes",
    "explicit-midpoint": r"eta\^1 of explicit-midpoint vanishes",
    "extragradient": "signs of the terms of extragradient",
    "optimistic": "signs of the terms of optimistic",
}


def rule_of(name):
    entry = optimizers.get(name)
    return entry.rule(**entry.complete({}, trial=True))


@pytest.mark.parametrize("name", EVERY)
def test_what_cannot_be_accelerated_is_refused_and_nothing_else(name):
    rule = rule_of(name)
    if name not in REFUSED and rule.linear:
        check_summable(rule, name)
        return
    with pytest.raises(InputError, match=REFUSED.get(name, "products, quotients or roots") + ".*leave resum out"):
        check_summable(rule, name)


def generic_rows(rule, terms):
    """f̃_k of the field ``θ_i' = Σ_j w_ij/(1 + a_j·θ)``, of which no derivative vanishes."""
    random = np.random.default_rng(3)
    outer, inner = random.standard_normal((3, 4)) / 2, random.standard_normal((4, 3)) / 2

    def along(field, series):
        arguments = series @ inner.T
        arguments[0] += 1
        inverse = np.zeros_like(arguments)
        inverse[0] = 1 / arguments[0]
        for k in range(1, len(series)):
            inverse[k] = -inverse[0] * sum(arguments[j] * inverse[k - j] for j in range(1, k + 1))
        return inverse @ outer.T

    algebra = NumberAlgebra(small_nodes(rule, terms), along, [np.array([0.3, -0.2, 0.5])])
    return [values[0] for values in solve(rule, algebra, terms)]


def slope_of_resummed(name, order):
    """log₂ of what halving η makes of the distance to the sum of many terms, of a field without structure."""
    rows = generic_rows(rule_of(name), order + 5)

    def error(eta):
        terms = [eta**k * row for k, row in enumerate(rows)]
        return np.linalg.norm(resummed([[u] for u in terms[: order + 1]]).value[0] - sum(terms))

    return np.log2(error(4e-3) / error(2e-3))


@pytest.mark.parametrize("name", [name for name in EVERY if name not in REFUSED and rule_of(name).linear])
def test_what_is_not_refused_loses_no_order(name):
    assert slope_of_resummed(name, 3) == pytest.approx(4, abs=0.7)


@pytest.mark.parametrize(("name", "order"), [("runge-kutta-4", 6), ("implicit-midpoint", 5)])
def test_what_is_refused_would_lose_whole_orders(name, order):
    """The control: the same measurement of the sum that was given before."""
    assert slope_of_resummed(name, order) < order


def test_the_numbers_on_a_quadratic_are_those_of_the_logarithm():
    from eomsym.step_index.resummation import _on_a_quadratic

    assert [*_on_a_quadratic(rule_of("gradient-descent"))] == [-1 / Fraction(k + 1) for k in range(13)]
