"""Vectors of plain numbers: a gradient that is known along any curve, ``Σ_k η^k x_k``, in whatever way.

Values are arrays (nodes, d), of floats or of objects (``Fraction``, mpmath numbers).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from eomsym.step_index.solver import NodeAlgebra
from eomsym.step_index.tables import Tables

#: ``(field, series)`` → series: the gradient of a field along ``Σ_k η^k series[k]``, both (terms, d).
GradientSeries = Callable[[int, np.ndarray], np.ndarray]


class NumberAlgebra(NodeAlgebra):
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
        self._number, self._root = cache(lambda weight: number(Fraction(weight))), root

    def slow(self, index: int) -> np.ndarray:
        return np.array([self._states[index]] * len(self.tables.nodes))

    def ones(self) -> np.ndarray:
        return self.slow(0) * 0 + self._number(1)

    def combine(self, parts: Sequence[tuple[Any, np.ndarray]]) -> np.ndarray:
        if not parts:
            return self.slow(0) * 0
        terms = [values if weight == 1 else values * self._number(weight) for weight, values in parts]
        return sum(terms[1:], terms[0])

    def transform(self, matrix: Sequence[Sequence[Any]], values: np.ndarray) -> np.ndarray:
        zero = 0 * values[0]
        terms = ([(w, value) for w, value in zip(row, values, strict=False) if w != 0] for row in matrix)
        return np.array([sum((self._number(w) * value for w, value in row), zero) for row in terms])

    def gradient(self, field: int) -> Callable[[np.ndarray], np.ndarray]:
        levels: list[np.ndarray] = []

        def along(point: np.ndarray) -> np.ndarray:
            levels.append(point)
            if len(levels) == 1:  # η = 0: the same at every node
                return np.array([self._gradient_series(field, point[:1])[0]] * len(point))
            nodes = range(len(self.tables.nodes))
            return np.array(
                [self._gradient_series(field, np.array([level[node] for level in levels]))[-1] for node in nodes]
            )

        return along

    def multiply(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return left * right

    def divide(self, numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
        return numerator / denominator

    def root(self, argument: np.ndarray) -> np.ndarray:
        return np.array([[self._root(value) for value in row] for row in argument])
