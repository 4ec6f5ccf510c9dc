"""Runs a flat program on truncated power series, coefficient by coefficient, for any array library.

Coefficient 0 of a value is an array as the operation made it; higher ones have an additional first axis, one row a
node.  A node is one series; what the nodes are is no business of the machine.  Values that do not depend on the
arguments have coefficient 0 only.  Each kind of operation has one rule (``rules.py``, ``elementary_rules.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eomsym.array_series.program import FlatProgram, Instruction
from eomsym.errors import InputError


@dataclass(frozen=True)
class Backend:
    """What is asked of an array library, and its operations: name to rule.

    ``vmap(function, axes)`` maps over the first axis where ``axes`` says 0; ``stack(arrays)`` makes a new first axis;
    ``zeros(rows, like)`` has one axis more than ``like``; ``ramp(n, rank, like)`` is 1 … n along the first of
    ``rank`` axes;
    ``combine(weights, rows)`` is a matrix of floats times rows; ``flat`` names operations that are piecewise constant.
    """

    vmap: Callable[..., Any]
    stack: Callable[[list[Any]], Any]
    zeros: Callable[[int, Any], Any]
    ramp: Callable[[int, int, Any], Any]
    combine: Callable[[list[list[float]], Any], Any]
    floating: Callable[[Any], bool]
    seeds: Mapping[str, Callable[..., Any]]
    rules: Mapping[str, RuleMaker]
    flat: frozenset[str]
    advice: str


class Machine:
    """Runs a flat program coefficient by coefficient, ``rows`` nodes at once; ``arguments`` are coefficients 0."""

    def __init__(self, program: FlatProgram, arguments: Sequence[Any], rows: int, backend: Backend) -> None:
        self.program = program
        self.rows = rows
        self.backend = backend
        self._series: dict[int, list[Any]] = {number: [value] for number, value in program.constants.items()}
        self._series |= {number: [value] for number, value in zip(program.arguments, arguments, strict=True)}
        self._varying = set(program.arguments)
        self._rules: list[tuple[Instruction, Rule]] = []
        needed, self._carried = program.needed(), program.needed(backend.flat)
        for instruction in program.instructions:
            if needed & set(instruction.outputs):
                self._start(instruction)

    def _start(self, instruction: Instruction) -> None:
        values = instruction.apply(*(self._series[number][0] for number in instruction.inputs))
        for number, value in zip(instruction.outputs, values, strict=True):
            self._series[number] = [value]
        floating = any(map(self.backend.floating, values))
        carried = self._carried & set(instruction.outputs)
        varying = carried and any(number in self._varying for number in instruction.inputs)
        if not (varying and floating) or instruction.name in self.backend.flat:
            return
        if instruction.name not in self.backend.rules:
            raise InputError(
                f"loss_fn: the operation {instruction.name!r} has no rule for power series; {self.backend.advice}"
            )
        self._varying |= set(instruction.outputs)
        operands = [Operand(self, number) for number in instruction.inputs]
        self._rules.append((instruction, self.backend.rules[instruction.name](instruction, operands, self.backend)))

    def advance(self, level: int, arguments: Sequence[Any]) -> None:
        """Appends coefficient ``level`` of all values, given that of the arguments, one row a node."""
        for number, value in zip(self.program.arguments, arguments, strict=True):
            self._series[number].append(value)
        for instruction, rule in self._rules:
            for number, value in zip(instruction.outputs, rule(level), strict=True):
                self._series[number].append(value)

    def outputs(self, level: int) -> list[Any]:
        """Coefficient ``level`` of the results, zero for those that do not vary."""
        return [self.coefficient(number, level) for number in self.program.results]

    def varies(self, number: int) -> bool:
        """Whether a value depends on the arguments."""
        return number in self._varying

    def coefficient(self, number: int, level: int) -> Any:
        """Coefficient ``level`` of a value."""
        if level == 0 or self.varies(number):
            return self._series[number][level]
        return self.backend.zeros(self.rows, self._series[number][0])


class Operand:
    """An input's coefficients."""

    def __init__(self, machine: Machine, number: int) -> None:
        self._machine, self._number = machine, number

    @property
    def varies(self) -> bool:
        return self._machine.varies(self._number)

    def __getitem__(self, level: int) -> Any:
        return self._machine.coefficient(self._number, level)


class Known:
    """Coefficients that a rule keeps for itself; coefficient 0 first."""

    def __init__(self, first: Any, varies: bool = True) -> None:
        self.values = [first]
        self.varies = varies

    def __getitem__(self, level: int) -> Any:
        return self.values[level]


class Affine:
    """``factor · of + shift``."""

    varies = True

    def __init__(self, of: Operand, factor: float = 1.0, shift: float = 0.0) -> None:
        self._of, self._factor, self._shift = of, factor, shift

    def __getitem__(self, level: int) -> Any:
        scaled = self._of[level] if self._factor == 1.0 else self._factor * self._of[level]
        return scaled + self._shift if level == 0 and self._shift else scaled


Series = Operand | Known | Affine
Rule = Callable[[int], list[Any]]
RuleMaker = Callable[[Instruction, Sequence[Operand], Backend], Rule]
