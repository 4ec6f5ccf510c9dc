"""Seeds of the rings against SymPy's evaluation; mpmath's global precision stays alone."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy

from eomsym.models import functions
from eomsym.series.number_rings import array_ring, ball_ring, decimal_ring

X = sympy.Rational(7, 10)
MEANING = {
    "reciprocal": 1 / X,
    "erf_slope": 2 / sympy.sqrt(sympy.pi) * sympy.exp(-(X**2)),
    "sigmoid": functions.sigmoid(X),
    "softplus": functions.softplus(X),
    "normal_density": sympy.exp(-(X**2) / 2) / sympy.sqrt(2 * sympy.pi),
    "normal_distribution": (1 + sympy.erf(X / sympy.sqrt(2))) / 2,
} | {
    name: getattr(sympy, name)(X)
    for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "sinh", "cosh", "atan", "erf")
}


@pytest.mark.parametrize("name", MEANING)
def test_seeds_have_all_their_digits(name):
    ring = decimal_ring(50)
    found = ring.seeds[name](ring.number(Fraction(7, 10)))
    assert abs(found - ring.number(Fraction(str(sympy.N(MEANING[name], 60))))) < 1e-48


@pytest.mark.parametrize("kind", [np.float64, np.longdouble])
@pytest.mark.parametrize("name", MEANING)
def test_seeds_of_arrays(name, kind):
    ring = array_ring(kind)
    found = ring.seeds[name](np.full(2, ring.number(Fraction(7, 10))))
    exact = sympy.N(MEANING[name], 40)
    high = float(exact)
    gap = found - kind(high) - kind(float(exact - sympy.Float(high, 40)))
    assert found.dtype == kind
    assert np.all(np.abs(gap) < 4 * np.finfo(kind).eps * abs(high))


def test_powers_and_numbers():
    for ring in (decimal_ring(30), array_ring()):
        assert float(ring.seeds["power"](ring.number(Fraction(1, 4)), ring.number(Fraction(3, 2)))) == 0.125
    assert set(decimal_ring(30).seeds) == set(array_ring().seeds)


def test_precision_of_mpmath_stays_as_it_is():
    before = mpmath.mp.dps
    decimal_ring(100).number(Fraction(1, 3))
    assert mpmath.mp.dps == before


@pytest.mark.parametrize("name", sorted(decimal_ring(50).seeds))
@pytest.mark.parametrize("point", ["0.3", "1.25"])
def test_balls_hold_the_decimals(name, point):
    """Every seed of the two rings, at a rational point: the ball of 200 bits is around what mpmath has to 60 digits."""
    flint = pytest.importorskip("flint")
    balls, decimals = ball_ring(), decimal_ring(60)
    assert set(balls.seeds) == set(decimals.seeds)
    arguments = [Fraction(point), Fraction(-2, 7)][: 2 if name == "power" else 1]
    with flint.ctx.workprec(200):
        ball = balls.seeds[name](*map(balls.number, arguments))
        decimal = decimals.seeds[name](*map(decimals.number, arguments))
        assert ball.rel_accuracy_bits() > 180
        assert abs(ball - flint.arb(str(decimal))).upper() < 1e-55
