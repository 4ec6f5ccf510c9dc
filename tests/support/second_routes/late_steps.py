"""The shadow start without quasi-polynomials: the optimiser's steps in series of η, in 60 digits, read off long after.

``[η^k] θ_n`` is a polynomial in n of degree k once the memory has faded; Lagrange's formula takes it back to n = 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np

from second_routes.truncated import TruncatedSeries

DIGITS = 60


class _Eta:
    """η times a number, as a factor of vectors of series."""

    __array_ufunc__ = None

    def __init__(self, factor: Any = 1) -> None:
        self.factor = factor

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, np.ndarray):
            return np.array([self.factor * part.shifted() for part in other], dtype=object)
        return _Eta(self.factor * other)


def start_by_late_steps(
    step: Callable[..., tuple[Any, ...]],
    gradient: Callable[..., Sequence[TruncatedSeries]],
    theta: Sequence[Any],
    memory: Sequence[Sequence[Any]],
    order: int,
    faded: int,
    **parameters: Any,
) -> list[list[Any]]:
    """``[c_1, …, c_order]``, each a list of mpmath numbers.

    ``gradient`` maps the components of a point, as series, to those of g; ``faded`` is a number of steps after which
    nothing of the start is left in 60 digits; ``parameters`` are rationals.
    """
    with mpmath.workdps(DIGITS):

        def vector(values: Sequence[Any]) -> np.ndarray:
            parts = [TruncatedSeries.constant(_number(value), order + 1) for value in values]
            return np.array(parts, dtype=object)

        def along(point: np.ndarray, field: int = 0) -> np.ndarray:
            return np.array(list(gradient(*point)), dtype=object)

        numbers = {name: _number(value) for name, value in parameters.items()}
        state = (vector(theta), *map(vector, memory))
        nodes = [faded * (2 + j) // 2 for j in range(order + 1)]
        seen = {}
        for index in range(1, nodes[-1] + 1):
            state = step(along, state, _Eta(), **numbers)
            if index in nodes:
                seen[index] = state[0]
        weights = [mpmath.fprod(-b / mpmath.mpf(a - b) for b in nodes if b != a) for a in nodes]
        return [
            [
                mpmath.fsum(w * seen[n][i].coefficients[k] for w, n in zip(weights, nodes, strict=True))
                for i in range(len(theta))
            ]
            for k in range(1, order + 1)
        ]


def _number(value: Any) -> Any:
    return mpmath.mpf(value.numerator) / value.denominator
