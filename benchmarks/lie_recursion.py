"""The recursion of Lie derivatives for hand-written nested jvp, in any library that has one.

``ξ_m = Σ_i 1/i! Σ D_{k_1} … D_{k_{i−1}} F_{k_i}``, k_1 + … + k_i = m + 2, with ``F_1 = −g``, ``F_{m+2} = −ξ_m`` and
``D_i v = (F_i · ∇) v``.  Sums of the same length and total are one function, so that subterms are shared.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import factorial
from typing import Any

Field = Callable[[Any], Any]


def fields(
    gradient: Field,
    derivative: Callable[[Field, Any, Any], Any],
    combine: Callable[[list[tuple[float, Any]]], Any],
    terms: int,
) -> list[Field]:
    """``F_1, …, F_terms`` as functions of the parameters.

    ``derivative(function, place, direction)`` is a jvp, ``combine`` a sum of values with weights.
    """

    @cache
    def field(n: int) -> Field:
        if n == 1:
            return lambda place: combine([(-1.0, gradient(place))])
        parts = [(-1.0 / factorial(i), chain(i, n)) for i in range(2, n + 1)]
        return lambda place: combine([(weight, part(place)) for weight, part in parts])

    @cache
    def chain(length: int, total: int) -> Field:
        """``Σ D_{k_1} … D_{k_{length−1}} F_{k_length}`` over k_1 + … = total."""
        if length == 1:
            return field(total)
        parts = [(field(k), chain(length - 1, total - k)) for k in range(1, total - length + 2)]
        return lambda place: combine([(1.0, derivative(inner, place, along(place))) for along, inner in parts])

    return [field(n) for n in range(1, terms + 1)]
