"""A number that differs from one array of parameters to the next: what groups of parameters make of a coefficient.

A rule with groups is the same rule with such numbers for a rate, a decay, a share that a memory keeps, an ε.  It is a
linear map of blocks, and exact at every order: nothing is expanded in it, and no memory is doubled.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from eomsym.errors import InputError
from eomsym.exact_numbers import Arithmetic, Coefficient

if TYPE_CHECKING:  # NumPy comes where numbers do: a derivation does without
    import numpy as np


@dataclass(frozen=True)
class Blockwise(Arithmetic):
    """``values``, one for each block of the vector θ, whose lengths are ``sizes``; not all alike (``blockwise``)."""

    values: tuple[Coefficient, ...]
    sizes: tuple[int, ...]

    def _with(self, other: Any, function: Callable[[Any, Any], Any]) -> Any:
        if isinstance(other, Arithmetic) and not isinstance(other, Blockwise):
            return NotImplemented  # vectors and polynomials in η know what to do
        others = other.values if isinstance(other, Blockwise) else (other,) * len(self.values)
        return blockwise(tuple(map(function, self.values, others)), self.sizes)

    def __add__(self, other: Any) -> Any:
        return self._with(other, operator.add)

    def __mul__(self, other: Any) -> Any:
        return self._with(other, operator.mul)

    def __truediv__(self, other: Any) -> Any:
        return self._with(other, operator.truediv)

    def __rtruediv__(self, other: Any) -> Any:
        return self._with(other, lambda below, above: above / below)

    def __bool__(self) -> NoReturn:
        raise InputError("step function: chooses by a number that differs by group; choose by a flag")

    @property
    def parts(self) -> list[tuple[Coefficient, Blockwise]]:
        """Each value that there is, and 1 at its blocks, 0 elsewhere."""
        return [
            (value, blockwise(tuple(int(other == value) for other in self.values), self.sizes))
            for value in dict.fromkeys(self.values)
        ]

    def spread(self, number: Callable[[Coefficient], Any] = float) -> np.ndarray:
        """As an array (d,)."""
        import numpy as np

        return np.repeat(np.array([number(value) for value in self.values]), self.sizes)

    @cached_property
    def floats(self) -> np.ndarray:
        """The same in floating point, made once."""
        return self.spread()


def blockwise(values: Sequence[Coefficient], sizes: tuple[int, ...]) -> Coefficient:
    """The number with these values; a plain one where all are alike."""
    return Blockwise(tuple(values), sizes) if any(value != values[0] for value in values) else values[0]


def values_of(coefficient: Coefficient) -> tuple[Coefficient, ...]:
    """Its values in all blocks; the coefficient itself where it is the same in all."""
    return coefficient.values if isinstance(coefficient, Blockwise) else (coefficient,)
