"""Gradients of data in batches: their sum, and whether it is that of other batches of the same samples."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from eomsym.array_series.machine import Backend, total
from eomsym.array_series.program import FlatProgram
from eomsym.errors import InputError

Arrays = list[Any]

#: How far two sums of gradients over the same samples may be from each other: this power of the precision.
SAME = 0.5


@dataclass(frozen=True)
class Share:
    """What is added to a g: ``weight`` times that of each of ``count`` batches of data.

    ``program`` has the arrays of parameters as arguments, then those of a batch; ``batches`` are these with one more
    axis, the first.  ``gradient`` is the library's own, of the same arguments.
    """

    program: FlatProgram
    gradient: Callable[..., Arrays]
    batches: tuple[Any, ...] = ()
    count: int = 1
    weight: float = 1.0

    def first(self) -> list[Any]:
        """The first batch."""
        return [array[0] for array in self.batches]


def summed(shares: Sequence[Share], made: Callable[[Share], Callable[..., Arrays]], backend: Backend) -> Arrays:
    """The sum over all batches of what a function of each returns, which is made for each kind."""
    parts = []
    for share in shares:
        function = made(share)
        found = backend.accumulate(function, share.batches) if share.count > 1 else function(*share.first())
        parts.append(found if share.weight == 1 else [share.weight * value for value in found])
    return [total(column) for column in zip(*parts, strict=True)]


def compared(found: Arrays, others: Sequence[Share], point: Arrays, backend: Backend) -> Arrays:
    """g, if it is that of other batches of the same samples.  Raises ``InputError``, or g is NaN (``check_same``)."""

    def with_sizes(share: Share) -> Callable[..., Arrays]:
        def both(*data: Any) -> Arrays:
            slopes = share.gradient(*point, *data)
            return [*slopes, *map(abs, slopes)]

        return both

    made = summed(others, with_sizes, backend)
    sizes = [size.max() for size in made[len(found) :] if 0 not in size.shape]
    largest = reduce(lambda one, other: backend.where(one > other, one, other), sizes)
    return check_same(found, made[: len(found)], largest, backend)


def check_same(found: Arrays, others: Arrays, largest: Any, backend: Backend) -> Arrays:
    """g, if it is the same as ``others``.  Raises ``InputError``; where that cannot be looked at, g is NaN then."""
    pairs = zip(found, others, strict=True)
    holds = [(abs(one - other) <= largest * backend.precision(one) ** SAME).all() for one, other in pairs]
    same = reduce(operator.and_, holds)
    if not backend.concrete(same):
        return [backend.where(same, one, one + math.nan) for one in found]
    if not bool(same):
        raise InputError(
            "loss_fn: not a mean over samples, so that it cannot be taken in batches: the gradient of some is not the "
            "mean of those of their parts; divide by their number, not by that of tokens or weights, leave out what "
            "they share, such as batch norm in training, or give no batch_size"
        )
    return found
