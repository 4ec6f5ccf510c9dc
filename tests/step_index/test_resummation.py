"""Reduced rank extrapolation of a series: against its closed form on quadratics, and least squares by LAPACK."""

import warnings

import numpy as np
import pytest

from eomsym.errors import ResummationWarning
from eomsym.step_index import resummed, resummed_rows, tell_growth

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
