"""Truncated power series in η with arrays as coefficients: what a step function is expanded with from its start.

A step function knows them by duck typing: sums, products, quotients, powers, ``sqrt`` and a slice of the components.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial, reduce
from operator import mul
from typing import Any

import numpy as np

from eomsym.dynamics.differentials import SeriesKernel, gradient_along, gradient_of_fields
from eomsym.dynamics.kernel import Data
from eomsym.errors import InputError
from eomsym.exact_numbers import Arithmetic
from eomsym.optimizers.optimizer import Field
from eomsym.schedules import Schedule
from eomsym.step_index.frozen import root_quotient


class EtaSeries(Arithmetic):
    """``Σ_k rows[k] η^k``, ``rows`` (terms, d), cut at ``η^terms``; one column is the same in all components."""

    __array_ufunc__ = None  # NumPy's numbers on the left leave the operation to this class

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    @property
    def rounds(self) -> int:
        """How often a fixed point is iterated: each time one more coefficient is right."""
        return len(self.rows)

    @classmethod
    def constant(cls, value: np.ndarray, terms: int) -> EtaSeries:
        """What does not depend on η, from its value (d,)."""
        rows = np.zeros((terms, len(value)))
        rows[0] = value
        return cls(rows)

    @classmethod
    def eta(cls, terms: int) -> EtaSeries:
        """η itself."""
        rows = np.zeros((terms, 1))
        rows[1:2] = 1
        return cls(rows)

    def __getitem__(self, components: slice) -> EtaSeries:
        return EtaSeries(self.rows[:, components])

    def __add__(self, other: Any) -> EtaSeries:
        if isinstance(other, EtaSeries):
            return EtaSeries(self.rows + other.rows)
        number = _plain(other)
        rows = self.rows + np.zeros_like(number)
        rows[0] = self.rows[0] + number
        return EtaSeries(rows)

    def __mul__(self, other: Any) -> EtaSeries:
        if not isinstance(other, EtaSeries):
            return EtaSeries(self.rows * _plain(other))
        total = self.rows[:1] * other.rows
        for k in range(1, len(self.rows)):
            total[k:] += self.rows[k] * other.rows[:-k]
        return EtaSeries(total)

    def __truediv__(self, other: Any) -> EtaSeries:
        if not isinstance(other, EtaSeries):
            return EtaSeries(self.rows / _plain(other))
        below = other.rows
        found = self.rows / below[:1]
        for k in range(1, len(found)):
            found[k] = (self.rows[k] - np.add.reduce(below[k:0:-1] * found[:k])) / below[0]
        return EtaSeries(found)

    def __rtruediv__(self, other: Any) -> EtaSeries:
        return (self * 0 + other) / self

    def __pow__(self, exponent: Any) -> EtaSeries:
        if exponent == 0.5:
            return self.sqrt()
        if not isinstance(exponent, int) or exponent < 1:
            raise InputError(f"step function: power {exponent!r}; take an integer of at least 1, or 1/2")
        return reduce(mul, [self] * exponent)

    def sqrt(self) -> EtaSeries:
        """What ``eomsym.optimizers.sqrt`` calls."""
        found = np.zeros_like(self.rows)
        found[0] = np.sqrt(self.rows[0])
        for k in range(1, len(found)):
            rest = self.rows[k] - np.add.reduce(found[k - 1 : 0 : -1] * found[1:k])
            found[k] = root_quotient(rest, 2 * found[0])
        return EtaSeries(found)


def _plain(number: Any) -> Any:
    """NumPy would make objects of an exact number."""
    return float(number) if isinstance(number, Fraction) else number


def series_of_schedules(
    schedules: Mapping[str, Schedule], tau: float, terms: int, pieces: Mapping[str, int] | None
) -> Callable[[str, float], EtaSeries]:
    """``(name, number)`` → a schedule's value that many steps after ``tau``, of the pieces given or of those there."""
    taylor = {name: made.taylor(tau, terms, (pieces or {}).get(name)) for name, made in schedules.items()}
    rows, powers = {name: np.array(values)[:, None] for name, values in taylor.items()}, np.arange(terms)[:, None]
    return lambda name, number: EtaSeries(rows[name] * float(number) ** powers)


def gradient_of_series(kernel: SeriesKernel, data: Data, fields: Sequence[Field]) -> Callable[..., EtaSeries]:
    """``(point, field=0)`` → the gradient of a field along a series."""
    along = gradient_of_fields(data, fields, partial(gradient_along, kernel))
    return lambda point, field=0: EtaSeries(along(np.ascontiguousarray(point.rows), field))
