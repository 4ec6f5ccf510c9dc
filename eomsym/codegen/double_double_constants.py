"""Constants of double-double arithmetic, cut from many digits into doubles.

Every constant is an exact rational or an mpmath number of 60 digits; what is written into a kernel are the doubles
nearest to it, to what they leave, and so on.
"""

from __future__ import annotations

from fractions import Fraction
from math import factorial, prod
from typing import Any

import mpmath

from eomsym.double_double import exact_fraction

DIGITS = 80
#: Sample distance of the trapezoidal rule for the normal distribution: its error is exp(−2π²/g²) = 5e−35.
NORMAL_SPACING = Fraction(1, 2)


def words(value: Any, count: int = 2) -> tuple[float, ...]:
    """``value``, an exact rational or an mpmath number, as the sum of ``count`` doubles, largest first."""
    rest, parts = exact_fraction(value), []
    for _ in range(count):
        parts.append(float(rest))
        rest -= Fraction(parts[-1])
    return tuple(parts)


def constants() -> dict[str, Any]:
    """What the template of the functions is given, by name: tuples of doubles and lists of them."""
    with mpmath.workdps(DIGITS):
        spacing = mpmath.mpf(NORMAL_SPACING.numerator) / NORMAL_SPACING.denominator
        return {
            "log_2": words(mpmath.log(2), 4),
            "half_pi": words(mpmath.pi / 2, 4),
            # Horner's rule takes the highest coefficient first.
            "exp_coefficients": [words(Fraction(1, factorial(n))) for n in range(14, 0, -1)],
            "sine_coefficients": [words(Fraction((-1) ** n, factorial(2 * n + 1))) for n in range(14, -1, -1)],
            "cosine_coefficients": [words(Fraction((-1) ** n, factorial(2 * n))) for n in range(14, -1, -1)],
            "normal_coefficients": [words(Fraction(1, prod(range(1, 2 * n + 2, 2)))) for n in range(26, -1, -1)],
            "normal_weights": [words(mpmath.exp(-((n * spacing) ** 2) / 2)) for n in range(1, 27)],
            "normal_spacing": float(NORMAL_SPACING),
            "normal_scale": words(1 / mpmath.sqrt(2 * mpmath.pi)),
            "normal_factor": words(spacing / mpmath.pi),
            "normal_frequency": words(2 * mpmath.pi / spacing),
        }
