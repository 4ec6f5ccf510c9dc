"""A function of arrays as a flat list of operations.  A value is known by number."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eomsym.arrays.analysis import Analysis


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

    @property
    def known_as(self) -> str:
        """The name that a user knows."""
        return self.origin or self.name


@dataclass(frozen=True)
class FlatProgram:
    """Instructions in order; ``constants`` are arrays by number, ``arguments`` and ``results`` are numbers.

    ``decisions`` names what was decided by the arguments' values while the program was traced, and holds no more where
    they move.  ``known`` are results of instructions that are the same for all arguments: these need not be run.
    ``analyses`` are kept by the kinds of arguments (``analysis``).
    """

    instructions: tuple[Instruction, ...]
    constants: Mapping[int, Any]
    arguments: tuple[int, ...]
    results: tuple[int, ...]
    decisions: tuple[str, ...] = ()
    known: Mapping[int, Any] = field(default_factory=dict)
    analyses: dict[object, Analysis] = field(default_factory=dict, init=False, repr=False, compare=False)

    def needed(self, without: frozenset[str] = frozenset(), known: Collection[int] = ()) -> set[int]:
        """The values that the results depend on.

        What only operations of these names need is left out, and what is ``known`` with all that only it needs.
        """
        wanted = set(self.results).difference(known)
        for instruction in reversed(self.instructions):
            if wanted & set(instruction.outputs) and instruction.name not in without:
                wanted |= set(instruction.inputs).difference(known)
        return wanted

    @cached_property
    def wanted(self) -> tuple[Instruction, ...]:
        """The instructions to run."""
        needed = self.needed(known=self.known)
        return tuple([instruction for instruction in self.instructions if needed & set(instruction.outputs)])

    def run(self, arguments: Sequence[Any]) -> list[Any]:
        """The results, as plain arrays."""
        known = self.values(arguments)
        return [known[number] for number in self.results]

    def values(self, arguments: Sequence[Any]) -> dict[int, Any]:
        """All that is needed for the results, by number."""
        known = {**self.constants, **self.known, **dict(zip(self.arguments, arguments, strict=True))}
        for instruction in self.wanted:
            values = instruction.apply(*[known[number] for number in instruction.inputs])
            known.update(zip(instruction.outputs, values, strict=True))
        return known
