"""A function of arrays as a flat list of operations.  A value is known by number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
    """Instructions in order; ``constants`` are arrays by number, ``arguments`` and ``results`` are numbers."""

    instructions: tuple[Instruction, ...]
    constants: Mapping[int, Any]
    arguments: tuple[int, ...]
    results: tuple[int, ...]

    def needed(self, without: frozenset[str] = frozenset()) -> set[int]:
        """The values that the results depend on; what only operations of these names need is left out."""
        wanted = set(self.results)
        for instruction in reversed(self.instructions):
            if wanted & set(instruction.outputs) and instruction.name not in without:
                wanted |= set(instruction.inputs)
        return wanted
