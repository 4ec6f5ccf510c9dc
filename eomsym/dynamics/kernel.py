"""What the paths ask of a kernel: a loss with its gradient, counter terms and Hessian-vector product."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from eomsym.blocks import Blocks
from eomsym.checks import check_integer
from eomsym.double_double import DoubleDouble
from eomsym.dynamics.vectors import Vector, is_finite, rounded
from eomsym.errors import InputError
from eomsym.step_index.resummation import resummed_rows, tell_growth

#: The arrays that follow θ in a call of the kernel: ``(inputs, targets)``, or nothing for a loss without data.
Data = Sequence[np.ndarray]


class FieldKernel(Protocol):
    """A generated kernel, or anything that answers the same questions; d = ``size``, N = ``order``.

    ``gradient(θ, *data)`` → (d,); ``counterterms(θ, *data, order=n)`` → (n + 1, d), g then ξ_0 … ξ_{n−1}, for n ≤ N;
    ``field(θ, η, *data, order=n)`` → (d,), ``−g − η Σ_{k<n} η^k ξ_k``; ``hessian_vector(θ, v, *data)`` → (d,).
    """

    @property
    def order(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def gradient(self) -> Callable[..., np.ndarray]: ...
    @property
    def counterterms(self) -> Callable[..., np.ndarray]: ...
    @property
    def field(self) -> Callable[..., np.ndarray]: ...
    @property
    def hessian_vector(self) -> Callable[..., np.ndarray]: ...


class TermsKernel(ABC):
    """A kernel by its terms alone, which whoever derives from it gives: its field is their sum."""

    order: int
    #: Of one rule, with its values, where the terms are of θ alone.
    rule: tuple[Any, dict[str, Any]] | None = None

    @abstractmethod
    def counterterms(self, theta: np.ndarray, *data: np.ndarray, order: int | None = None) -> np.ndarray:
        """``−F_0, …, −F_order`` (order + 1, d)."""

    def field(
        self, theta: np.ndarray, eta: float, *data: np.ndarray, order: int | None = None, resum: bool = False
    ) -> np.ndarray:
        """``Σ_{k≤order} η^k F_k`` (d,), or that sum accelerated."""
        rows = self.counterterms(theta, *data, order=order)
        if resum:
            total = resummed_rows([[row] for row in rows], eta)
            tell_growth(float(total.growth))
            return np.asarray(total.value[0])
        return -(eta ** np.arange(float(len(rows)))) @ rows

    def gradient(self, theta: np.ndarray, *data: np.ndarray) -> np.ndarray:
        """−F_0."""
        return self.counterterms(theta, *data, order=0)[0]


class RoundedKernel:
    """A double-double kernel for those who want doubles: the same questions, every answer rounded to float64."""

    def __init__(self, kernel: FieldKernel) -> None:
        self.order, self.size, self.blocks = kernel.order, kernel.size, blocks_of(kernel)
        self.gradient, self.hessian_vector = _rounding(kernel.gradient), _rounding(kernel.hessian_vector)
        self.counterterms, self.field = _rounding(kernel.counterterms), _rounding(kernel.field)


def _rounding(function: Callable[..., Any]) -> Callable[..., np.ndarray]:
    return lambda *arguments, **order: rounded(function(*arguments, **order))


def blocks_of(kernel: Any) -> Blocks | None:
    """The arrays that a kernel's θ is made of, None where it does not say."""
    return getattr(kernel, "blocks", None)


def is_double_double(kernel: FieldKernel) -> bool:
    """Whether the kernel's numbers are ``DoubleDouble``."""
    return getattr(kernel, "precision", "double") == "double-double"


def check_theta(kernel: FieldKernel, theta: Vector) -> Vector:
    """θ as a new vector of the kernel's arithmetic, float64 or ``DoubleDouble``.

    Raises ``InputError`` unless it is a finite vector of the kernel's size.
    """
    if is_double_double(kernel):
        return _check_vector(kernel, DoubleDouble.from_value(theta))
    if isinstance(theta, DoubleDouble):
        raise InputError("theta: DoubleDouble given to a kernel of doubles; give theta.high, or a double-double kernel")
    try:
        vector = np.array(theta, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"theta: not an array of numbers; give a float64 vector of length {kernel.size}") from None
    return _check_vector(kernel, vector)


def _check_vector(kernel: FieldKernel, vector: Vector) -> Vector:
    if vector.shape != (kernel.size,):
        raise InputError(f"theta: shape {vector.shape}; the kernel takes a vector of length {kernel.size}")
    if not is_finite(vector):
        place = np.flatnonzero(~np.isfinite(rounded(vector)))[0]
        raise InputError(f"theta: entry {place} is not finite; give finite numbers")
    return vector


def check_order(kernel: FieldKernel, order: int, needed_for: str) -> None:
    """Raises ``InputError`` unless ``order`` is an integer from 0 to the kernel's order."""
    if check_integer("order", order) > kernel.order:
        raise InputError(
            f"order {order}, needed for {needed_for}: the kernel has order {kernel.order}; generate order {order}"
        )
