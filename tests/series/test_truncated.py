"""Series arithmetic over several rings, against identities and against the trees."""

from fractions import Fraction

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from second_routes.truncated import TruncatedSeries, modified_field

from eomsym.derivation import derive
from eomsym.errors import InputError

rationals = st.fractions(min_value=-5, max_value=5, max_denominator=12)


def series_of(length=5, first=rationals):
    rest = st.lists(rationals, min_size=length - 1, max_size=length - 1)
    return st.builds(lambda head, tail: TruncatedSeries((head, *tail)), first, rest)


@given(series_of(), series_of(), series_of())
@settings(max_examples=50, deadline=None)
def test_ring_laws(a, b, c):
    assert a + b == b + a
    assert a * b == b * a
    assert (a * b) * c == a * (b * c)
    assert a * (b + c) == a * b + a * c
    assert a - a == 0 * a
    assert a**3 == a * a * a


@given(series_of(), series_of(first=rationals.filter(bool)))
@settings(max_examples=50, deadline=None)
def test_division_undoes_multiplication(a, b):
    assert (a * b) / b == a
    assert b / b == 1 + 0 * b
    assert 2 / b * b == 2 + 0 * b


def test_integers_divide_exactly():
    one, b = TruncatedSeries((1, 0, 0)), TruncatedSeries((2, 1, 0))
    assert (one / b).coefficients == (Fraction(1, 2), Fraction(-1, 4), Fraction(1, 8))


@pytest.mark.parametrize("exponent", [-1, 0.5, "2"])
def test_other_powers_are_refused(exponent):
    with pytest.raises(InputError, match="non-negative integer"):
        TruncatedSeries((1, 2)) ** exponent


def test_lengths_must_agree():
    with pytest.raises(InputError, match="2 and 3 terms"):
        TruncatedSeries((1, 2)) + TruncatedSeries((1, 2, 3))


def test_riccati():
    """y' = y² at 1 (theory §2)."""
    rows = modified_field(lambda y: [y[0] * y[0]], [Fraction(1)], 7)
    assert [row[0] for row in rows] == [1, -1, *map(Fraction, ("3/2", "-8/3", "31/6", "-157/15", "649/30"))]


def test_symbols_as_coefficients_agree_with_the_trees():
    """Rosenbrock-like loss: ξ_0 … ξ_2 by series over SymPy expressions and by rooted trees."""
    x, y = sympy.symbols("x y")
    loss = (1 - x) ** 2 + 5 * (y - x**2) ** 2
    gradient = [loss.diff(x), loss.diff(y)]

    def field(point):
        a, b = point
        return [2 * (1 - a) + 20 * a * (b - a * a), -10 * (b - a * a)]

    assert [sympy.expand(-f - g) for f, g in zip(field((x, y)), gradient, strict=True)] == [0, 0]
    rows = modified_field(field, [x, y], 4)
    for counterterm, row in zip(derive(order=3).to_sympy(loss, [x, y])[1:], rows[1:], strict=True):
        assert [sympy.expand(a + b) for a, b in zip(counterterm, row, strict=True)] == [0, 0]
