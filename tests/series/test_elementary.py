"""The table of elementary functions against mpmath's own Taylor coefficients."""

import mpmath
import pytest
from mpmath import mp
from second_routes.truncated import TruncatedSeries, elementary

from eomsym.models import ACTIVATIONS
from eomsym.series import ELEMENTARY


def logistic(x):
    return 1 / (1 + mp.exp(-x))


SEEDS = {
    "tanh": mp.tanh,
    "sigmoid": logistic,
    "softplus": lambda x: mp.log(1 + mp.exp(x)),
    "normal_distribution": mp.ncdf,
    "normal_density": mp.npdf,
    "sin": mp.sin,
    "cos": mp.cos,
    "exp": mp.exp,
    "tan": mp.tan,
    "sinh": mp.sinh,
    "cosh": mp.cosh,
    "log": mp.log,
    "atan": mp.atan,
    "erf": mp.erf,
    "erf_slope": lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-(x**2)),
    "sqrt": mp.sqrt,
    "reciprocal": lambda x: 1 / x,
}
FUNCTIONS = {
    **SEEDS,
    "silu": lambda x: x * logistic(x),
    "gelu": lambda x: x * mp.ncdf(x),
    "identity": lambda x: x,
}

#: Functions that are not analytic at the points that are not positive.
POSITIVE = ("log", "sqrt", "reciprocal")


@pytest.mark.parametrize("name", ELEMENTARY)
@pytest.mark.parametrize("point", ["-1.75", "0", "0.3", "2.5"])
def test_taylor_coefficients(name, point):
    """Along z = point + η the coefficients are Taylor's; along z = point + η² every other one vanishes."""
    if name in POSITIVE and float(point) <= 0:
        pytest.skip("not defined there")
    with mpmath.workdps(60):
        terms, z0 = 7, mp.mpf(point)
        expected = mp.taylor(FUNCTIONS[name], z0, terms)
        line = TruncatedSeries((z0, mp.mpf(1), *[mp.mpf(0)] * (terms - 2)))
        value, derivative = elementary(name, line, SEEDS)
        for k in range(terms):
            assert abs(value.coefficients[k] - expected[k]) < mp.mpf(10) ** -30
            assert abs(derivative.coefficients[k] - (k + 1) * expected[k + 1]) < mp.mpf(10) ** -30
        parabola = TruncatedSeries((z0, mp.mpf(0), mp.mpf(1), *[mp.mpf(0)] * (terms - 3)))
        value, _ = elementary(name, parabola, SEEDS)
        for k in range(terms):
            wanted = expected[k // 2] if k % 2 == 0 else 0
            assert abs(value.coefficients[k] - wanted) < mp.mpf(10) ** -30


def test_every_activation_is_in_the_table():
    assert set(ACTIVATIONS) <= set(ELEMENTARY)
