"""Kinds of numbers as a ``Ring`` of ``series.levels``: any number of digits, by mpmath, or arrays of float64."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from mpmath import MPContext
from scipy import special

from eomsym.series.levels import Ring


def decimal_ring(digits: int) -> Ring:
    """mpmath numbers with that many decimal digits; mpmath's own precision, which is global, stays as it is."""
    context = MPContext()
    context.dps = digits

    @cache
    def number(value: Fraction) -> Any:
        return context.mpf(value.numerator) / value.denominator

    functions = ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "sinh", "cosh", "atan", "erf")
    seeds = {name: getattr(context, name) for name in functions}
    seeds |= {
        "reciprocal": lambda z: 1 / z,
        "power": lambda z, exponent: z**exponent,
        "sigmoid": lambda z: 1 / (1 + context.exp(-z)),
        "softplus": lambda z: context.log1p(context.exp(z)),
        "erf_slope": lambda z: 2 * context.exp(-z * z) / context.sqrt(context.pi),
        "normal_density": lambda z: context.exp(-z * z / 2) / context.sqrt(2 * context.pi),
        "normal_distribution": lambda z: context.erfc(-z / context.sqrt(2)) / 2,
    }
    return Ring(number, seeds)


def array_ring() -> Ring:
    """float64 and arrays of them: one run for many points, entry by entry; inf or NaN where one leaves the numbers."""
    seeds = {name: getattr(np, name) for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "sinh", "cosh")}
    seeds |= {
        "atan": np.arctan,
        "reciprocal": lambda z: 1 / z,
        "power": np.power,
        "erf": special.erf,
        "sigmoid": special.expit,
        "softplus": lambda z: np.logaddexp(0, z),
        "erf_slope": lambda z: 2 / np.sqrt(np.pi) * np.exp(-z * z),
        "normal_density": lambda z: np.exp(-z * z / 2) / np.sqrt(2 * np.pi),
        "normal_distribution": special.ndtr,
    }
    return Ring(cache(float), seeds)
