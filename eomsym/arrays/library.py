"""What is asked of an array library, and what a user gives to be differentiated: a loss or a vector field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from eomsym.arrays.batches import BatchGradient, Piece
from eomsym.arrays.machine import Backend
from eomsym.arrays.program import FlatProgram
from eomsym.blocks import Blocks
from eomsym.errors import InputError
from eomsym.optimizers.maps import Map
from eomsym.optimizers.rule import UpdateRule
from eomsym.schedules import Schedule

Arrays = list[Any]
Gradient = Callable[..., Arrays]


#: Of maps of blocks, by the arrays that they were followed with.
_PROGRAMS: WeakKeyDictionary[Map, dict[object, FlatProgram]] = WeakKeyDictionary()


class AllMoving:
    """Parameters all of which move: as the tree ``leaves`` they are what is differentiated, and nothing is put back."""

    def __init__(self, params: Any) -> None:
        self.leaves = params

    def models(self, loss_fn: Any, field: Any) -> tuple[Any, Any]:
        """Losses, or fields, of what moves."""
        return loss_fn, field

    def slope(self, field: Callable[..., Any]) -> Callable[..., Any]:
        """A field of the parameters as one of what moves."""
        return field

    def whole(self, moving: Any) -> Any:
        """The parameters, with these in the place of what moves."""
        return moving

    def of_tree(self, tree: Any) -> Any:
        """The same part of a tree like the parameters."""
        return tree

    def row(self, moving: Any) -> Any:
        """A difference of what moves as one of the parameters."""
        return moving


@dataclass(frozen=True)
class Library:
    """What is asked of an array library besides its operations, ``backend``.

    ``flatten(tree)`` gives leaves and structure, ``unflatten(structure, leaves)`` the tree, ``map(function, *trees)``
    applies a function leaf by leaf, ``ravel(tree)`` gives one vector and what makes a tree of such a vector, and
    ``paths(tree)`` the keys on the way to each leaf;
    ``leaf`` makes an array of a parameter and ``given`` of data, or raises ``InputError``.
    ``gradient(loss, field, structure, data_structure)`` is g as a function of the leaves of both, which
    ``program(gradient, arguments)`` follows and ``real(gradient, arguments)`` evaluates.  ``kind(array)`` is all that a
    program knows of an array, ``numpy(array)`` its numbers as an array of NumPy's, in float64; ``cast(total, part)``
    gives a sum the type of one of its parts.
    ``moving(params)`` tells which parameters move (``AllMoving``), ``taylor(schedule, tau, terms)`` is a schedule's
    Taylor polynomial, and in ``quiet()`` the library records no gradients.
    """

    backend: Backend
    flatten: Callable[[Any], tuple[Arrays, Any]]
    unflatten: Callable[[Any, Arrays], Any]
    map: Callable[..., Any]
    ravel: Callable[[Any], tuple[Any, Callable[[Any], Any]]]
    paths: Callable[[Any], list[Any]]
    leaf: Callable[[Any], Any]
    given: Callable[[Any], Any]
    gradient: Callable[[Any, Any, Any, Any], Gradient]
    program: Callable[[Gradient, Arrays], FlatProgram]
    real: Callable[[Gradient, Arrays], Arrays]
    kind: Callable[[Any], object]
    numpy: Callable[[Any], np.ndarray]
    cast: Callable[[Any, Any], Any] = lambda total, part: total
    moving: Callable[[Any], Any] = AllMoving
    taylor: Callable[[Schedule, Any, int], Sequence[Any]] = lambda schedule, tau, terms: schedule.taylor(tau, terms)
    quiet: Callable[[], AbstractContextManager[Any]] = nullcontext

    def maps(self, rule: UpdateRule, leaves: Arrays) -> dict[Map, BatchGradient]:
        """The programs of a rule's maps of blocks, of as many lists of arrays like ``leaves`` as each takes."""
        return {atom.map: self._map(atom.map, len(atom.arguments), leaves) for atom in rule.images}

    def _map(self, map: Map, count: int, leaves: Arrays) -> BatchGradient:
        size, own = len(leaves), map.arguments(leaves, count)

        def function(*values: Any) -> Arrays:
            return map.of_blocks([values[start : start + size] for start in range(0, count * size, size)])

        known = _PROGRAMS.setdefault(map, {})
        key = count, *self._kinds(leaves)
        program = known.get(key)
        if program is None:
            # arrays of their own, as those that are one object would be followed as one argument
            program = self.program(function, [1 + part for parts in own for part in parts])
            if not program.decisions:
                known[key] = program
        return BatchGradient(program, lambda *values: self.real(function, list(values)))

    def _kinds(self, arrays: Arrays) -> tuple[object, ...]:
        return (self.kind, *(self.kind(array) for array in arrays))

    def vector(self, parts: Sequence[Any]) -> np.ndarray:
        """All numbers of some arrays."""
        return np.concatenate([self.numpy(part).reshape(-1) for part in parts])

    def number(self, value: Any) -> float | None:
        """A value of one number; None where it cannot be looked at."""
        return float(value) if self.backend.concrete(value) else None


class Traced:
    """A loss or a field whose programs are kept, one for each kind of parameters and data."""

    def __init__(self, loss_fn: Any, field: Any) -> None:
        self._loss, self._field = loss_fn, field
        self._programs: dict[object, FlatProgram] = {}

    @property
    def functions(self) -> tuple[Any, Any]:
        """The loss and the field, one of them None."""
        return self._loss, self._field

    def gradients(
        self, library: Library, params: tuple[Arrays, Any], data: tuple[Any, Any], pieces: Sequence[Piece]
    ) -> list[BatchGradient]:
        """g of all data, leaves and structure, at params, the same, as a sum over batches.  Raises ``InputError``."""
        (leaves, structure), (_, kind) = params, data
        gradient = library.gradient(self._loss, self._field, structure, kind)
        gradients = []
        for batches, count, weight in pieces:
            arguments = [*leaves, *(part[0] for part in batches)]
            key = str((structure, kind)), *map(library.kind, arguments)
            program = self._programs.get(key) or library.program(gradient, arguments)
            if not program.decisions:  # what values decided holds at these values only
                self._programs[key] = program
            real = lambda *values: library.real(gradient, list(values))  # noqa: E731
            gradients.append(BatchGradient(program, real, batches, count, weight))
        return gradients


def blocks_of(library: Library, params: Any, moving: Any) -> Blocks:
    """The arrays of ``params`` that move, in their order, with their paths as names, such as ``layers.0.bias``."""
    _, structure = library.flatten(params)
    paths = library.unflatten(structure, [".".join(map(_key, path)) for path in library.paths(params)])
    names, leaves = (library.flatten(tree)[0] for tree in (moving.of_tree(paths), moving.leaves))
    return Blocks(tuple(tuple(getattr(leaf, "shape", ())) for leaf in leaves), tuple(names))


def _key(entry: Any) -> str:
    """What JAX and PyTorch call a step of a path."""
    return str(
        next((value for name in ("key", "idx", "name") if (value := getattr(entry, name, None)) is not None), entry)
    )


def listed_models(loss_fn: Any, field: Any) -> list[tuple[Any, Any]]:
    """``(loss, None)`` or ``(None, field)`` for each of what is given: one, or a list that is visited in order."""
    given = loss_fn if field is None else field
    parts = list(given) if isinstance(given, (list, tuple)) else [given]
    if not parts or (isinstance(given, (list, tuple)) and loss_fn is not None and field is not None):
        raise InputError("loss_fn: give a loss or a list of them, or None and field=, not both; and at least one")
    return [(part, None) if field is None else (loss_fn, part) for part in parts]


def gradient_of(
    loss_fn: Callable[[Any], Any] | None, field: Callable[[Any], Any] | None, grad: Callable[..., Any]
) -> Callable[[Any], Any]:
    """g as a function of the parameters: of a loss by the library's ``grad``, or given.  Raises ``InputError``."""
    if (loss_fn is None) == (field is None):
        raise InputError("loss_fn: give a loss, or None and field=, a function that maps params to g; not both")
    found = grad(loss_fn) if field is None else field
    if not callable(found):
        raise InputError(f"field {field!r}: give a function that maps params to g")
    return found


def check_like(structure: Any, expected: Any, found: Sequence[Any], params: Sequence[Any]) -> None:
    """Raises ``InputError`` unless what a vector field returned has the structure and the shapes of the parameters."""
    if structure != expected or [value.shape for value in found] != [value.shape for value in params]:
        shapes = ", ".join(str(tuple(value.shape)) for value in found)
        raise InputError(f"field: returned arrays of shapes {shapes or 'none'}; return what params look like")
