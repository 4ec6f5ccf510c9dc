"""The algebra of plain numbers for ``derivation.levels``: the reference that generated kernels are checked against.

A sequence is an array (nodes, d), of floats or of objects (``Fraction``, mpmath numbers), one row a node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

#: ``(field, series)`` → series: the gradient of a field along ``Σ_k η^k series[k]``, both (terms, d).
GradientSeries = Callable[[int, np.ndarray], np.ndarray]


class NumberAlgebra:
    """Vectors of numbers at one point ``theta`` (d,); ``number`` turns an exact rational into a number of that kind."""

    def __init__(
        self,
        gradient_series: GradientSeries,
        theta: np.ndarray,
        nodes: int,
        number: Callable[[Fraction], Any] = float,
        root: Callable[[Any], Any] = np.sqrt,
    ) -> None:
        self.nodes = nodes
        self._gradient_series, self._theta = gradient_series, np.asarray(theta)
        self._number, self._root = number, root

    def theta(self) -> np.ndarray:
        return np.array([self._theta] * self.nodes)

    def ones(self) -> np.ndarray:
        return self.theta() * 0 + self._number(Fraction(1))

    def combine(self, parts: Sequence[tuple[Any, np.ndarray]]) -> np.ndarray:
        total = self.theta() * 0
        for weight, sequence in parts:
            total = total + sequence * self._number(Fraction(weight))
        return total

    def transform(self, matrix: Sequence[Sequence[Any]], sequence: np.ndarray) -> np.ndarray:
        if self._number is float:
            weights = np.array(matrix, dtype=np.float64)
            return weights @ sequence[: weights.shape[1]]
        rows = [
            sum(self._number(Fraction(weight)) * value for weight, value in zip(row, sequence, strict=False))
            for row in matrix
        ]
        return np.array(rows)

    def gradient(self, field: int, levels: Sequence[np.ndarray], nodes: int) -> np.ndarray:
        rows = [self._gradient_series(field, np.array([level[node] for level in levels]))[-1] for node in range(nodes)]
        return np.array(rows)

    def multiply(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return left * right

    def divide(self, numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
        return numerator / denominator

    def root(self, argument: np.ndarray) -> np.ndarray:
        return np.array([[self._root(value) for value in row] for row in argument])
