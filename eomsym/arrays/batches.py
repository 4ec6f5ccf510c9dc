"""Gradients of data in batches: their sum, and whether it is that of other batches of the same samples."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any

from eomsym.arrays.machine import Backend, total
from eomsym.arrays.program import FlatProgram
from eomsym.checks import check_integer
from eomsym.errors import InputError

Arrays = list[Any]
#: Batches of one size, arrays with one more axis, the first; how many; and the weight of each.
Piece = tuple[tuple[Any, ...], int, float]
WHOLE: Piece = ((), 1, 1.0)

#: How far two sums of gradients over the same samples may be from each other: this power of the precision.
SAME = 0.5


@dataclass(frozen=True)
class BatchGradient:
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

    def at(self, data: Sequence[Any], values: Arrays) -> Arrays:
        """The gradient of one batch at some parameters."""
        return self.gradient(*values, *data)


def summed(
    gradients: Sequence[BatchGradient], made: Callable[[BatchGradient], Callable[..., Arrays]], backend: Backend
) -> Arrays:
    """The sum over all batches of what a function of each returns, which is made for each kind."""
    parts = []
    for batch in gradients:
        function = made(batch)
        found = backend.accumulate(function, batch.batches) if batch.count > 1 else function(*batch.first())
        parts.append(found if batch.weight == 1 else [batch.weight * value for value in found])
    return [total(column) for column in zip(*parts, strict=True)]


def compared(found: Arrays, others: Sequence[BatchGradient], point: Arrays, backend: Backend) -> Arrays:
    """g, if it is that of other batches of the same samples.  Raises ``InputError``, or g is NaN (``check_same``)."""

    def with_sizes(batch: BatchGradient) -> Callable[..., Arrays]:
        def both(*data: Any) -> Arrays:
            slopes = batch.gradient(*point, *data)
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


def read_batch_size(given: Arrays, batch_size: int | None) -> int:
    """Of batches of these data.  Raises ``InputError``."""
    sizes = {part.shape[0] if part.shape else 0 for part in given}
    if len(sizes) != 1 or 0 in sizes:
        raise InputError("data: give arrays whose first axis is the samples, as many in each, at least one")
    samples = sizes.pop()
    return min(samples if batch_size is None else check_integer("batch_size", batch_size, 1), samples)


def pieces_of(given: Arrays, size: int, first: int = 0) -> list[Piece]:
    """Batches of data in arrays with one more axis, how many, and the weight of each: equal ones, then the rest.

    ``first`` samples are a batch before the others.
    """
    samples = given[0].shape[0]
    count = (samples - first) // size
    whole = first + count * size
    cuts = [(0, first, first), (first, whole, size), (whole, samples, samples - whole)]
    return [
        (tuple(part[a:b].reshape(-1, each, *part.shape[1:]) for part in given), (b - a) // each, each / samples)
        for a, b, each in cuts
        if b > a
    ]


def cuts_of(given: Arrays, size: int) -> list[list[Piece]]:
    """The same data in other batches: any two samples next to each other are in one batch here or there."""
    return [pieces_of(given, size, (size + 1) // 2)] if size > 1 else [pieces_of(given, 2), pieces_of(given, 2, 1)]


def rebatched(gradient: BatchGradient, pieces: Sequence[Piece]) -> list[BatchGradient]:
    """The same g over other batches."""
    return [replace(gradient, batches=batches, count=count, weight=weight) for batches, count, weight in pieces]


def check_means(
    gradients: Sequence[BatchGradient], others: Sequence[Sequence[BatchGradient]], leaves: Arrays, backend: Backend
) -> bool:
    """Raises ``InputError`` unless g of a batch is the mean of those of its parts, and of all that of other batches.

    What a loss is of its samples holds at all parameters: those that cannot be looked at are replaced by others.  For
    the first batch data are replaced too; returns whether all batches could be looked at.
    """
    own = gradients[0].gradient
    batch = [part[: 2 if part.shape[1] == 1 else 1] for part in gradients[0].batches]
    samples = [backend.stand_in(part.reshape(-1, *part.shape[2:])) for part in batch]
    point, number = [*map(backend.stand_in, leaves)], samples[0].shape[0]
    first = (number + 1) // 2
    whole = own(*point, *samples)
    parts = own(*point, *(part[:first] for part in samples)), own(*point, *(part[first:] for part in samples))
    if not all(map(backend.concrete, [*whole, *parts[0], *parts[1]])):
        return False  # the loss holds what cannot be looked at
    largest = max(float(abs(part).max()) for part in (*whole, *parts[0], *parts[1]) if 0 not in part.shape)
    if math.isfinite(largest):
        means = [(first * left + (number - first) * right) / number for left, right in zip(*parts, strict=True)]
        check_same(whole, means, largest, backend)
    if not all(backend.concrete(part) for each in gradients for part in each.batches):
        return False
    found = summed(gradients, lambda each: partial(each.gradient, *point), backend)
    finite = all(bool((part * 0 == 0).all()) for part in found)
    if not finite and not all(map(operator.is_, point, leaves)):
        return False  # at other parameters, which may lie where there is no loss
    for other in others:
        compared(found, other, point, backend)
    return True
