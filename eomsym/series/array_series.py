"""Truncated power series with arrays as coefficients: what functions of arrays of NumPy are expanded with.

A step function and a map of blocks know them by duck typing: sums, products, quotients, powers, roots, products of
matrices, sums over axes, shapes and slices.  Numbers may be objects, such as mpmath's.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from operator import mul
from typing import Any

import numpy as np

from eomsym.errors import InputError
from eomsym.exact_numbers import Arithmetic


class ArraySeries(Arithmetic):
    """``Σ_k rows[k] η^k``, ``rows`` (terms, …), cut at ``η^terms``; coefficients are broadcast as NumPy's arrays.

    With ``lead`` 2 they are many series side by side, (terms, curves, …): functions see the shape of one.
    """

    __array_ufunc__ = None  # NumPy's numbers on the left leave the operation to this class

    def __init__(self, rows: np.ndarray, lead: int = 1) -> None:
        self.rows, self._lead = rows, lead

    @property
    def rounds(self) -> int:
        """How often a fixed point is iterated: each time one more coefficient is right."""
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of each coefficient."""
        return self.rows.shape[self._lead :]

    @property
    def ndim(self) -> int:
        """Axes of each coefficient."""
        return self.rows.ndim - self._lead

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
        return cls(np.concatenate([part.rows for part in parts], axis=-1), parts[0]._lead)

    def _of(self, rows: np.ndarray) -> ArraySeries:
        return ArraySeries(rows, self._lead)

    def _leading(self) -> tuple[int, ...]:
        return self.rows.shape[: self._lead]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, place: Any) -> ArraySeries:
        inside = place if isinstance(place, tuple) else (place,)
        return self._of(self.rows[(*self._lead * (slice(None),), *inside)])

    def reshape(self, *shape: Any) -> ArraySeries:
        """As NumPy's."""
        wanted = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return self._of(self.rows.reshape(*self._leading(), *wanted))

    @property
    def T(self) -> ArraySeries:
        """All axes in the other order."""
        last = range(self.rows.ndim - 1, self._lead - 1, -1)
        return self._of(self.rows.transpose(*range(self._lead), *last))

    @property
    def mT(self) -> ArraySeries:
        """The last two axes in the other order."""
        return self._of(self.rows.swapaxes(-1, -2))

    def sum(self, axis: Any = None, keepdims: bool = False) -> ArraySeries:
        """As NumPy's."""
        return self._of(self.rows.sum(axis=self._axes(axis), keepdims=keepdims))

    def mean(self, axis: Any = None, keepdims: bool = False) -> ArraySeries:
        """As NumPy's."""
        return self._of(self.rows.mean(axis=self._axes(axis), keepdims=keepdims))

    def _axes(self, axis: Any) -> tuple[int, ...]:
        if axis is None:
            return tuple(range(self._lead, self.rows.ndim))
        return tuple(self._lead + place % self.ndim for place in (axis if isinstance(axis, tuple) else (axis,)))

    def __add__(self, other: Any) -> ArraySeries:
        left, right = self._aligned(other)
        return self._of(left + right)

    def __mul__(self, other: Any) -> ArraySeries:
        left, right = self._aligned(other)
        if not isinstance(other, ArraySeries):
            return self._of(left * right[:1])
        total = left[:1] * right
        for k in range(1, len(left)):
            total[k:] += left[k] * right[:-k]
        return self._of(total)

    def __truediv__(self, other: Any) -> ArraySeries:
        above, below = self._aligned(other)
        quotient = above / below[:1]
        if isinstance(other, ArraySeries):
            for k in range(1, len(quotient)):
                quotient[k] = (above[k] - np.add.reduce(below[k:0:-1] * quotient[:k])) / below[0]
        return self._of(quotient)

    def __rtruediv__(self, other: Any) -> ArraySeries:
        return (self * 0 + other) / self

    def over(self, eta: ArraySeries) -> ArraySeries:
        """Divided by η, of what vanishes there; its last coefficient is not known, and 0: times η it is cut off."""
        return self._of(np.concatenate([self.rows[1:], 0 * self.rows[:1]]))

    def __matmul__(self, other: ArraySeries) -> ArraySeries:
        if not isinstance(other, ArraySeries) or not (self.ndim and other.ndim):
            raise TypeError("a product of matrices takes two that are made of the argument")
        left, right = self.rows, other.rows
        left = left if self.ndim > 1 else left[..., None, :]
        right = right if other.ndim > 1 else right[..., None]
        total = left[0] @ right
        for k in range(1, len(left)):
            total[k:] += left[k] @ right[:-k]
        total = total if self.ndim > 1 else total.squeeze(-2)
        return self._of(total if other.ndim > 1 else total.squeeze(-1))

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
        return self._of(root)

    def clip(self, *, max: float) -> ArraySeries:
        """The number itself, or ``max``, by which is less for η = 0, where all curves meet."""
        return self if (self.rows[0] < max).all() else self * 0 + max

    def _aligned(self, other: Any) -> tuple[np.ndarray, np.ndarray]:
        """The rows of both with as many axes, so that coefficients are broadcast from their last axis as NumPy does."""
        if isinstance(other, ArraySeries):
            right = other.rows
        else:  # NumPy would make objects of an exact number
            number = float(other) if isinstance(other, Fraction) and self.rows.dtype != object else other
            value = np.asarray(number)
            right = np.zeros((len(self.rows), *(1,) * (self._lead - 1), *value.shape), value.dtype)
            right[0] = value
        axes = max(self.rows.ndim, right.ndim)
        lead = self._lead
        made = [
            rows.reshape(*rows.shape[:lead], *(1,) * (axes - rows.ndim), *rows.shape[lead:])
            for rows in (self.rows, right)
        ]
        return made[0], made[1]


def root_quotient(rest: np.ndarray, root: np.ndarray) -> np.ndarray:
    """``rest / root``, 0 where both are: there the component is frozen."""
    if root.all():
        return np.asarray(rest / root)
    still = (rest == 0) & (root == 0)
    return np.asarray(rest / np.where(still, 1, root))
