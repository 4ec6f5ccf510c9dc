"""Taylor coefficients of a vector along a line from its values alone, each with an estimate of its error.

On each of a ladder of steps, each half of the one before, the polynomial through values at Chebyshev points is taken.
Where steps are long it is the next terms that spoil it, where they are short round-off.  Both show in how far it misses
the values of the next step, and in how far coefficients of the two are apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial

import numpy as np

from eomsym.step_index import weights

#: Points beyond the order: at a quarter of the radius of convergence what is left out is of size 1e−8 and less.
BEYOND, FINE = 9, 256
#: The ladder: its first step over the time in which the vector changes by itself, and the most rungs below.
FIRST, RUNGS = 4.0, 16
#: Rungs without a better estimate after which the ladder ends, and units of the last place of one value.
PATIENCE, UNITS = 3, 8.0
#: A polynomial that misses more of the next values has nothing to do with the function.
TOLD = 1e-3
#: The time scale is looked for by such factors, so often, until the vector changes by a share in between.
FACTOR, SEARCHED, SEEN = 8.0, 20, (1e-3, 0.1)


@dataclass(frozen=True)
class Estimate:
    """Coefficient, error, and the step at which it was found."""

    value: np.ndarray
    error: float
    step: float


def line_coefficients(along: Callable[[float], np.ndarray], order: int, precision: float) -> list[Estimate]:
    """Coefficients 0 … order of ``along(t)`` at t = 0; an error is infinite where nothing could be found."""
    start = along(0.0)
    found = [Estimate(start, UNITS * precision * _size(start), 0.0)]
    found += [Estimate(np.zeros_like(start), np.inf, 0.0)] * order
    at, fit = _fitted(order + BEYOND)
    halved = np.vander(at / 2, increasing=True) @ fit  # values at half the points, by the polynomial
    amplified = np.abs(fit).sum(1)
    step, since = FIRST / _rate(along, start, precision), 0
    wide: np.ndarray | None = None
    for _ in range(RUNGS):
        values = np.array([along(step * point) if point else start for point in at])
        size = _size(values)
        missed = np.inf if wide is None else _size(halved @ wide - values)
        since += 1
        for k in range(1, order + 1) if wide is not None and missed <= TOLD * size else ():
            value = fit[k] @ values / step**k
            apart = _size(value - fit[k] @ wide / (2 * step) ** k)
            error = apart + (UNITS * precision * size + missed) * amplified[k] / step**k
            if error < found[k].error:
                found[k], since = Estimate(value, error, step), 0
        if since > PATIENCE and all(_is_sharp(estimate, k, size, precision) for k, estimate in enumerate(found)):
            break
        step, wide = step / 2, values
    return found


@lru_cache(maxsize=32)  # the exact weights take longer than the values of a small network
def _fitted(degree: int) -> tuple[np.ndarray, np.ndarray]:
    """The points, and the weights of the values there in the coefficients of the polynomial through them."""
    points = _points(degree)
    fit = np.array([weights(points, partial(_coefficient, k)) for k in range(len(points))], float)
    return np.array(points, float), fit


def _points(degree: int) -> list[Fraction]:
    """Near the extrema of a Chebyshev polynomial, and as many on both sides."""
    return [Fraction(math.cos(math.pi * i / degree)).limit_denominator(FINE) for i in range(degree + 1)]


def _coefficient(k: int, m: int) -> int:
    """Coefficient k of t^m."""
    return int(k == m)


def _is_sharp(estimate: Estimate, k: int, size: float, precision: float) -> bool:
    """Whether an error is small beside what the coefficient is made of, its term at the step."""
    return estimate.error * estimate.step**k <= np.sqrt(precision) * size


def _rate(along: Callable[[float], np.ndarray], start: np.ndarray, precision: float) -> float:
    """1 over the time in which the vector changes by its own size, or 1 for one that does not change."""
    nudge, share = 1.0, 0.0
    for _ in range(SEARCHED):
        share = _size(along(nudge) - start) / _size(start)
        if SEEN[0] <= share <= SEEN[1]:
            break
        nudge *= FACTOR if share < SEEN[0] else 1 / FACTOR
    return share / nudge if np.isfinite(share) and share > precision else 1.0


def _size(vector: np.ndarray) -> float:
    """The largest magnitude; infinite where there is a NaN."""
    with np.errstate(invalid="ignore", over="ignore"):
        largest = float(np.abs(vector).max(initial=0.0))
    return largest if np.isfinite(largest) else np.inf
