"""The arrays that a vector of parameters is made of: what a kernel, a network and a tree of arrays have in common."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from math import prod
from typing import Any

from eomsym.errors import InputError


@dataclass(frozen=True)
class Blocks:
    """The arrays that a vector θ is made of, in their order: their shapes, and names where they have some."""

    shapes: tuple[tuple[int, ...], ...]
    names: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """The length of the vector."""
        return sum(map(prod, self.shapes))

    def split(self, vector: Any) -> list[Any]:
        """The blocks of a vector (d,), each in its shape.  Raises ``InputError`` for another length."""
        if vector.shape != (self.size,):
            raise InputError(f"blocks: of {self.size} numbers in all; the vector has shape {tuple(vector.shape)}")
        ends = list(accumulate(map(prod, self.shapes)))
        starts = [0, *ends[:-1]]
        return [vector[start:end].reshape(shape) for start, end, shape in zip(starts, ends, self.shapes, strict=True)]
