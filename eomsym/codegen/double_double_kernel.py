"""A loaded kernel in double-double arithmetic: the checks before the compiled functions, and its arrays as pairs."""

from __future__ import annotations

from typing import Any

import numpy as np

from eomsym.codegen.kernel import Kernel, float_array
from eomsym.double_double import DoubleDouble
from eomsym.errors import InputError


class DoubleDoubleKernel(Kernel):
    """The compiled functions of one generated file whose numbers have 32 digits.

    ``theta``, ``vector`` and ``series`` are ``DoubleDouble`` or float64 arrays, results ``DoubleDouble``; ``inputs``
    and ``targets`` are float64 (labels int64) and taken as exact.  Everything else is as in ``Kernel``.
    """

    def loss(self, theta: Any, inputs: np.ndarray, targets: np.ndarray) -> DoubleDouble:  # type: ignore[override]
        """The loss, weight decay included: one number."""
        parts = self._module.loss(_packed(self._pair("theta", theta)), *self._data(inputs, targets))
        return self._unpacked(parts)

    def gradient(self, theta: Any, inputs: np.ndarray, targets: np.ndarray) -> DoubleDouble:  # type: ignore[override]
        """The gradient g of the loss, (d,)."""
        return self._series([self._pair("theta", theta)], inputs, targets)[0]

    def hessian_vector(  # type: ignore[override]
        self, theta: Any, vector: Any, inputs: np.ndarray, targets: np.ndarray
    ) -> DoubleDouble:
        """The Hessian of the loss times a vector, (d,).  Raises ``InputError`` for a kernel of order 0."""
        if self.order < 1:
            raise InputError("hessian_vector: a kernel of order 0 has only gradients; generate one of order 1 or more")
        return self._series([self._pair("theta", theta), self._pair("vector", vector)], inputs, targets)[1]

    def gradient_series(self, series: Any, inputs: np.ndarray, targets: np.ndarray) -> DoubleDouble:  # type: ignore[override]
        """The gradient along the curve ``Σ_k series[k] η^k`` as a power series, (terms, d), terms ≤ order + 1."""
        if len(getattr(series, "shape", ())) != 2 or not 1 <= len(series) <= self.order + 1:
            raise InputError(f"series: give an array of shape (1 to {self.order + 1}, {self.size})")
        return self._series([self._pair(f"series[{k}]", series[k]) for k in range(len(series))], inputs, targets)

    def counterterms(  # type: ignore[override]
        self, theta: Any, inputs: np.ndarray, targets: np.ndarray, order: int | None = None
    ) -> DoubleDouble:
        """``(order + 1, d)``: row 0 is g, row 1 + k is ξ_k."""
        place, highest = self._pair("theta", theta), self._order(order)
        return self._unpacked(self._module.counterterms(_packed(place), highest, *self._data(inputs, targets)))

    def field(  # type: ignore[override]
        self,
        theta: Any,
        eta: Any,
        inputs: np.ndarray,
        targets: np.ndarray,
        order: int | None = None,
        resum: bool = False,
    ) -> DoubleDouble:
        """The modified vector field ``−g − Σ_k η^{k+1} ξ_k``, (d,); ``eta`` is any number ``DoubleDouble`` takes."""
        if resum:
            raise InputError("resum: works in doubles; generate a kernel of precision double, or leave it out")
        step = _number("eta", eta)
        rows = self.counterterms(theta, inputs, targets, order)
        total = rows[-1]
        for k in range(len(rows) - 2, -1, -1):
            total = rows[k] + step * total
        return -total

    def _series(self, series: list[DoubleDouble], inputs: np.ndarray, targets: np.ndarray) -> DoubleDouble:
        rows = np.stack([_packed(row) for row in series])
        return self._unpacked(self._module.gradient_series(rows, *self._data(inputs, targets)))

    def _pair(self, name: str, vector: Any) -> DoubleDouble:
        if isinstance(vector, DoubleDouble):
            self._vector(name, vector.high)
            float_array(f"{name}.low", vector.low, f"({self.size},)")
            return vector
        return DoubleDouble.from_value(self._vector(name, vector))

    def _unpacked(self, parts: np.ndarray) -> DoubleDouble:
        """The pairs of an array whose last axis but one, or only axis, holds high and low parts."""
        if not np.isfinite(parts).all():
            raise InputError("theta: numbers overflow here, or a sine's argument is beyond 2^50; take smaller weights")
        axis = max(parts.ndim - 2, 0)
        return DoubleDouble(np.take(parts, 0, axis), np.take(parts, 1, axis))


def _packed(vector: DoubleDouble) -> np.ndarray:
    """(2, d): high parts, low parts."""
    return np.stack([vector.high, vector.low])


def _number(name: str, value: Any) -> DoubleDouble:
    if isinstance(value, bool) or value is None:
        raise InputError(f"{name} {value!r}: not a number")
    try:
        number = DoubleDouble.from_value(value)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    if number.shape != () or not number.is_finite():
        raise InputError(f"{name} {value!r}: give one finite number")
    return number
