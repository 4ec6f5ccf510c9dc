"""A loss along a straight line: its gradient, its series, and each of its operations alone along that of its inputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Self

import numpy as np

from eomsym.arrays.library import Library
from eomsym.arrays.machine import Backend, Machine
from eomsym.arrays.program import FlatProgram, Instruction
from eomsym.errors import InputError

#: Of the way along the line, what tells in which direction an operation's inputs move: any direction serves.
NUDGE = 1e-3

Arrays = list[Any]


class Line(ABC):
    """``loss(leaves)`` at ``point + t · direction``; descent where no direction is given.  Vectors are NumPy's."""

    framework: str
    library: Library

    def __init__(self, loss: Callable[[Arrays], Any], point: Arrays, direction: Arrays | None = None) -> None:
        self.loss, self.point = loss, point
        self.gradient = self.library.gradient(loss, None, self.library.flatten(point)[1], None)
        self.direction = [-part for part in self.slope(point)] if direction is None else direction
        self.precision = max(map(self.library.backend.precision, point))

    @classmethod
    def of_loss(cls, loss_fn: Callable[[Any], Any], params: Any) -> Self:
        """Descent of a loss of ``params``.  Raises ``InputError`` for what are none."""
        leaves, structure = cls.library.flatten(params)
        if not leaves:
            raise InputError("params: no arrays are in there; give those that the loss is a function of")
        return cls(
            lambda values: loss_fn(cls.library.unflatten(structure, values)), list(map(cls.library.leaf, leaves))
        )

    def slope(self, values: Arrays) -> Arrays:
        """The gradient at a point, by the library's first derivatives."""
        return self.library.real(self.gradient, values)

    def along(self, t: float) -> np.ndarray:
        """The gradient on the line."""
        return self.library.vector(
            self.slope([value + t * part for value, part in zip(self.point, self.direction, strict=True)])
        )

    def anew(self) -> np.ndarray:
        """The gradient where the line begins, evaluated once more."""
        return self.library.vector(self.library.real(self.gradient, self.point))

    @abstractmethod
    def nested(self, order: int) -> list[np.ndarray]:
        """Its coefficients in t by the library's derivatives of derivatives."""

    def machine(self, order: int) -> Machine:
        """The same by series.  Raises ``InputError`` for what has none."""
        with self.library.quiet():
            program = self.library.program(self.gradient, self.point)
            still = [[0 * part for part in self.direction]] * (order - 1)
            return curve_of(program, [self.point, self.direction, *still][: order + 1], self.library.backend)

    def series(self, machine: Machine) -> list[np.ndarray]:
        """The coefficients that a machine has found."""
        levels = zip(*map(machine.curve, machine.program.results), strict=True)
        return [self.library.vector(level) for level in levels]

    @abstractmethod
    def program(self) -> FlatProgram:
        """The loss as operations that a user knows, each with the library's own derivative."""

    def operations(self) -> Iterator[tuple[str, Line]]:
        """The operations that move along the line as losses of their own, each along the line of its inputs."""
        with self.library.quiet():
            program = self.program()
            needed, here = program.needed(), program.values(self.point)
            ahead = [value + NUDGE * part for value, part in zip(self.point, self.direction, strict=True)]
            there = program.values(ahead)
        seen = [number for number in needed & here.keys() if self.library.backend.floating(here[number])]
        moving = {number for number in seen if bool((here[number] != there[number]).any())}
        for instruction in program.wanted:
            wanted = [place for place, number in enumerate(instruction.outputs) if number in moving]
            places = [place for place, number in enumerate(instruction.inputs) if wanted and number in moving]
            if not places:
                continue
            alone = partial(self._alone, instruction, [here[number] for number in instruction.inputs], places, wanted)
            numbers = [instruction.inputs[place] for place in places]
            changes = [(there[number] - here[number]) / NUDGE for number in numbers]
            yield instruction.known_as, type(self)(alone, [here[number] for number in numbers], changes)

    def _alone(
        self, instruction: Instruction, still: Arrays, places: Sequence[int], wanted: Sequence[int], values: Arrays
    ) -> Any:
        """One number of the results of an operation, as a function of the inputs that move."""
        given = list(still)
        for place, value in zip(places, values, strict=True):
            given[place] = value
        results = instruction.apply(*given)
        return weighed([results[place] for place in wanted], self.library.backend)


def curve_of(program: FlatProgram, levels: Sequence[Arrays], backend: Backend, given: Sequence[Any] = ()) -> Machine:
    """A machine that has gone along a curve, told by the coefficients of all that moves; ``given`` does not."""
    machine = Machine(program, levels[0], _SingleCurve(), backend, given)
    for level, parts in enumerate(levels[1:], 1):
        machine.advance(level, [[part] for part in parts])
    return machine


def weighed(parts: Sequence[Any], backend: Backend) -> Any:
    """One number of many: a sum with weights that are all different, and of squares."""
    values = [part.reshape(-1) for part in parts if backend.floating(part)]
    return sum((part * (backend.like(np.cos(np.arange(len(part))), part) + part / 2)).sum() for part in values)


class _SingleCurve:
    """The layout of a single curve: one row at every level."""

    def rows(self, level: int) -> int:
        return 1

    def inner(self, level: int) -> int:
        return 1

    def further(self, level: int, rows: int) -> Sequence[Sequence[Any]]:
        return ()

    def closing(self, level: int) -> tuple[bool, Sequence[Sequence[Any]]]:
        return True, ()

    def first(self, level: int) -> int:
        return 0
