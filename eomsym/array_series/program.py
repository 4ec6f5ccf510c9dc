"""A function of arrays as a flat list of operations.  A value is known by number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Instruction:
    """One operation: ``apply`` maps the input arrays to a list of output arrays; values are known by number.

    ``origin`` is what a user calls the operation that this one is a part of.
    """

    name: str
    apply: Callable[..., list[Any]]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    origin: str = ""


@dataclass(frozen=True)
class FlatProgram:
    """Instructions in order; ``constants`` are arrays by number, ``arguments`` and ``results`` are numbers.

    ``decisions`` names what was decided by the arguments' values while the program was traced, and holds no more where
    they move.
    """

    instructions: tuple[Instruction, ...]
    constants: Mapping[int, Any]
    arguments: tuple[int, ...]
    results: tuple[int, ...]
    decisions: tuple[str, ...] = ()

    def needed(self, without: frozenset[str] = frozenset()) -> set[int]:
        """The values that the results depend on; what only operations of these names need is left out."""
        wanted = set(self.results)
        for instruction in reversed(self.instructions):
            if wanted & set(instruction.outputs) and instruction.name not in without:
                wanted |= set(instruction.inputs)
        return wanted

    def run(self, arguments: Sequence[Any]) -> list[Any]:
        """The results, as plain arrays."""
        known = self.values(arguments)
        return [known[number] for number in self.results]

    def values(self, arguments: Sequence[Any]) -> dict[int, Any]:
        """All that the results depend on, by number."""
        needed, known = self.needed(), {**self.constants, **dict(zip(self.arguments, arguments, strict=True))}
        for instruction in self.instructions:
            if needed & set(instruction.outputs):
                values = instruction.apply(*(known[number] for number in instruction.inputs))
                known.update(zip(instruction.outputs, values, strict=True))
        return known
