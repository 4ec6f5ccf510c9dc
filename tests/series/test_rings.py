"""Programs along curves in which every power of t moves, against Taylor coefficients by differences (mpmath)."""

from fractions import Fraction

import mpmath
import pytest

from eomsym.models import VectorField
from eomsym.series.number_rings import decimal_ring
from eomsym.series.rings import gradient_series

RING = decimal_ring(60)
ORDER = 6
#: x(t) and y(t): no coefficient is 0, or a power of another.
X = [Fraction(7, 10), Fraction(1, 3), Fraction(-2, 5), Fraction(3, 7), Fraction(1, 2), Fraction(-1, 6), Fraction(2, 9)]
Y = [Fraction(5, 4), Fraction(-1, 7), Fraction(1, 5), Fraction(2, 3), Fraction(-1, 4), Fraction(1, 8), Fraction(1, 3)]
#: What a user writes, and the same by mpmath.
EXPRESSIONS = {
    "x*y - y**3/7": lambda x, y: x * y - y**3 / 7,
    "x/y": lambda x, y: x / y,
    "exp(x*y)": lambda x, y: mpmath.exp(x * y),
    "log(x + y)": lambda x, y: mpmath.log(x + y),
    "sqrt(x)*y": lambda x, y: mpmath.sqrt(x) * y,
    "x**(2/3)": lambda x, y: x ** (mpmath.mpf(2) / 3),
    "sin(x) - cos(y)": lambda x, y: mpmath.sin(x) - mpmath.cos(y),
    "tan(x/2)": lambda x, y: mpmath.tan(x / 2),
    "tanh(x) + sinh(y) + cosh(x)": lambda x, y: mpmath.tanh(x) + mpmath.sinh(y) + mpmath.cosh(x),
    "atan(x - y)": lambda x, y: mpmath.atan(x - y),
    "erf(x)": lambda x, y: mpmath.erf(x),
    "sigmoid(x*y)": lambda x, y: 1 / (1 + mpmath.exp(-x * y)),
    "softplus(x)": lambda x, y: mpmath.log(1 + mpmath.exp(x)),
}


def polynomial(coefficients):
    with mpmath.workdps(60):
        numbers = [mpmath.mpf(part.numerator) / part.denominator for part in reversed(coefficients)]
    return lambda t: mpmath.polyval(numbers, t)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_a_function_along_a_curve(text):
    """g of a vector field is minus it."""
    program = VectorField([text, "0*x"], ["x", "y"]).program
    curve = [[RING.number(part) for part in point] for point in zip(X, Y, strict=True)]
    found = [-row[0] for row in gradient_series(program, curve, [], RING)]
    x, y = polynomial(X), polynomial(Y)
    with mpmath.workdps(60):
        expected = mpmath.taylor(lambda t: EXPRESSIONS[text](x(t), y(t)), 0, ORDER)
        for own, theirs in zip(found, expected, strict=True):
            assert mpmath.almosteq(mpmath.mpmathify(str(own)), theirs, 1e-20, 1e-20)
