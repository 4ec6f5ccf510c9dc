"""The algebra of plain numbers for ``eomsym.step_index``: gradients by any function of a whole series.

Values are arrays (nodes, d), of floats or of objects (``Fraction``, mpmath numbers).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from eomsym.optimizers import UpdateRule
from eomsym.step_index import NodeAlgebra, Tables, integer_nodes, solve

#: ``(field, series)`` → series: the gradient of a field along ``Σ_k η^k series[k]``, both (terms, d).
GradientSeries = Callable[[int, np.ndarray], np.ndarray]


class NumberAlgebra(NodeAlgebra):
    """Vectors of numbers at one point ``theta`` (d,); ``number`` turns an exact rational into a number of that kind."""

    def __init__(
        self,
        tables: Tables,
        gradient_series: GradientSeries,
        theta: np.ndarray,
        number: Callable[[Fraction], Any] = float,
        root: Callable[[Any], Any] = np.sqrt,
    ) -> None:
        super().__init__(tables)
        self._gradient_series, self._theta = gradient_series, np.asarray(theta)
        self._number, self._root = number, root

    def theta(self) -> np.ndarray:
        return np.array([self._theta] * len(self.tables.nodes))

    def ones(self) -> np.ndarray:
        return self.theta() * 0 + self._number(Fraction(1))

    def combine(self, parts: Sequence[tuple[Any, np.ndarray]]) -> np.ndarray:
        total = self.theta() * 0
        for weight, values in parts:
            total = total + values * self._number(Fraction(weight))
        return total

    def transform(self, matrix: Sequence[Sequence[Any]], values: np.ndarray) -> np.ndarray:
        rows = [
            sum(self._number(Fraction(weight)) * value for weight, value in zip(row, values, strict=False))
            for row in matrix
        ]
        return np.array(rows)

    def gradient(self, field: int) -> Callable[[np.ndarray], np.ndarray]:
        levels: list[np.ndarray] = []

        def along(point: np.ndarray) -> np.ndarray:
            levels.append(point)
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


def modified_field_terms(
    rule: UpdateRule,
    gradient_series: GradientSeries,
    theta: np.ndarray,
    terms: int,
    number: Callable[[Fraction], Any] = float,
    root: Callable[[Any], Any] = np.sqrt,
) -> list[np.ndarray]:
    """``[f̃_0, …, f̃_{terms−1}]`` at a point, each (d,), at nodes that no kernel has."""
    algebra = NumberAlgebra(integer_nodes(rule, terms), gradient_series, theta, number, root)
    return [values[0] for values in solve(rule, algebra, terms)]
