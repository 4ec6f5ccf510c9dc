"""Counter terms of a model of any array library: what ``eomsym.jax`` and ``eomsym.torch`` have in common."""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from eomsym.array_series.check import Watch
from eomsym.array_series.machine import Backend
from eomsym.array_series.program import FlatProgram
from eomsym.checks import check_integer
from eomsym.errors import InputError
from eomsym.optimizers import Loop, Optimizer, UpdateRule, check_one_gradient, chosen, losses_in_turn, make_loop
from eomsym.schedules import Schedule, read_schedules
from eomsym.step_index.array_algebra import array_counterterms, listed_models
from eomsym.step_index.resummation import check_summable
from eomsym.step_index.shares import Arrays, Share, check_same, compared, summed

#: What is left of the digits to this order stands in docs/high_order.md.
MAX_ARRAY_ORDER = 16
Gradient = Callable[..., Arrays]
Piece = tuple[tuple[Any, ...], int, float]
WHOLE: Piece = ((), 1, 1.0)


@dataclass(frozen=True)
class Library:
    """What is asked of an array library besides its operations, ``backend``.

    ``flatten(tree)`` gives leaves and structure, ``unflatten(structure, leaves)`` the tree; ``leaf`` makes an array of
    a parameter and ``given`` of data, or raises ``InputError``; ``gradient(loss, field, structure, data_structure)`` is
    g as a function of the leaves of both, which ``program(gradient, arguments)`` follows and
    ``real(gradient, arguments)`` evaluates.  ``kind(array)`` is all that a program knows of an array.
    """

    backend: Backend
    flatten: Callable[[Any], tuple[Arrays, Any]]
    unflatten: Callable[[Any, Arrays], Any]
    leaf: Callable[[Any], Any]
    given: Callable[[Any], Any]
    gradient: Callable[[Any, Any, Any, Any], Gradient]
    program: Callable[[Gradient, Arrays], FlatProgram]
    real: Callable[[Gradient, Arrays], Arrays]
    kind: Callable[[Any], object]


class Traced:
    """A loss or a field whose programs are kept, one for each kind of parameters and data."""

    def __init__(self, loss_fn: Any, field: Any) -> None:
        self._loss, self._field = loss_fn, field
        self._programs: dict[object, FlatProgram] = {}

    @property
    def functions(self) -> tuple[Any, Any]:
        """The loss and the field, one of them None."""
        return self._loss, self._field

    def shares(
        self, library: Library, params: tuple[Arrays, Any], data: tuple[Any, Any], pieces: Sequence[Piece]
    ) -> list[Share]:
        """g of all data, leaves and structure, at params, the same, as a sum over batches.  Raises ``InputError``."""
        (leaves, structure), (_, kind) = params, data
        gradient = library.gradient(self._loss, self._field, structure, kind)
        shares = []
        for batches, count, weight in pieces:
            arguments = [*leaves, *(part[0] for part in batches)]
            key = str((structure, kind)), *map(library.kind, arguments)
            program = self._programs.get(key) or library.program(gradient, arguments)
            if not program.decisions:  # what values decided holds at these values only
                self._programs[key] = program
            real = lambda *values: library.real(gradient, list(values))  # noqa: E731
            shares.append(Share(program, real, batches, count, weight))
        return shares


def _batch_size(given: Arrays, batch_size: int | None) -> int:
    """Of batches of these data.  Raises ``InputError``."""
    sizes = {part.shape[0] if part.shape else 0 for part in given}
    if len(sizes) != 1 or 0 in sizes:
        raise InputError("data: give arrays whose first axis is the samples, as many in each, at least one")
    samples = sizes.pop()
    return min(samples if batch_size is None else check_integer("batch_size", batch_size, 1), samples)


def _pieces(given: Arrays, size: int, first: int = 0) -> list[Piece]:
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


def _cuts(given: Arrays, size: int) -> list[list[Piece]]:
    """The same data in other batches: any two samples next to each other are in one batch here or there."""
    return [_pieces(given, size, (size + 1) // 2)] if size > 1 else [_pieces(given, 2), _pieces(given, 2, 1)]


def _in_batches(share: Share, pieces: Sequence[Piece]) -> list[Share]:
    return [replace(share, batches=batches, count=count, weight=weight) for batches, count, weight in pieces]


def check_means(shares: Sequence[Share], others: Sequence[Sequence[Share]], leaves: Arrays, library: Library) -> bool:
    """Raises ``InputError`` unless g of a batch is the mean of those of its parts, and of all that of other batches.

    What a loss is of its samples holds at all parameters: those that cannot be looked at are replaced by others.  For
    the first batch data are replaced too; returns whether all batches could be looked at.
    """
    backend, own = library.backend, shares[0].gradient
    batch = [part[: 2 if part.shape[1] == 1 else 1] for part in shares[0].batches]
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
    if not all(backend.concrete(part) for share in shares for part in share.batches):
        return False
    found = summed(shares, lambda share: partial(share.gradient, *point), backend)
    finite = all(bool((part * 0 == 0).all()) for part in found)
    if not finite and not all(map(operator.is_, point, leaves)):
        return False  # at other parameters, which may lie where there is no loss
    for other in others:
        compared(found, other, point, backend)
    return True


def model_counterterms(
    library: Library,
    loss_fn: Any,
    params: Any,
    order: int,
    field: Any,
    data: Any,
    batch_size: int | None,
    optimizer: str | Optimizer,
    schedule: object,
    taylor: Callable[[Schedule], Any],
    visits: Any,
    check: bool,
    smooth: str,
    hyperparameters: Mapping[str, object],
) -> tuple[list[Any], Watch]:
    """The rows, and what has to be told of; as ``eomsym.jax.counterterms``."""
    check_integer("order", order, 0, MAX_ARRAY_ORDER)
    if batch_size is not None and data is None:
        raise InputError("batch_size: give data, of which batches are made, and a loss_fn(params, data)")
    models, schedules = listed_models(loss_fn, field), read_schedules(schedule)
    loop = make_loop(optimizer, hyperparameters, schedules, losses_in_turn(len(models), visits))
    rule, steps = _rule(loop, taylor), loop.steps
    leaves, structure = library.flatten(params)
    leaves = [library.leaf(leaf) for leaf in leaves]
    watch = Watch(check, smooth, order, rule.linear)
    traced = [loss if isinstance(loss, Traced) else Traced(loss, slope) for loss, slope in models]
    given, kind = library.flatten(data) if data is not None else ([], None)
    given = [library.given(part) for part in given]
    size = 0 if data is None else _batch_size(given, batch_size)
    with library.backend.looking():  # so that batches of data that are known can be looked at
        pieces = _pieces(given, size) if size else [WHOLE]
    shares = [model.shares(library, (leaves, structure), (given, kind), pieces) for model in traced]
    others: list[list[list[Share]]] = []
    if check and size and size < given[0].shape[0]:
        with library.backend.looking():
            cuts = [[_in_batches(model[0], cut) for cut in _cuts(given, size)] for model in shares]
            seen = [check_means(model, cut, leaves, library) for model, cut in zip(shares, cuts, strict=True)]
        others = [] if all(seen) else cuts
    rows = array_counterterms(rule, shares, leaves, order + 1, library.backend, watch, steps, others)
    return [library.unflatten(structure, row) for row in rows], watch


def _rule(loop: Loop, taylor: Callable[[Schedule], Any]) -> UpdateRule:
    """The rule of a round; ``taylor`` makes the coefficients of a schedule."""
    check_one_gradient(loop.optimizer, loop.values)
    series = {name: taylor(schedule) for name, schedule in loop.schedules.items()}
    loop.check_values({name: coefficients[0] for name, coefficients in series.items()})
    return loop.rule(series)


def check_resum(counterterms: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Raises ``InputError`` where rows asked for with these options of ``counterterms`` are not to be resummed."""
    asked = inspect.signature(counterterms).bind_partial(**options).arguments
    entry, exact = chosen(asked.get("optimizer", "gradient-descent"), asked.get("hyperparameters", {}))
    check_summable(entry.rule(**entry.complete(exact)), entry.name)
