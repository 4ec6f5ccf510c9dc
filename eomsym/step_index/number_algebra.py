"""Vectors of plain numbers: a gradient that is known along any curve, ``Σ_k η^k x_k``, in whatever way.

Values are arrays (nodes, d), of floats or of objects (``Fraction``, mpmath numbers); what is the same at every node, as
all is at order 0, may have one row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from eomsym.step_index.held import root_quotient
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
        self._matrices: dict[int, tuple[Any, np.ndarray]] = {}
        self._number, self._root = cache(lambda weight: number(Fraction(weight))), root

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

    def transform(self, matrix: Sequence[Sequence[Any]], values: np.ndarray) -> np.ndarray:
        known = self._matrices.get(id(matrix))
        if known is None:  # kept with the matrix itself, whose place in memory is its key
            known = matrix, np.array([[self._number(weight) for weight in row] for row in matrix])
            self._matrices[id(matrix)] = known
        weights = known[1]
        return np.asarray(weights @ values[: weights.shape[1]])

    def scaled(self, factors: Sequence[Fraction], values: np.ndarray, alike: bool) -> np.ndarray:
        return np.array([[self._number(factor)] for factor in factors]) * values

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
