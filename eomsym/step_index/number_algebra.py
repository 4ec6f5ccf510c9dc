"""Vectors of plain numbers: a gradient that is known along any curve, ``Σ_k η^k x_k``, in whatever way.

Values are arrays (nodes, d), of floats or of objects (``Fraction``, mpmath numbers); what is the same at every node, as
all is at order 0, may have one row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

import numpy as np

from eomsym.optimizers import Coefficient, Elapsed
from eomsym.step_index.held import root_quotient
from eomsym.step_index.solver import Algebra
from eomsym.step_index.tables import Tables

#: ``(field, series)`` → series: the gradient of a field along ``Σ_k η^k series[k]``, both (terms, d).
GradientSeries = Callable[[int, np.ndarray], np.ndarray]
#: Weights that are kept of each kind: a share that depends on time has weights of its own at each time.
KEPT = 64


class _Weights:
    """The weights of some tables as arrays of numbers, each made once."""

    def __init__(self, tables: Tables, number: Callable[[Any], Any]) -> None:
        def kept(exact: Callable[..., Sequence[Sequence[Any]]]) -> Callable[..., np.ndarray]:
            return lru_cache(KEPT)(lambda *which: np.array([[number(value) for value in row] for row in exact(*which)]))

        self.resolvent, self.summation = kept(tables.resolvent), kept(tables.summation)
        self.logarithm = kept(tables.logarithm)
        self.elapsed = kept(lambda start, pace, power: [[(start + pace * node) ** power] for node in tables.nodes])


@lru_cache(maxsize=256)
def _float_weights(tables: Tables) -> _Weights:
    """For whoever computes in floats at point after point: all that is exact is done once."""
    return _Weights(tables, float)


class NumberAlgebra(Algebra):
    """Vectors at one point; ``states`` has the slow states, θ (d,) first, the others (d,) or, if all alike, (1,).

    ``number`` turns an exact rational into a number of that kind.
    """

    def __init__(
        self,
        tables: Tables,
        gradient_series: GradientSeries,
        states: Sequence[np.ndarray],
        number: Callable[[Fraction], Any] = float,
        root: Callable[[Any], Any] = np.sqrt,
    ) -> None:
        super().__init__(tables)
        self._gradient_series, self._states = gradient_series, [np.asarray(state) for state in states]
        floats = number is float
        self._number: Callable[[Any], Any] = float if floats else cache(lambda weight: number(Fraction(weight)))
        self._weights, self._root = _float_weights(tables) if floats else _Weights(tables, self._number), root

    def slow(self, index: int) -> np.ndarray:
        return self._states[index][None]

    def ones(self) -> np.ndarray:
        return self.slow(0) * 0 + self._number(1)

    def combine(self, parts: Sequence[tuple[Any, np.ndarray]]) -> np.ndarray:
        if not parts:
            return np.array([self._states[0] * 0] * len(self.tables.nodes))
        (weight, values), *others = parts
        total = values if weight == 1 and others else values * self._number(weight)
        for weight, values in others:
            if weight == -1:
                total = total - values
            else:
                total = total + (values if weight == 1 else values * self._number(weight))
        return total

    def transform(self, matrix: Any, values: np.ndarray) -> np.ndarray:
        rows = matrix.shape[1]
        held = values if len(values) >= rows else np.repeat(values, rows, axis=0)
        return np.asarray(matrix @ held[:rows])

    def solve_memory(self, share: Coefficient, index: int, values: np.ndarray, level: int) -> np.ndarray:
        return self.transform(self._weights.resolvent(share, level), values)

    def antidifference(self, values: np.ndarray, level: int) -> np.ndarray:
        return self.transform(self._weights.summation(level), values)

    def logarithm(self, values: np.ndarray, level: int) -> np.ndarray:
        return self.transform(self._weights.logarithm(level), values)

    def elapsed(self, values: np.ndarray, atom: Elapsed, alike: bool) -> np.ndarray:
        return np.asarray(self._weights.elapsed(atom.start, atom.pace, atom.power) * values)

    def gradient(self, field: int) -> Callable[[np.ndarray], np.ndarray]:
        levels: list[np.ndarray] = []

        def along(point: np.ndarray) -> np.ndarray:
            levels.append(point)
            if len(levels) == 1:  # η = 0: the same at every node
                return self._gradient_series(field, point[:1])
            curves = (
                np.array([level[min(node, len(level) - 1)] for level in levels])
                for node in range(len(self.tables.nodes))
            )
            return np.array([self._gradient_series(field, curve)[-1] for curve in curves])

        return along

    def multiply(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return left * right

    def divide(self, numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
        return numerator / denominator

    def below_root(self, rest: np.ndarray, root: np.ndarray) -> np.ndarray:
        return root_quotient(rest, root)

    def root(self, argument: np.ndarray) -> np.ndarray:
        return np.array([[self._root(value) for value in row] for row in argument])
