"""Extrapolation for high accuracy: the method of Gragg, Bulirsch and Stoer, in doubles and in double-double numbers.

The explicit midpoint rule with n_j = 2j substeps, j = 1 … columns, has an error in even powers of the step, which
extrapolation takes off one after the other: order 2·columns (Hairer, Nørsett & Wanner, Solving Ordinary Differential
Equations I, ch. II.9).  n_j is even, so Gragg's smoothing step is not needed.  What is extrapolated is the increment of
the step, not the state: the weights, which grow with the columns, then multiply the round-off of a small number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from eomsym.double_double import DoubleDouble
from eomsym.dynamics.integration import CONVERGENCE, Endpoint, evaluated
from eomsym.dynamics.vectors import Vector, epsilon, is_finite, norm, rounded, stack
from eomsym.errors import IntegrationError
from eomsym.step_index import value_at, weights

#: Columns of the table: more have a round-off of their own, fewer need more steps; see docs/high_order.md.
COLUMNS = 6
COLUMNS_IN_DOUBLE_DOUBLE = 9
#: Times are whole multiples of this part of the whole time, so that they add up without rounding.
FINEST = 2.0**-40
#: A new step is at most this many times the last.
GROWTH = 4.0
#: A step is chosen for this part of the error allowed.
SAFETY = 0.25
LARGEST_NUMBER_OF_STEPS = 100_000

Rate = Callable[[Vector], Vector]


@dataclass(frozen=True)
class Step:
    """The state after a step, an estimate of its error and a bound of its round-off, the last two (n,)."""

    state: Vector
    error: np.ndarray
    rounding: np.ndarray


def integrate_by_extrapolation(
    rate: Rate, start: Vector, time: Any, absolute: np.ndarray | float, columns: int | None = None
) -> Endpoint:
    """``y(time)`` for ``y' = rate(y)``, ``y(0) = start`` (n,); ``absolute`` is the error allowed per step, (n,) or one.

    In double-double arithmetic where ``start`` is a ``DoubleDouble``, in doubles otherwise; ``time`` may then be a
    ``DoubleDouble`` too.  As in ``integration.integrate``, a first run chooses its steps, by the difference of the last
    two columns, and a second takes each as two halves and is the result; their difference over 16 is the estimate, plus
    the round-off of the steps.  A tolerance below the round-off cannot be met: the estimate says what was.
    Raises ``IntegrationError`` naming the time if the state leaves the floating-point numbers, or the steps become
    too small or too many.
    """
    method = _Method(rate, start, time, columns)
    if float(method.time) == 0:
        return Endpoint(start, np.zeros(len(start)), 0)
    with np.errstate(over="ignore", invalid="ignore"):
        coarse, mesh = _adaptive_run(method, start, absolute)
        fine, squares = start, np.zeros(len(start))
        for left, right in pairwise(mesh):
            for _ in range(2):
                step = method.step(fine, left, (right - left) / 2)
                # Where the flow spreads, roundings grow as the state does.
                growth = max(1.0, norm(step.state) / max(norm(fine), np.finfo(np.float64).tiny))
                fine, squares = step.state, growth**2 * squares + step.rounding**2
    difference = np.abs(rounded(fine - coarse))
    return Endpoint(fine, difference / (CONVERGENCE - 1) + np.sqrt(squares), method.evaluations)


def _adaptive_run(method: _Method, start: Vector, absolute: np.ndarray | float) -> tuple[Vector, list[float]]:
    """State at the end, and the parts of the whole time between the steps."""
    state, now, width, mesh = start, 0.0, method.first_width(start), [0.0]
    while now < 1.0:
        if len(mesh) > LARGEST_NUMBER_OF_STEPS:
            raise IntegrationError(f"path: more than {LARGEST_NUMBER_OF_STEPS} steps; allow a larger error")
        width = min(max(math.floor(width / FINEST), 1) * FINEST, 1.0 - now)
        step = method.step(state, now, width)
        # Below a rounding there is nothing to be gained by smaller steps.
        excess = float(np.max(step.error / np.maximum(absolute, step.rounding)))
        factor = GROWTH if excess == 0 else (SAFETY / excess) ** (1 / (2 * method.columns - 1))
        if excess <= 1:
            state, now = step.state, now + width
            mesh.append(now)
            width *= min(max(factor, 1 / GROWTH), GROWTH)
        elif width <= FINEST:
            raise IntegrationError(f"path: stopped at time {now * method.time_in_doubles:g}: no step is small enough")
        else:  # half at least, so that rounding to multiples of the finest step cannot undo it
            width *= max(factor, 1 / GROWTH) if factor < 0.5 else 0.5
    return state, mesh


class _Method:
    """Single steps of a fixed number of columns; counts evaluations of the right-hand side."""

    def __init__(self, rate: Rate, start: Vector, time: Any, columns: int | None) -> None:
        self.is_double = not isinstance(start, DoubleDouble)
        self.columns = columns or (COLUMNS if self.is_double else COLUMNS_IN_DOUBLE_DOUBLE)
        self.time = time if self.is_double else DoubleDouble.from_value(time)
        self.time_in_doubles = float(time)
        self.evaluations = 0
        self._rate = rate
        self._epsilon = epsilon(start)
        last = extrapolation_weights(1, self.columns)
        before = [Fraction(0), *extrapolation_weights(2, self.columns)]
        self._weights = self._numbers(last)
        self._differences = self._numbers([a - b for a, b in zip(last, before, strict=True)])
        # Roundings of the substeps are independent and reach the result with these weights.
        self._amplification = float(sum((2 * j + 2) * weight**2 for j, weight in enumerate(last))) ** 0.5

    def _numbers(self, exact: list[Fraction]) -> Any:
        column = np.array(exact, dtype=object).reshape(-1, 1)
        return column.astype(np.float64) if self.is_double else DoubleDouble.from_value(column)

    def first_width(self, start: Vector) -> float:
        """A step over which the state moves by a tenth of its size, in parts of the whole time."""
        size, speed = norm(start), norm(self._evaluated(start, 0.0))
        width = 0.1 * size / (speed * abs(self.time_in_doubles)) if size > 0 and speed > 0 else 0.01
        return min(max(width, FINEST), 0.1)

    def step(self, state: Vector, now: float, width: float) -> Step:
        """One step from ``now``, both in parts of the whole time."""
        slope = self._evaluated(state, now)
        increments = [self._midpoints(state, slope, now, width, 2 * j) for j in range(1, self.columns + 1)]
        table = stack(increments)
        increment = self._sum(table, self._weights)
        error = np.abs(rounded(self._sum(table, self._differences)))
        size = np.abs(rounded(state))
        largest = np.abs(rounded(table)).max(axis=0)
        rounding = self._epsilon * (size + self._amplification * largest)
        return Step(state + increment, error, rounding)

    def _midpoints(self, state: Vector, slope: Vector, now: float, width: float, substeps: int) -> Vector:
        """The increment by the midpoint rule with so many substeps, the first of Euler's."""
        step = self.time * width / float(substeps)
        before, increment = 0.0 * slope, step * slope
        for index in range(1, substeps):
            place = now + width * index / substeps
            before, increment = increment, before + (2.0 * step) * self._evaluated(state + increment, place)
        return increment

    def _sum(self, table: Any, weights: Any) -> Vector:
        return (weights * table).sum(axis=0) if self.is_double else (weights * table).sum()

    def _evaluated(self, state: Vector, now: float) -> Vector:
        if not is_finite(state):
            raise IntegrationError(
                f"path: not finite at time {now * self.time_in_doubles:g} of {self.time_in_doubles:g}; take less time"
            )
        self.evaluations += 1
        return evaluated(self._rate, state, now * self.time_in_doubles, self.time_in_doubles)


@cache
def extrapolation_weights(first: int, last: int) -> list[Fraction]:
    """Weights of the columns ``first`` … ``last`` at step 0 of a polynomial in the square of the step 1/(2j)."""
    squares = [Fraction(1, j * j) for j in range(first, last + 1)]
    return list(map(Fraction, weights(squares, value_at(Fraction(0)))))
