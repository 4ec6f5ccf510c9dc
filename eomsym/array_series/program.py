"""A function of arrays as a flat list of operations.  A value is known by number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Instruction:
    """One operation: ``apply`` maps the input arrays to a list of output arrays; values are known by number."""

    name: str
    apply: Callable[..., list[Any]]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FlatProgram:
    """Instructions in order; ``constants`` are arrays by number, ``arguments`` and ``results`` are numbers.

    ``shapes`` may leave out values; these are then never rewritten.
    """

    instructions: tuple[Instruction, ...]
    constants: Mapping[int, Any]
    arguments: tuple[int, ...]
    results: tuple[int, ...]
    shapes: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    @property
    def unused(self) -> int:
        """A number from which on no value has its number."""
        made = (number for instruction in self.instructions for number in instruction.outputs)
        return 1 + max((*made, *self.constants, *self.arguments), default=-1)

    def without_dead(self) -> FlatProgram:
        """Without the instructions that no result depends on."""
        needed = self.needed()
        kept = tuple(instruction for instruction in self.instructions if needed & set(instruction.outputs))
        return replace(self, instructions=kept)

    def needed(self, without: frozenset[str] = frozenset()) -> set[int]:
        """The values that the results depend on; what only operations of these names need is left out."""
        wanted = set(self.results)
        for instruction in reversed(self.instructions):
            if wanted & set(instruction.outputs) and instruction.name not in without:
                wanted |= set(instruction.inputs)
        return wanted
