"""Counter terms of a model of any array library: what ``eomsym.jax`` and ``eomsym.torch`` have in common."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from eomsym.array_series.check import Watch
from eomsym.array_series.machine import Backend
from eomsym.array_series.program import FlatProgram
from eomsym.checks import check_integer
from eomsym.errors import InputError
from eomsym.optimizers import Optimizer, chosen, rule_of_losses
from eomsym.schedules import Schedule, read_schedules
from eomsym.step_index.array_algebra import Arrays, Share, array_counterterms, listed_models
from eomsym.step_index.resummation import check_summable

#: What is left of the digits to this order stands in docs/high_order.md.
MAX_ARRAY_ORDER = 16
#: How far the gradient of samples may be from the mean of those of two parts: this power of the precision.
SAME = 0.5

Gradient = Callable[..., Arrays]


@dataclass(frozen=True)
class Library:
    """What is asked of an array library besides its operations, ``backend``.

    ``flatten(tree)`` gives leaves and structure, ``unflatten(structure, leaves)`` the tree; ``leaf`` makes an array of
    a parameter and ``given`` of data, or raises ``InputError``; ``gradient(loss, field, structure, data_structure)`` is
    g as a function of the leaves of both, which ``program(gradient, arguments)`` follows and
    ``real(gradient, arguments)`` evaluates.  ``kind(array)`` is all that a program knows of an array.
    ``stand_in(array)`` is an array like one that cannot be looked at, or the array itself, and in ``looking()`` what is
    made of arrays can be looked at.
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
    stand_in: Callable[[Any], Any] = lambda array: array
    looking: Callable[[], AbstractContextManager[Any]] = nullcontext


class Traced:
    """A loss or a field whose programs are kept, one for each kind of parameters and data."""

    def __init__(self, loss_fn: Any, field: Any) -> None:
        self._loss, self._field = loss_fn, field
        self._programs: dict[object, FlatProgram] = {}

    @property
    def functions(self) -> tuple[Any, Any]:
        """The loss and the field, one of them None."""
        return self._loss, self._field

    def shares(self, library: Library, params: tuple[Arrays, Any], data: Any, batch_size: int | None) -> list[Share]:
        """g of all data at params, leaves and structure, as a sum over batches.  Raises ``InputError``."""
        leaves, structure = params
        given, kind = library.flatten(data) if data is not None else ([], None)
        given = [library.given(part) for part in given]
        gradient = library.gradient(self._loss, self._field, structure, kind)
        pieces = _pieces(given, batch_size) if data is not None else [((), 1, 1.0)]
        shares = []
        for batches, count, weight in pieces:
            arguments = [*leaves, *(part[0] for part in batches)]
            key = str((structure, kind)), *map(library.kind, arguments)
            program = self._programs.get(key) or library.program(gradient, arguments)
            if not program.decisions:  # what values decided holds at these values only
                self._programs[key] = program
            real = lambda *values: library.real(gradient, list(values))  # noqa: E731
            shares.append(Share(program, real, tuple(batches), count, weight))
        return shares


def _pieces(given: Arrays, batch_size: int | None) -> list[tuple[Arrays, int, float]]:
    """Batches of data in arrays with one more axis, how many, and the weight of each: equal ones, then the rest."""
    sizes = {part.shape[0] if part.shape else 0 for part in given}
    if len(sizes) != 1 or 0 in sizes:
        raise InputError("data: give arrays whose first axis is the samples, as many in each, at least one")
    samples = sizes.pop()
    size = min(samples if batch_size is None else check_integer("batch_size", batch_size, 1), samples)
    count = samples // size
    whole = count * size
    pieces = [([part[:whole].reshape(count, size, *part.shape[1:]) for part in given], count, size / samples)]
    if whole < samples:
        pieces.append(([part[whole:][None] for part in given], 1, (samples - whole) / samples))
    return pieces


def check_means(shares: Sequence[Share], leaves: Arrays, library: Library) -> None:
    """Raises ``InputError`` unless g of the samples of a batch is the mean of those of two parts of them.

    What a loss is of its samples holds everywhere: values that cannot be looked at are replaced by others.
    """
    batch = [part[: 2 if part.shape[1] == 1 else 1] for part in shares[0].batches]
    samples = [library.stand_in(part.reshape(-1, *part.shape[2:])) for part in batch]
    leaves, number = [*map(library.stand_in, leaves)], samples[0].shape[0]
    if number == 1:
        return
    first = (number + 1) // 2
    own = shares[0].gradient
    whole = own(*leaves, *samples)
    parts = own(*leaves, *(part[:first] for part in samples)), own(*leaves, *(part[first:] for part in samples))
    if not all(map(library.backend.concrete, [*whole, *parts[0], *parts[1]])):
        return  # the loss holds what cannot be looked at
    for one, left, right in zip(whole, *parts, strict=True):
        mean = (first * left + (number - first) * right) / number
        size = max(
            (float(abs(value).max()) for value in (one, left, right) if value.shape and 0 not in value.shape),
            default=0.0,
        )
        if math.isfinite(size) and not bool((abs(one - mean) <= size * library.backend.precision(one) ** SAME).all()):
            raise InputError(
                "loss_fn: not a mean over samples, so that it cannot be taken in batches: the gradient of some is not "
                "the mean of those of their parts; divide by their number, leave out what they share, such as batch "
                "norm in training, or give no batch_size"
            )


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
    rule, steps = rule_of_losses(optimizer, hyperparameters, len(models), visits, schedules, taylor)
    leaves, structure = library.flatten(params)
    leaves = [library.leaf(leaf) for leaf in leaves]
    watch = Watch(check, smooth, order, rule.linear)
    traced = [loss if isinstance(loss, Traced) else Traced(loss, slope) for loss, slope in models]
    shares = [model.shares(library, (leaves, structure), data, batch_size) for model in traced]
    if check and batch_size is not None:
        with library.looking():
            for model in shares:
                check_means(model, leaves, library)
    rows = array_counterterms(rule, shares, leaves, order + 1, library.backend, watch, steps)
    return [library.unflatten(structure, row) for row in rows], watch


def check_resum(counterterms: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Raises ``InputError`` where rows asked for with these options of ``counterterms`` are not to be resummed."""
    asked = inspect.signature(counterterms).bind_partial(**options).arguments
    entry, exact = chosen(asked.get("optimizer", "gradient-descent"), asked.get("hyperparameters", {}))
    check_summable(entry.rule(**entry.complete(exact)), entry.name)
