"""The arrays that a vector θ is made of."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod


@dataclass(frozen=True)
class Blocks:
    """The arrays that a vector θ is made of, in their order: their shapes, and names where they have some."""

    shapes: tuple[tuple[int, ...], ...]
    names: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """The length of the vector."""
        return sum(map(prod, self.shapes))
