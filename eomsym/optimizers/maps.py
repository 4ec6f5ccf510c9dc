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
from weakref import WeakSet

from eomsym.blocks import Blocks, joined
from eomsym.errors import InputError
from eomsym.optimizers.stepping import sqrt

#: From the blocks of θ to those of a memory.
Layout = Callable[[Blocks], Blocks]
#: What a map may see: one array after the other, all of them at once, or the vector that they make.
KINDS = ("array", "all", "vector")


_BLOCKS: ContextVar[Blocks | None] = ContextVar("blocks", default=None)
#: Name and side of each kink that a step meets, where somebody listens.
_SIDES: ContextVar[list[tuple[str, Any]] | None] = ContextVar("sides", default=None)

#: Maps that were looked at whether they are functions.
_LOOKED_AT: WeakSet[Map] = WeakSet()


@contextmanager
def laid_out(blocks: Blocks | None) -> Iterator[None]:
    """In it maps of vectors see these blocks; None leaves what holds already."""
    token = _BLOCKS.set(blocks) if blocks is not None else None
    try:
        yield
    finally:
        if token is not None:
            _BLOCKS.reset(token)


def sides_of(step: Callable[[], Any]) -> list[tuple[str, Any]]:
    """Runs a step on arrays; returns name and side of each kink that it meets, in order.

    They are those of maps, and on arrays of NumPy those of a step function of one's own (``floats``).
    """
    sides: list[tuple[str, Any]] = []
    token = _SIDES.set(sides)
    try:
        step()
    finally:
        _SIDES.reset(token)
    return sides


def sides_seen() -> list[tuple[str, Any]] | None:
    """Where sides are noted now; None where nobody listens."""
    return _SIDES.get()


@dataclass(frozen=True, eq=False)
class Map:
    """A smooth map of blocks that a step function calls like ``sqrt``: ``theta - eta * polar(memory)``.

    ``function`` takes an array and returns one of its shape; with ``blocks`` "all" it takes the list of all arrays and
    returns such a list, with "vector" one vector of all their entries.  A map of several vectors, called as
    ``ratio(theta, move)``, has a function of so many.  It is called with arrays of NumPy, JAX, PyTorch, and with power
    series of arrays, so it takes ``+ − * / **`` and ``@``, ``T``, ``mT``, ``sum``, ``mean``, ``reshape``, ``shape``,
    ``ndim``, ``clip``, slices, and ``eomsym.optimizers.sqrt``.  It may choose by shapes, and not by values: where it is
    not smooth there are no terms.  A memory may have blocks of its own, such as n × n for each matrix of n rows: then
    ``layouts`` has for each argument, and last for the value, what makes its blocks of θ's, or None.  One with a kink
    is that of the side where its arguments are, which ``side`` tells, a function of the same arguments: a run that
    changes it is broken there.
    """

    name: str
    function: Callable[..., Any]
    blocks: str = "array"
    side: Callable[..., Any] | None = None
    layouts: tuple[Layout | None, ...] = ()

    def __post_init__(self) -> None:
        if self.blocks not in KINDS:
            raise InputError(f"map {self.name!r}: blocks = {self.blocks!r}; take 'array', 'all' or 'vector'")

    def __call__(self, *vectors: Any) -> Any:
        """Its value at vectors of a step function.  Raises ``InputError`` where their blocks are not known."""
        builder = next((vector.builder for vector in vectors if hasattr(vector, "builder")), None)
        if builder is not None:
            return builder.image(self, vectors)
        if not all(hasattr(vector, "shape") for vector in vectors):
            raise InputError(f"map {self.name!r}: the noise of a rule that calls one is not known; take another rule")
        return self.of_vectors(vectors, _BLOCKS.get())

    def of_vectors(self, vectors: Sequence[Any], blocks: Blocks | None) -> Any:
        """Its value at vectors (d,) made of these blocks.  Raises ``InputError`` where it has to know them."""
        if self.blocks == "vector":
            return self.of_blocks([[vector] for vector in vectors])[0]
        if blocks is None:
            raise InputError(
                f"map {self.name!r}: the arrays that the vector is made of are not known here; "
                "give their shapes, optimizer.on(Blocks(shapes))"
            )
        own = [make(blocks) if make else blocks for make in self.layouts or (None,) * (len(vectors) + 1)]
        parts = [layout.split(vector) for layout, vector in zip(own, vectors, strict=False)]
        return own[-1].join(self.of_blocks(parts))

    def arguments(self, leaves: Sequence[Any], count: int) -> list[list[Any]]:
        """Zeros in the shapes of ``count`` arguments, for arrays of θ of any library."""
        shapes = Blocks(tuple(tuple(leaf.shape) for leaf in leaves))
        made = []
        for make in self.layouts[:-1] or (None,) * count:
            sized = zip(leaves, make(shapes).shapes if make else shapes.shapes, strict=True)
            made.append([zeros(leaf, shape) for leaf, shape in sized])
        return made

    def of_blocks(self, arguments: Sequence[Sequence[Any]]) -> list[Any]:
        """Its value, block by block, where ``arguments`` are the blocks of each argument.  Raises ``InputError``."""
        shapes = [tuple(part.shape) for part in arguments[0]]
        if self.blocks == "vector":
            arguments = [[joined(parts)] for parts in arguments]
        seen = [tuple(arguments)] if self.blocks == "all" else list(zip(*arguments, strict=True))
        if (sides := _SIDES.get()) is not None and self.side is not None:
            sides.extend((self.name, self.side(*parts)) for parts in seen)
        try:
            made = [self.function(*parts) for parts in seen]
        except (AttributeError, TypeError) as error:
            raise InputError(f"map {self.name!r}: cannot be taken of {_kind(arguments)} ({error})") from error
        values = list(made[0]) if self.blocks == "all" else made
        if self.blocks == "vector" and len(shapes) > 1:
            values = Blocks(tuple(shapes)).split(values[0])
        after = [tuple(getattr(part, "shape", ())) for part in values]
        if after != shapes and not self.layouts:
            raise InputError(f"map {self.name!r}: makes blocks of shapes {after} of {shapes}; keep the shapes")
        return values


def _kind(arguments: Sequence[Sequence[Any]]) -> str:
    return type(arguments[0][0]).__name__ if arguments and arguments[0] else "nothing"


def check_plain(map: Map, vectors: Sequence[Any], blocks: Blocks | None) -> None:
    """Raises ``InputError`` for a map that gives another value each time at the same arrays of NumPy; looks once."""
    if map in _LOOKED_AT:
        return
    import numpy as np

    one, other = (map.of_vectors(vectors, blocks) for _ in range(2))
    if not np.array_equal(one, other, equal_nan=True):
        raise InputError(
            f"map {map.name!r}: gives another value each time; take a function of its arguments alone, without random "
            "numbers and without a state of its own"
        )
    _LOOKED_AT.add(map)


def vanishes(array: Any) -> bool:
    """Whether an array of NumPy, or the first coefficient of a power series of such, is 0 everywhere."""
    values = getattr(array, "rows", array)
    return type(values).__module__ == "numpy" and not (values[0] if values is not array else values).any()


def norm(array: Any) -> Any:
    """The Euclidean norm of all entries, a number, for the functions of maps."""
    return sqrt((array * array).sum())


def zeros(like: Any, shape: Sequence[int]) -> Any:
    """An array of zeros of the library and type of another."""
    if _is_torch(like):
        return like.new_zeros(tuple(shape))
    return like.__array_namespace__().zeros(tuple(shape), dtype=like.dtype)


def identity(like: Any) -> Any:
    """The identity matrix of the size of a square one, as its library has it."""
    size = like.shape[0]
    if _is_torch(like):
        return sys.modules["torch"].eye(size, dtype=like.dtype, device=like.device)
    namespace = getattr(like, "__array_namespace__", None)
    if namespace is None:  # a power series of NumPy's arrays
        import numpy as np

        return np.eye(size)
    return namespace().eye(size, dtype=like.dtype)


def _is_torch(array: Any) -> bool:
    return isinstance(array, getattr(sys.modules.get("torch"), "Tensor", ()))
