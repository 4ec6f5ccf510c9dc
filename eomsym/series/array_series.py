"""Truncated power series with arrays as coefficients: what functions of arrays of NumPy are expanded with.

A step function and a map of blocks know them by duck typing: sums, products, quotients, powers, roots, products of
matrices, sums over axes, shapes and slices.  Numbers may be objects, such as mpmath's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import reduce
from operator import mul
from typing import Any

import numpy as np

from eomsym.errors import InputError
from eomsym.exact_numbers import Arithmetic


class ArraySeries(Arithmetic):
    """``Σ_k rows[k] η^k``, ``rows`` (terms, …), cut at ``η^terms``; coefficients are broadcast as NumPy's arrays."""

    __array_ufunc__ = None  # NumPy's numbers on the left leave the operation to this class

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    @property
    def rounds(self) -> int:
        """How often a fixed point is iterated: each time one more coefficient is right."""
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of each coefficient."""
        return self.rows.shape[1:]

    @property
    def ndim(self) -> int:
        """Axes of each coefficient."""
        return self.rows.ndim - 1

    @classmethod
    def constant(cls, value: np.ndarray, terms: int) -> ArraySeries:
        """What does not depend on η, from its value."""
        rows = np.zeros((terms, *np.shape(value)), dtype=np.asarray(value).dtype)
        rows[0] = value
        return cls(rows)

    @classmethod
    def eta(cls, terms: int) -> ArraySeries:
        """η itself, an array of shape (1,)."""
        rows = np.zeros((terms, 1))
        rows[1:2] = 1
        return cls(rows)

    @classmethod
    def joined(cls, parts: Sequence[ArraySeries]) -> ArraySeries:
        """One vector of several."""
        return cls(np.concatenate([part.rows for part in parts], axis=1))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, place: Any) -> ArraySeries:
        return ArraySeries(self.rows[(slice(None), *(place if isinstance(place, tuple) else (place,)))])

    def reshape(self, *shape: Any) -> ArraySeries:
        """As NumPy's."""
        wanted = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return ArraySeries(self.rows.reshape(len(self.rows), *wanted))

    @property
    def T(self) -> ArraySeries:
        """All axes in the other order."""
        return ArraySeries(self.rows.transpose(0, *range(self.ndim, 0, -1)))

    @property
    def mT(self) -> ArraySeries:
        """The last two axes in the other order."""
        return ArraySeries(self.rows.swapaxes(-1, -2))

    def sum(self, axis: Any = None, keepdims: bool = False) -> ArraySeries:
        """As NumPy's."""
        return ArraySeries(self.rows.sum(axis=self._axes(axis), keepdims=True)).squeezed(self, axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> ArraySeries:
        """As NumPy's."""
        total = self.sum(axis, keepdims)
        return total * Fraction(max(1, int(np.prod(total.shape))), int(np.prod(self.shape)))

    def squeezed(self, whole: ArraySeries, axis: Any, keepdims: bool) -> ArraySeries:
        """Without the axes of ``whole`` that were summed over, unless they are kept."""
        return self if keepdims else ArraySeries(self.rows.squeeze(whole._axes(axis)))

    def _axes(self, axis: Any) -> tuple[int, ...]:
        if axis is None:
            return tuple(range(1, self.rows.ndim))
        return tuple(1 + place % self.ndim for place in (axis if isinstance(axis, tuple) else (axis,)))

    def __add__(self, other: Any) -> ArraySeries:
        left, right = _aligned(self.rows, self._rows_of(other))
        return ArraySeries(left + right)

    def __mul__(self, other: Any) -> ArraySeries:
        if not isinstance(other, ArraySeries):
            factor = self._plain(other)
            return ArraySeries(_aligned(self.rows, np.asarray(factor)[None])[0] * factor)
        left, right = _aligned(self.rows, other.rows)
        total = left[:1] * right
        for k in range(1, len(left)):
            total[k:] += left[k] * right[:-k]
        return ArraySeries(total)

    def __truediv__(self, other: Any) -> ArraySeries:
        if not isinstance(other, ArraySeries):
            divisor = self._plain(other)
            return ArraySeries(_aligned(self.rows, np.asarray(divisor)[None])[0] / divisor)
        above, below = _aligned(self.rows, other.rows)
        quotient = above / below[:1]
        for k in range(1, len(quotient)):
            quotient[k] = (above[k] - np.add.reduce(below[k:0:-1] * quotient[:k])) / below[0]
        return ArraySeries(quotient)

    def __rtruediv__(self, other: Any) -> ArraySeries:
        return (self * 0 + other) / self

    def __matmul__(self, other: Any) -> ArraySeries:
        right = other.rows if isinstance(other, ArraySeries) else self.constant(np.asarray(other), len(self.rows)).rows
        return _convolved(np.matmul, self.rows, right)

    def __rmatmul__(self, other: Any) -> ArraySeries:
        return self.constant(np.asarray(other), len(self.rows)) @ self

    def __pow__(self, exponent: Any) -> ArraySeries:
        if exponent == 0.5:
            return self.sqrt()
        if not isinstance(exponent, int) or exponent < 1:
            raise InputError(f"step function: power {exponent!r}; take an integer of at least 1, or 1/2")
        return reduce(mul, [self] * exponent)

    def sqrt(self) -> ArraySeries:
        """What ``eomsym.optimizers.sqrt`` calls."""
        root = np.zeros_like(self.rows)
        root[0] = np.sqrt(self.rows[0])
        for k in range(1, len(root)):
            rest = self.rows[k] - np.add.reduce(root[k - 1 : 0 : -1] * root[1:k])
            root[k] = root_quotient(rest, 2 * root[0])
        return ArraySeries(root)

    def _rows_of(self, other: Any) -> np.ndarray:
        if isinstance(other, ArraySeries):
            return other.rows
        return self.constant(np.asarray(self._plain(other)), len(self.rows)).rows

    def _plain(self, number: Any) -> Any:
        """NumPy would make objects of an exact number."""
        return float(number) if isinstance(number, Fraction) and self.rows.dtype != object else number


def _aligned(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of as many axes, so that coefficients are broadcast as arrays of NumPy's are, from their last axis."""
    axes = max(left.ndim, right.ndim)
    made = [rows.reshape(len(rows), *(1,) * (axes - rows.ndim), *rows.shape[1:]) for rows in (left, right)]
    return made[0], made[1]


def _convolved(product: Callable[[Any, Any], Any], left: np.ndarray, right: np.ndarray) -> ArraySeries:
    """The series of a bilinear product."""
    levels = []
    for k in range(len(left)):
        terms = [product(left[i], right[k - i]) for i in range(k + 1)]
        levels.append(sum(terms[1:], terms[0]))
    return ArraySeries(np.array(levels))


def root_quotient(rest: np.ndarray, root: np.ndarray) -> np.ndarray:
    """``rest / root``, 0 where both are: there the component is frozen."""
    if root.all():
        return np.asarray(rest / root)
    still = (rest == 0) & (root == 0)
    return np.asarray(rest / np.where(still, 1, root))
