"""Smooth maps of blocks, such as a polar factor or a norm: what a step function may call besides its gradient.

A rule knows one vector θ; a map sees the arrays that it is made of.  Along a series it is what a gradient is, another
function whose coefficients come one after the other, at any combination of the rule's quantities (theory, section 17).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from eomsym.blocks import Blocks
from eomsym.errors import InputError

#: What a map may see: one array after the other, or all of them at once.
KINDS = ("array", "all")


_BLOCKS: ContextVar[Blocks | None] = ContextVar("blocks", default=None)


@contextmanager
def laid_out(blocks: Blocks | None) -> Iterator[None]:
    """In it maps of vectors see these blocks; None leaves what holds already."""
    token = _BLOCKS.set(blocks) if blocks is not None else None
    try:
        yield
    finally:
        if token is not None:
            _BLOCKS.reset(token)


@dataclass(frozen=True, eq=False)
class Map:
    """A smooth map of blocks that a step function calls like ``sqrt``: ``theta - eta * polar(memory)``.

    ``function`` takes an array and returns one of its shape; with ``blocks`` "all" it takes the list of all arrays, and
    returns such a list.  A map of several vectors, called as ``ratio(theta, move)``, has a function of so many.  It is
    called with arrays of NumPy, JAX, PyTorch, and with power series of arrays, so it takes ``+ − * / **`` and ``@``,
    ``T``, ``mT``, ``sum``, ``mean``, ``reshape``, ``shape``, ``ndim``, slices, and ``eomsym.optimizers.sqrt``.  It may
    choose by shapes, and not by values: where it is not smooth there are no terms.
    """

    name: str
    function: Callable[..., Any]
    blocks: str = "array"

    def __post_init__(self) -> None:
        if self.blocks not in KINDS:
            raise InputError(f"map {self.name!r}: blocks = {self.blocks!r}; take 'array' or 'all'")

    def __call__(self, *vectors: Any) -> Any:
        """Its value at vectors of a step function.  Raises ``InputError`` where their blocks are not known."""
        builder = next((vector.builder for vector in vectors if hasattr(vector, "builder")), None)
        if builder is not None:
            return builder.image(self, vectors)
        blocks = _BLOCKS.get()
        if blocks is None:
            raise InputError(
                f"map {self.name!r}: the arrays that the vector is made of are not known here; "
                "give their shapes, optimizer.on(Blocks(shapes))"
            )
        return joined(self.of_blocks([blocks.split(vector) for vector in vectors]))

    def of_blocks(self, arguments: Sequence[Sequence[Any]]) -> list[Any]:
        """Its value, block by block, where ``arguments`` are the blocks of each argument.  Raises ``InputError``."""
        try:
            if self.blocks == "all":
                made = list(self.function(*(list(blocks) for blocks in arguments)))
            else:
                made = [self.function(*parts) for parts in zip(*arguments, strict=True)]
        except (AttributeError, TypeError) as error:
            raise InputError(f"map {self.name!r}: cannot be taken of {_kind(arguments)} ({error})") from error
        shapes = [[tuple(getattr(part, "shape", ())) for part in parts] for parts in (arguments[0], made)]
        if shapes[0] != shapes[1]:
            raise InputError(f"map {self.name!r}: makes blocks of shapes {shapes[1]} of {shapes[0]}; keep the shapes")
        return made


def _kind(arguments: Sequence[Sequence[Any]]) -> str:
    return type(arguments[0][0]).__name__ if arguments and arguments[0] else "nothing"


def joined(parts: Sequence[Any]) -> Any:
    """One vector of blocks, arrays of any library or power series of them."""
    flat = [part.reshape(-1) for part in parts]
    own = getattr(type(flat[0]), "joined", None)
    if own is not None:
        return own(flat)
    if isinstance(flat[0], getattr(sys.modules.get("torch"), "Tensor", ())):
        return sys.modules["torch"].cat(flat)
    return flat[0].__array_namespace__().concat(flat)
