"""A function along a straight line: its series, and each of its operations alone along the line of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from eomsym.arrays.machine import Backend, Machine
from eomsym.arrays.program import FlatProgram

#: Of the way along the line, what tells in which direction an operation's inputs move: any direction serves.
NUDGE = 1e-3

Arrays = list[Any]
#: An operation's name, it as a function of the inputs that move, where they are, and how they move.
Operation = tuple[str, Callable[..., Arrays], Arrays, Arrays]


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


def along_line(
    program: FlatProgram, point: Sequence[Any], direction: Sequence[Any], order: int, backend: Backend
) -> Machine:
    """A machine that has the series of all values at ``point + t · direction``, in t."""
    machine = Machine(program, point, _SingleCurve(), backend)
    for level in range(1, order + 1):
        machine.advance(level, [[part if level == 1 else 0 * part] for part in direction])
    return machine


def operations(
    program: FlatProgram, point: Sequence[Any], direction: Sequence[Any], backend: Backend
) -> Iterator[Operation]:
    """The operations that move along the line, in the order of the program."""
    needed, here = program.needed(), program.values(point)
    there = program.values([value + NUDGE * part for value, part in zip(point, direction, strict=True)])

    def moves(number: int) -> bool:
        return backend.floating(here[number]) and bool((here[number] != there[number]).any())

    for instruction in program.wanted:
        wanted = [place for place, number in enumerate(instruction.outputs) if number in needed and moves(number)]
        places = [place for place, number in enumerate(instruction.inputs) if wanted and moves(number)]
        if not places:
            continue
        still = [here[number] for number in instruction.inputs]

        def alone(
            *values: Any, apply: Any = instruction.apply, still: Arrays = still, at: Any = (places, wanted)
        ) -> Arrays:
            filled = list(still)
            for place, value in zip(at[0], values, strict=True):
                filled[place] = value
            results = apply(*filled)
            return [results[place] for place in at[1]]

        moving = [instruction.inputs[place] for place in places]
        changes = [(there[number] - here[number]) / NUDGE for number in moving]
        yield instruction.known_as, alone, [here[number] for number in moving], changes
