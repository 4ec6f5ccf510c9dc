"""The law of decay against the numbers of theory §6 and the closed form of gradient descent."""

from decimal import Decimal
from fractions import Fraction
from math import log1p

import pytest

from eomsym.derivation import decay_law
from eomsym.errors import InputError

HUNDREDTH = Fraction(1, 100)


def test_the_headline():
    """0.01, 0.0100005, and 0.0100005000333358 to its last digit, from −ln(1 − x)/η with x = 1e−4."""
    law = decay_law(HUNDREDTH, HUNDREDTH, range(4))
    assert law.rates[:2] == (Decimal("0.01"), Decimal("0.0100005"))
    assert str(law.exact)[:20] == "0.010000500033335833"
    assert float(law.exact) == pytest.approx(-log1p(-1e-4) / 0.01, rel=1e-15)


def test_errors_are_the_rest_of_the_series():
    """Σ_{n>N+1} x^n/(nη), summed here from the small end."""
    law = decay_law(HUNDREDTH, HUNDREDTH, range(6))
    x = Fraction(1, 10_000)
    for order, error in zip(law.orders, law.errors, strict=True):
        rest = sum((x**n / n for n in range(30, order + 1, -1)), Fraction(0)) * 100
        assert float(error) == pytest.approx(float(rest), rel=1e-15)
    assert [f"{error:.1e}" for error in map(float, law.errors[:4])] == ["5.0e-07", "3.3e-11", "2.5e-15", "2.0e-19"]


def test_floats_are_the_exact_numbers_that_they_are():
    law = decay_law(0.1, 0.3, [0])
    assert Fraction(law.rates[0]) == Fraction(0.3)
    assert float(law.exact) == pytest.approx(-log1p(-0.1 * 0.3) / 0.1, rel=1e-15)


@pytest.mark.parametrize(
    ("eta", "decay", "named"),
    [(0, 0.1, "eta 0"), (0.1, -1, "weight_decay -1"), (float("nan"), 1, "eta nan"), (2.0, 0.5, "less than 1")],
)
def test_what_has_no_law(eta, decay, named):
    with pytest.raises(InputError, match=named):
        decay_law(eta, decay, [0])
