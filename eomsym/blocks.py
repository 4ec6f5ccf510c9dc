"""The arrays that a vector of parameters is made of: what a kernel, a network and a tree of arrays have in common."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from typing import Any

from eomsym.errors import InputError


@dataclass(frozen=True)
class Blocks:
    """The arrays that a vector θ is made of, in their order: their shapes, and names where they have some.

    With ``columns_first`` matrices stand in the vector column by column: W of a network here is n_in × n_out, and it is
    looked at as PyTorch has it, n_out × n_in.
    """

    shapes: tuple[tuple[int, ...], ...]
    names: tuple[str, ...] = ()
    columns_first: bool = False

    @property
    def sizes(self) -> tuple[int, ...]:
        """The length of each block."""
        return tuple(map(prod, self.shapes))

    @property
    def size(self) -> int:
        """The length of the vector."""
        return sum(self.sizes)

    def split(self, vector: Any) -> list[Any]:
        """The blocks of a vector (d,), each in its shape.  Raises ``InputError`` for another length."""
        if vector.shape != (self.size,):
            raise InputError(f"blocks: of {self.size} numbers in all; the vector has shape {tuple(vector.shape)}")
        ends = list(accumulate(map(prod, self.shapes)))
        parts = zip([0, *ends[:-1]], ends, self.shapes, strict=True)
        return [
            vector[start:end].reshape(shape[::-1]).T if self._turned(shape) else vector[start:end].reshape(shape)
            for start, end, shape in parts
        ]

    def join(self, parts: Sequence[Any]) -> Any:
        """The vector of such blocks."""
        return joined([part.T if self._turned(tuple(part.shape)) else part for part in parts])

    def _turned(self, shape: tuple[int, ...]) -> bool:
        return self.columns_first and len(shape) == 2


def joined(parts: Sequence[Any]) -> Any:
    """One vector of arrays of any library, or of power series of them."""
    flat = [part.reshape(-1) for part in parts]
    own = getattr(type(flat[0]), "joined", None)
    if own is not None:
        return own(flat)
    if isinstance(flat[0], getattr(sys.modules.get("torch"), "Tensor", ())):
        return sys.modules["torch"].cat(flat)
    return flat[0].__array_namespace__().concat(flat)
