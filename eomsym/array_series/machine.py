"""Runs a flat program on truncated power series, coefficient by coefficient, for any array library.

Coefficient 0 of a value is an array as the operation made it; higher ones are lists of such *rows*, one a node: apart
from each other, so that a library sees plain products and sums of arrays.  Values that do not depend on the arguments
have coefficient 0 only.  Each kind of operation has one rule (``rules.py``, ``elementary_rules.py``).  A rule is linear
in the highest coefficients, which need no more rows than determine them; sums of products of lower ones are taken at
fewer nodes still (``Layout``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from eomsym.array_series.program import FlatProgram, Instruction
from eomsym.errors import InputError

#: Of floating-point numbers they make what is no such number, but jump on single points only.
EQUALITIES = frozenset(["eq", "isnan", "isinf"])
INEQUALITIES = frozenset(["ne", "is_finite", "isfinite", "logical_not", "not"])
CONJUNCTIONS = frozenset(["logical_and", "bitwise_and", "and"])


@dataclass(frozen=True)
class Backend:
    """What is asked of an array library, and its operations: name to rule.

    ``zeros(like)`` has the same shape; ``combine(numbers, arrays)`` and ``convolve(arrays, arrays)`` are sums of
    products, in few operations however long they are.  ``push(function, values, tangents)`` is the library's own
    derivative of a function of arrays at ``values``, along tangents that are arrays, or None for what is still.
    ``accumulate(function, arrays)`` sums what a function, of the rows of some arrays, returns over all of them.
    ``precision(value)`` is the distance of 1 to the next number of its type; 0 for integers and bools.  ``flat`` names
    operations that are piecewise constant, ``choices`` those of them that jump and make numbers, ``kinks`` those whose
    derivative does; in operations that a user knows by a name in ``smooth`` they cancel, as ``shifts`` do of which only
    ``barriers``, which stop derivatives, know: a maximum is taken out of a sum of exponentials and put back.
    ``concrete(value)`` says whether a value can be looked at now.
    """

    zeros: Callable[[Any], Any]
    combine: Callable[[list[float], list[Any]], Any]
    convolve: Callable[[list[Any], list[Any]], Any]
    push: Callable[..., list[Any]]
    floating: Callable[[Any], bool]
    is_complex: Callable[[Any], bool]
    precision: Callable[[Any], float]
    accumulate: Callable[..., list[Any]]
    seeds: Mapping[str, Callable[..., Any]]
    rules: Mapping[str, RuleMaker]
    flat: frozenset[str]
    choices: frozenset[str]
    kinks: frozenset[str]
    smooth: frozenset[str]
    advice: str
    shifts: frozenset[str] = frozenset()
    barriers: frozenset[str] = frozenset()
    concrete: Callable[[Any], bool] = lambda value: True


class Layout(Protocol):
    """How many rows coefficients have: they are polynomials in what counts the nodes, and known from a few."""

    def rows(self, level: int) -> int:
        """Of a coefficient."""

    def inner(self, level: int) -> int:
        """Of sums of products of lower ones with that level in sum, at the first nodes."""

    def extension(self, level: int, rows: int) -> Sequence[Sequence[Any]]:
        """The weights that give a coefficient at further nodes, up to ``rows`` in all."""

    def closing(self, level: int) -> tuple[bool, Sequence[Sequence[Any]]]:
        """What makes the coefficient's rows of inner ones: whether those are kept, and weights of further ones."""

    def first(self, level: int) -> int:
        """Which row is that of the first node."""


Row = list[Any]


#: Longer sums are taken as one operation: they take longer and compile in less time.
LONG = 8


def total(parts: Sequence[Any]) -> Any:
    """The sum of some arrays."""
    return sum(parts[1:], parts[0])


def combined(weights: Sequence[Any], rows: Row, backend: Backend) -> Any:
    """``Σ_i weights_i · rows_i``."""
    terms = [(float(weight), row) for weight, row in zip(weights, rows, strict=False) if weight]
    if len(terms) > LONG:
        return backend.combine([weight for weight, _ in terms], [row for _, row in terms])
    return total([row if weight == 1 else weight * row for weight, row in terms] or [0 * rows[0]])


class Rows:
    """Coefficients' rows, extended to further nodes where products ask for them, each once."""

    def __init__(self, layout: Layout, backend: Backend) -> None:
        self._layout, self.backend = layout, backend

    def extended(self, kept: dict[int, Row], values: Row, level: int, rows: int) -> Row:
        """``values`` of a coefficient, at ``rows`` nodes; ``kept`` is the memory of what was found."""
        found = kept.setdefault(level, list(values))
        weights = self._layout.extension(level, rows)[len(found) - len(values) :]
        found += [combined(row, values, self.backend) for row in weights]
        return found[:rows]

    def inner(self, level: int) -> int:
        return self._layout.inner(level)

    def closed(self, level: int, inner: Row) -> Row:
        """The rows of a coefficient from those of a sum of products."""
        kept, weights = self._layout.closing(level)
        return (inner if kept else []) + [combined(row, inner, self.backend) for row in weights]


class Machine:
    """Runs a flat program coefficient by coefficient at all nodes of a layout.

    ``arguments`` are coefficients 0 of those that move, ``given`` are those after them, which do not.
    """

    def __init__(
        self,
        program: FlatProgram,
        arguments: Sequence[Any],
        layout: Layout,
        backend: Backend,
        given: Sequence[Any] = (),
    ) -> None:
        self.program = program
        self.arguments, self.given = program.arguments[: len(arguments)], given
        self.layout = layout
        self.rows = Rows(layout, backend)
        self.backend = backend
        self._series: dict[int, list[Any]] = {number: [value] for number, value in program.constants.items()}
        self._series |= {number: [value] for number, value in zip(program.arguments, [*arguments, *given], strict=True)}
        self._varying = set(self.arguments)
        #: What depends on the arguments, by jumps too, and of that what jumps, with the name of the operation.
        self._moving, self._chosen = set(self.arguments), dict[int, str]()
        #: Conditions that hold nowhere but on single points.
        self._rare: set[int] = set()
        self.rules: list[tuple[Instruction, Rule]] = []
        #: Coefficients at more nodes than their own, by number and level.
        self.kept: dict[int, dict[int, Any]] = {}
        #: Operations with a kink, by the names that a user knows, and the coarsest number type of a series.
        self.kinks: list[str] = list(program.decisions)
        self.coarsest = max((backend.precision(value), "params") for value in arguments) if arguments else (0.0, "")
        needed, self._carried = program.needed(), program.needed(backend.flat)
        self._bare = program.needed(backend.barriers)
        for instruction in program.instructions:
            if needed & set(instruction.outputs):
                self._start(instruction)
        self.kinks += [self._chosen[number] for number in program.results if number in self._chosen]

    def _start(self, instruction: Instruction) -> None:
        values = instruction.apply(*(self._series[number][0] for number in instruction.inputs))
        for number, value in zip(instruction.outputs, values, strict=True):
            self._series[number] = [value]
        moving = any(number in self._moving for number in instruction.inputs)
        floating = [n for n, value in zip(instruction.outputs, values, strict=True) if self.backend.floating(value)]
        self._refuse_complex(instruction, values, moving)
        self._moving |= set(instruction.outputs) if moving else set()
        carried = self._carried & set(instruction.outputs)
        varying = carried and floating and any(number in self._varying for number in instruction.inputs)
        varies = bool(varying) and instruction.name not in self.backend.flat
        self._note_kinks(instruction, set(floating) if varies else set(), moving)
        if not varies:
            return
        if instruction.name not in self.backend.rules:
            raise InputError(
                f"loss_fn: the operation {instruction.name!r} has no rule for power series; {self.backend.advice}"
            )
        self._varying |= set(floating)
        precision = max(self.backend.precision(self._series[number][0]) for number in floating)
        if precision > self.coarsest[0]:
            self.coarsest = precision, known_as(instruction)
        operands = [Operand(self, number) for number in instruction.inputs]
        self.rules.append((instruction, self.backend.rules[instruction.name](instruction, operands, self.backend)))

    def _refuse_complex(self, instruction: Instruction, values: Sequence[Any], moving: bool) -> None:
        if moving and any(map(self.backend.is_complex, values)):
            raise InputError(
                f"loss_fn: {known_as(instruction)!r} makes complex numbers of the parameters, which have no rules; "
                "write real and imaginary parts as arrays of their own, or use lookahead_field"
            )

    def _note_kinks(self, instruction: Instruction, varying: set[int], moving: bool) -> None:
        """Follows what jumps until it meets something that moves: there the derivative jumps."""
        names = [self._chosen[number] for number in instruction.inputs if number in self._chosen]
        joined = instruction.name in CONJUNCTIONS and bool(self._rare & set(instruction.inputs))
        if joined or (moving and not names and instruction.name in EQUALITIES):
            self._rare |= set(instruction.outputs)
            return
        shift = instruction.name in self.backend.shifts and not self._bare & set(instruction.outputs)
        if moving and self._jumps(instruction) and not shift and instruction.origin not in self.backend.smooth:
            names.append(known_as(instruction))
        if names:
            self._chosen |= {number: names[0] for number in instruction.outputs if number not in varying}
            self.kinks += names if varying else []

    def _jumps(self, instruction: Instruction) -> bool:
        """Whether a result or its derivative jumps where inputs move: no number of floating point can do else."""
        if instruction.name in self.backend.kinks | self.backend.choices:
            return True
        real = self.backend.floating
        given = [real(self._series[number][0]) for number in instruction.inputs if number in self._moving]
        made = [real(self._series[number][0]) for number in instruction.outputs]
        return any(given) and not any(made) and instruction.name not in INEQUALITIES

    def advance(self, level: int, arguments: Sequence[Any]) -> None:
        """Appends coefficient ``level`` of all values, given that of the arguments, one row a node."""
        for number, value in zip(self.arguments, arguments, strict=True):
            self._series[number].append(value)
        for instruction, rule in self.rules:
            for number, value in zip(instruction.outputs, rule(level), strict=True):
                if number in self._varying:
                    self._series[number].append(value)

    def outputs(self, level: int) -> list[Any]:
        """Coefficient ``level`` of the results, zero for those that do not vary."""
        return [self.coefficient(number, level) for number in self.program.results]

    @property
    def order(self) -> int:
        """The highest coefficient known."""
        return len(self._series[self.arguments[0]]) - 1 if self.arguments else 0

    def varies(self, number: int) -> bool:
        """Whether a value depends on the arguments."""
        return number in self._varying

    def coefficient(self, number: int, level: int) -> Any:
        """Coefficient ``level`` of a value."""
        if level == 0 or self.varies(number):
            return self._series[number][level]
        return [self.backend.zeros(self._series[number][0])] * self.layout.rows(level)


def known_as(instruction: Instruction) -> str:
    """The name of an operation that a user knows."""
    return instruction.origin or instruction.name


class Series(ABC):
    """Coefficients of a value, by level."""

    varies = True

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self._kept: dict[int, Any] = {}

    @abstractmethod
    def __getitem__(self, level: int) -> Any: ...

    def inner(self, level: int, of: int) -> Any:
        """A coefficient at the nodes at which products are taken that count in coefficient ``of``."""
        return self.rows.extended(self._kept, self[level], level, self.rows.inner(of))


class Operand(Series):
    """An input's coefficients."""

    def __init__(self, machine: Machine, number: int) -> None:
        super().__init__(machine.rows)
        self._machine, self._number = machine, number
        self._kept = machine.kept.setdefault(number, {})

    @property
    def varies(self) -> bool:  # type: ignore[override]
        return self._machine.varies(self._number)

    def __getitem__(self, level: int) -> Any:
        return self._machine.coefficient(self._number, level)


class Known(Series):
    """Coefficients that a rule keeps for itself; coefficient 0 first."""

    def __init__(self, rows: Rows, first: Any, varies: bool = True) -> None:
        super().__init__(rows)
        self.values = [first]
        self.varies = varies

    def __getitem__(self, level: int) -> Any:
        return self.values[level]


class Affine(Series):
    """``factor · of + shift``."""

    def __init__(self, of: Operand, factor: float = 1.0, shift: float = 0.0) -> None:
        super().__init__(of.rows)
        self._of, self._factor, self._shift = of, factor, shift

    def __getitem__(self, level: int) -> Any:
        value = self._of[level]
        if level == 0:
            return self._factor * value + self._shift
        return value if self._factor == 1.0 else [self._factor * row for row in value]


Rule = Callable[[int], list[Any]]
RuleMaker = Callable[[Instruction, Sequence[Operand], Backend], Rule]
