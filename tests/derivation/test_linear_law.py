"""The law of decay against the numbers of theory §6 and the closed form of gradient descent."""

from decimal import Decimal
from fractions import Fraction
from math import log1p, sqrt

import pytest

from eomsym import optimizers
from eomsym.derivation import decay_law, derive, series_radius
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


@pytest.mark.parametrize("beta", ["1/4", "7/10", "9/10", "99/100"])
def test_heavy_ball_has_a_rate_until_its_multipliers_meet(beta):
    """The larger root of ``r² − (1 + β − x) r + β`` by its formula; beyond ``(1 − √β)²`` it is complex."""
    exact = Fraction(beta)
    end = (1 - sqrt(exact)) ** 2
    for x in (0.1 * end, 0.9 * end, 0.999 * end):
        b, step = Decimal(exact.numerator) / exact.denominator, Decimal(x)
        half = (1 + b - step) / 2
        wanted = -(half + (half**2 - b).sqrt()).ln() / step
        found = decay_law(x, 1, [3], "heavy-ball", beta=beta).exact
        assert float(found) == pytest.approx(float(wanted), rel=1e-15)
    for x in (1.001 * end, 1.1 * end, min(4 * end, 0.9)):
        with pytest.raises(InputError, match="heavy-ball oscillates"):
            decay_law(x, 1, [3], "heavy-ball", beta=beta)


@pytest.mark.parametrize("beta", [Fraction(1, 4), Fraction(1, 2), Fraction(9, 10), Fraction(99, 100)])
def test_radius_of_methods_with_momentum(beta):
    """(1 − √β)² and ((1 − β)/(1 + β))², where the two roots of ``r² − (1 + β − x) r + β``, of Nesterov's, meet."""
    b = float(beta)
    heavy_ball, nesterov = (optimizers.get(name).rule(beta=beta) for name in ("heavy-ball", "nesterov"))
    assert series_radius(heavy_ball) == pytest.approx((1 - sqrt(b)) ** 2, rel=1e-9)
    assert series_radius(nesterov) == pytest.approx(((1 - b) / (1 + b)) ** 2, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "radius"),
    [("gradient-descent", 1), ("implicit-euler", 1), ("optimistic", 0.5), ("explicit-midpoint", sqrt(2))],
)
def test_radius_is_that_of_the_chains(name, radius):
    """The coefficients of the chains grow like radius^{−n}: a second route, by derivation."""
    assert series_radius(optimizers.get(name).rule()) == pytest.approx(radius, rel=1e-12)
    rows = derive(name, order=10).rows
    chains = [abs(float(value)) for row in rows for tree, value in row.items() if tree.is_chain]
    assert max(chains[-3:]) ** (1 / 11) == pytest.approx(1 / radius, rel=0.35)
