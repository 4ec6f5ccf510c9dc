"""Checks of arguments: what passes and comes back, and messages that name value, fault and remedy."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from eomsym.checks import check_choice, check_finite, check_integer, check_orders, check_positive, shown
from eomsym.errors import InputError

NAMES = ("heavy-ball", "cross-entropy", "mse", "adam-inside", "adaminside", "normalization")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("heavy-ball", "heavy-ball"),
        ("HeavyBall", "heavy-ball"),
        ("heavy ball", "heavy-ball"),
        ("Cross_Entropy", "cross-entropy"),
        ("MSE", "mse"),
        ("normalisation", "normalization"),
        ("adaminside", "adaminside"),  # as it is written, though another has the same letters
    ],
)
def test_a_name_is_found_whatever_its_case_and_hyphens(value, found):
    assert check_choice("name", value, NAMES) == found


@pytest.mark.parametrize(
    ("value", "end"),
    [
        ("heavy-bal", "normalization; did you mean 'heavy-ball'?"),
        ("xyzzy", ", normalization"),
        ("Adam Inside", "did you mean 'adaminside'?"),  # two have these letters
        (3, ", normalization"),
        ("", ", normalization"),
        ("x" * 10**5, ", normalization"),
    ],
)
def test_a_name_that_is_none_is_told_with_the_nearest(value, end):
    with pytest.raises(InputError, match=r"^name .*: unknown; choose from heavy-ball, cross-entropy") as caught:
        check_choice("name", value, NAMES)
    assert str(caught.value).endswith(end)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_integers_of_any_kind_come_back_as_plain_ones(value):
    assert type(check_integer("steps", value)) is int
    assert check_integer("steps", value, 3, 3) == 3


@pytest.mark.parametrize("value", [True, np.True_, 3.0, np.float64(3), "3", None, Fraction(3), [3]])
def test_what_is_no_integer_is_told(value):
    with pytest.raises(InputError, match=r"steps .*: not an integer; give one of at least 1$"):
        check_integer("steps", value, 1)


def test_integers_out_of_range_are_told_with_the_reason_for_an_upper_end():
    with pytest.raises(InputError, match=r"^order -1: out of range; give an integer from 0 to 4$"):
        check_integer("order", -1, 0, 4, "{} would take a year".format)
    with pytest.raises(InputError, match=r"^order 5: out of range, 5 would take a year; give an integer from 0 to 4$"):
        check_integer("order", 5, 0, 4, "{} would take a year".format)
    with pytest.raises(InputError, match=r"^order <int>: out of range"):
        check_integer("order", 10**5000, 0, 4)


@pytest.mark.parametrize("value", [0.5, 2, Fraction(1, 2), Decimal("0.5"), np.float32(0.5), np.int64(2)])
def test_positive_numbers_of_any_kind_come_back_as_floats(value):
    assert type(check_positive("eta", value)) is type(check_finite("eta", value)) is float
    assert check_positive("eta", value) == check_finite("eta", value) == value


@pytest.mark.parametrize("value", [0, -1.0, np.inf, np.nan, True, "1", None, 1j, 10**400, Decimal("nan")])
def test_what_is_not_above_zero_is_told(value):
    with pytest.raises(InputError, match=r"^eta .*: give a finite number above 0$"):
        check_positive("eta", value)


@pytest.mark.parametrize("value", [np.inf, np.nan, True, "1", None, 1j, 10**400, Decimal("inf")])
def test_what_is_not_finite_is_told(value):
    with pytest.raises(InputError, match=r"^eta .* is not a finite number; give one such as 0.1$"):
        check_finite("eta", value)
    assert check_finite("eta", -3) == -3.0


@pytest.mark.parametrize(
    ("orders", "fault"),
    [
        (3, r"^orders 3: give several integers, such as range\(5\)$"),
        ([], r"^orders \[\]: give at least one, and none twice$"),
        ([0, 1, 0], r"^orders \[0, 1, 0\]: give at least one, and none twice$"),
        ([0, -1], r"^order -1: out of range; give an integer of at least 0$"),
        ([1.5], r"^order 1.5: not an integer"),
    ],
)
def test_orders_that_are_none(orders, fault):
    with pytest.raises(InputError, match=fault):
        check_orders(orders)


def test_orders_come_back_as_they_stand():
    assert check_orders(np.array([2, 0])) == (2, 0)
    assert check_orders(range(3)) == (0, 1, 2)


def test_values_are_repeated_no_longer_than_people_read():
    assert shown("x" * 78) == repr("x" * 78)
    assert shown("x" * 79) == "'" + "x" * 79 + "..."
