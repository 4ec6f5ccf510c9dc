"""Arrays of double-double numbers against exact rationals."""

from decimal import Decimal
from fractions import Fraction
from itertools import product

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from eomsym.double_double import EPSILON, DoubleDouble, exact_product
from eomsym.errors import InputError

# u², the bounds of the literature are multiples of it.
UNIT = Fraction(1, 2**106)


@st.composite
def numbers(draw, largest=100):
    """A pair of doubles of any sign; the low part anything up to half a unit in the last place of the high one."""
    high = draw(st.floats(-1, 1)) * 2.0 ** draw(st.integers(-largest, largest))
    low = draw(st.floats(-0.5, 0.5)) * float(np.spacing(high))
    return DoubleDouble(high, low)


def exact(number):
    return number.to_fractions().item()


def relative_error(number, truth):
    return abs(exact(number) / truth - 1) if truth else abs(exact(number))


@given(numbers(), numbers())
def test_sum_and_difference(a, b):
    for found, truth in ((a + b, exact(a) + exact(b)), (a - b, exact(a) - exact(b))):
        assert relative_error(found, truth) <= 3 * UNIT + UNIT / 2**40


@given(numbers())
def test_a_sum_that_cancels_keeps_its_digits(a):
    """The small rest of two nearly equal numbers is exact to the relative bound, too."""
    b = a * (1 + 2.0**-60)
    assert relative_error(b - a, exact(b) - exact(a)) <= 3 * UNIT + UNIT / 2**40
    assert exact(a - a) == 0


@given(numbers(), numbers())
def test_product_and_quotient(a, b):
    assume(abs(exact(a)) > 1e-30 and abs(exact(b)) > 1e-30)
    assert relative_error(a * b, exact(a) * exact(b)) <= 6 * UNIT
    assert relative_error(a / b, exact(a) / exact(b)) <= 16 * UNIT


@given(numbers(), st.floats(-1e6, 1e6))
def test_plain_numbers_on_either_side(a, b):
    assert exact(b + a) == exact(a + b)
    assert exact(b - a) == exact(-(a - b))
    assert exact(b * a) == exact(a * b)
    if abs(exact(a)) > 1e-30 and abs(b) > 1e-30:
        assert relative_error(b / a, Fraction(b) / exact(a)) <= 16 * UNIT


@given(numbers(), numbers())
def test_comparison_is_that_of_the_exact_values(a, b):
    assert (a < b) == (exact(a) < exact(b))
    assert (a > b) == (exact(a) > exact(b))
    assert (a == b) == (exact(a) == exact(b))
    assert (a != b) == (exact(a) != exact(b))
    assert exact(abs(a)) == abs(exact(a))


@given(st.fractions(-(10**20), 10**20))
def test_the_nearest_number_to_a_rational(value):
    number = DoubleDouble.from_value(value)
    assert abs(exact(number) - value) <= UNIT * abs(value)


@pytest.mark.parametrize(
    ("value", "truth"),
    [
        (0.1, Fraction(0.1)),
        (2**80 + 1, Fraction(2**80 + 1)),
        (np.float64(0.25), Fraction(1, 4)),
        (np.int64(-7), Fraction(-7)),
        (np.float32(0.5), Fraction(1, 2)),
        (mpmath.mpf(-3) / 8, Fraction(-3, 8)),
    ],
)
def test_exact_values_stay_exact(value, truth):
    assert exact(DoubleDouble.from_value(value)) == truth


@pytest.mark.parametrize("value", ["0.1", " -1e-2 ", ".5", "3.", Decimal("0.3"), mpmath.mpf("0.7")])
def test_decimals_are_rounded_once(value):
    truth = Fraction(str(value).strip()) if not isinstance(value, mpmath.mpf) else Fraction(*_quotient(value))
    assert abs(exact(DoubleDouble.from_value(value)) - truth) <= UNIT * abs(truth)


def _quotient(value):
    mantissa, exponent = abs(value).man_exp
    return int(mantissa) * 2 ** max(int(exponent), 0), 2 ** max(-int(exponent), 0)


def test_text_has_the_digits_and_comes_back():
    third = DoubleDouble.from_value(Fraction(1, 3))
    assert third.to_text().item() == "0." + "3" * 32
    assert DoubleDouble.from_value("1e-5").to_text(3).item() == "1.0e-5"
    again = DoubleDouble.from_value(third.to_text(40).item())
    assert relative_error(again, exact(third)) <= 2 * UNIT
    assert repr(DoubleDouble.from_value([1, Fraction(1, 2)])) == "DoubleDouble([1.0 0.5])"


def test_mpmath_values_are_exact():
    with mpmath.workprec(120):
        number = DoubleDouble.from_value(Fraction(1, 7))
        assert Fraction(*_quotient(number.to_mpmath().item())) == exact(number)


def test_arrays_have_shapes_that_broadcast():
    column, row = DoubleDouble.from_value([[1], [2], [3]]), DoubleDouble.from_value(np.array([0.5, 0.25]))
    table = column * row + 1
    assert (table.shape, table.size, len(table)) == ((3, 2), 6, 3)
    for i, j in product(range(3), range(2)):
        assert float(table[i, j]) == (i + 1) * [0.5, 0.25][j] + 1
    assert np.array_equal((np.ones(2) + row).high, row.high + 1)
    stacked = DoubleDouble.stack([row, row + 1])
    assert np.array_equal(stacked.high, [[0.5, 0.25], [1.5, 1.25]])


@given(st.lists(st.integers(-(2**90), 2**90), max_size=20))
def test_sums_along_the_first_axis(values):
    array = DoubleDouble.from_value(np.array(values, dtype=object).reshape(-1, 1))
    exact_parts = array.to_fractions().ravel()
    total = exact(array.sum()[0]) if values else exact(DoubleDouble.zeros((0, 1)).sum()[0])
    assert abs(total - sum(exact_parts)) <= 8 * 3 * UNIT * sum(map(abs, exact_parts), Fraction(0))


def test_norm_and_finiteness():
    assert DoubleDouble.from_value(np.array([3.0, 4.0])).norm() == 5
    assert DoubleDouble.zeros(3).is_finite()
    with np.errstate(invalid="ignore"):
        assert not DoubleDouble(np.array([1.0, np.inf]), np.zeros(2)).is_finite()
        nan = DoubleDouble(np.array([np.nan]), np.zeros(1))
        assert not (nan * 2 + 1).is_finite()
        with pytest.raises(InputError, match="no fractions"):
            nan.to_fractions()


def test_the_parts_are_normalised_and_cannot_be_changed():
    number = DoubleDouble(np.array([1.0]), np.array([1.0]))
    assert (number.high[0], number.low[0]) == (2, 0)
    with pytest.raises(ValueError, match="read-only"):
        number.high[0] = 3
    with pytest.raises(AttributeError, match="cannot be changed"):
        number.high = np.zeros(1)
    with pytest.raises(TypeError):
        hash(number)


def test_an_array_that_is_changed_later_does_no_harm():
    array = np.ones(2)
    number = DoubleDouble.from_value(array)
    array[0] = 5
    assert number.high[0] == 1


def test_below_1e_290_digits_are_lost_one_after_the_other():
    """The low part of a product underflows; what is left is right to the precision of doubles at least."""
    small = DoubleDouble.from_value(Fraction(1, 3)) * 1e-150
    truth = exact(small) ** 2
    assert relative_error(small * small, truth) > 1e-30
    assert relative_error(small * small, truth) < 1e-15
    larger = DoubleDouble.from_value(Fraction(1, 3)) * 1e-143
    assert relative_error(larger * larger, exact(larger) ** 2) <= 6 * UNIT


def test_a_product_without_rounding():
    assert exact(exact_product(3**30, 0.1)) == 3**30 * Fraction(0.1)


def test_numbers_next_to_each_other():
    one = DoubleDouble.from_value(1)
    assert one + EPSILON > one
    assert (one + EPSILON) - 1 == EPSILON


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("0.1x", "'0.1x': not a decimal number"),
        ("nan", "not a decimal number"),
        ("1e9999", "not a decimal number"),
        ("1e999", "beyond the range of doubles"),
        (10**400, "beyond the range of doubles"),
        (True, "a truth value"),
        (None, "NoneType is no finite number"),
        ([1.0, "two"], "'two': not a decimal number"),
        (mpmath.mpf("inf"), "no finite number"),
        (mpmath.mpf("nan"), "no finite number"),
        (Decimal("NaN"), "no finite number"),
        (1j, "complex is no finite number"),
    ],
)
def test_what_is_no_number_is_named(value, fault):
    with pytest.raises(InputError, match=fault):
        DoubleDouble.from_value(value)


@pytest.mark.parametrize(
    ("parts", "fault"),
    [
        ((np.zeros(2), np.zeros(3)), r"low: shape \(3,\); give that of high, \(2,\)"),
        ((np.zeros(2, dtype=np.float32), np.zeros(2)), "high: ndarray given"),
        ((np.zeros(2), [0.0, 0.0]), "low: list given"),
    ],
)
def test_parts_that_do_not_fit_are_refused(parts, fault):
    with pytest.raises(InputError, match=fault):
        DoubleDouble(*parts)


@pytest.mark.parametrize("digits", [0, 101, True, 3.0])
def test_a_number_of_digits_that_cannot_be(digits):
    with pytest.raises(InputError, match="digits"):
        DoubleDouble.zeros(1).to_text(digits)
