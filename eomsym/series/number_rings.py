"""Kinds of numbers as a ``Ring`` of ``series.levels``: any number of digits, by mpmath; balls; arrays of float64."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from mpmath import MPContext
from scipy import special

from eomsym.errors import MissingExtraError
from eomsym.series.rings import Ring


def decimal_ring(digits: int) -> Ring:
    """mpmath numbers with that many decimal digits; mpmath's own precision, which is global, stays as it is."""
    context = MPContext()
    context.dps = digits

    @cache
    def number(value: Fraction) -> Any:
        return context.mpf(value.numerator) / value.denominator

    return Ring(number, _formulas(context, number, lambda: context.pi))


def ball_ring() -> Ring:
    """Balls of python-flint (``arb``) at the working precision ``flint.ctx.prec``: every rounding is in their radii.

    Raises ``MissingExtraError`` where python-flint is not installed.
    """
    if find_spec("flint") is None:
        raise MissingExtraError("ball arithmetic: python-flint is not installed; pip install 'eomsym[certify]'")
    from flint import arb, fmpq

    def number(value: Fraction) -> Any:
        return arb(fmpq(value.numerator, value.denominator))

    return Ring(number, _formulas(arb, number, arb.pi))


def _formulas(
    functions: Any, number: Callable[[Fraction], Any], pi: Callable[[], Any]
) -> dict[str, Callable[..., Any]]:
    """All seeds from the functions of a library with digits to spare."""
    names = ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "sinh", "cosh", "atan", "erf")
    exp, sqrt = functions.exp, functions.sqrt
    return {
        **{name: getattr(functions, name) for name in names},
        "reciprocal": lambda z: 1 / z,
        "power": lambda z, exponent: z**exponent,
        "sigmoid": lambda z: 1 / (1 + exp(-z)),
        "softplus": lambda z: functions.log1p(exp(z)),
        "erf_slope": lambda z: 2 * exp(-z * z) / sqrt(pi()),
        "normal_density": lambda z: exp(-z * z / 2) / sqrt(2 * pi()),
        "normal_distribution": lambda z: functions.erfc(-z / sqrt(number(Fraction(2)))) / 2,
    }


def array_ring(kind: type[np.floating] = np.float64) -> Ring:
    """numpy's floats and arrays of them, entry by entry: one run for many points; inf or NaN beyond the numbers.

    ``kind`` is ``np.float64``, or ``np.longdouble`` for as many digits as the machine has (19 on x86).
    """

    @cache
    def number(value: Fraction) -> Any:
        high = float(value)
        return kind(high) + kind(float(value - Fraction(high)))

    pi = 4 * np.arctan(kind(1))
    seeds = {name: getattr(np, name) for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "sinh", "cosh")}
    seeds |= {
        "atan": np.arctan,
        "reciprocal": lambda z: 1 / z,
        "power": np.power,
        "erf": _many_digit_function("erf", kind),
        "sigmoid": special.expit,
        "softplus": lambda z: np.logaddexp(0, z),
        "erf_slope": lambda z: 2 / np.sqrt(pi) * np.exp(-z * z),
        "normal_density": lambda z: np.exp(-z * z / 2) / np.sqrt(2 * pi),
        "normal_distribution": _many_digit_function("normal_distribution", kind),
    }
    return Ring(number, seeds)


def _many_digit_function(name: str, kind: type[np.floating]) -> Callable[[Any], np.ndarray]:
    """A function that numpy lacks, entry by entry in 30 digits: seeds are needed once a series."""
    ring = decimal_ring(30)

    def split(value: Any) -> tuple[Fraction, Fraction]:
        high = float(value)
        return Fraction(high), Fraction(float(value - kind(high)))

    def at(value: Any) -> Any:
        if not np.isfinite(value):
            return kind(np.nan)
        result = ring.seeds[name](ring.number(sum(split(value), Fraction(0))))
        high = float(result)
        return kind(high) + kind(float(result - high))

    return np.vectorize(at, otypes=[kind])
