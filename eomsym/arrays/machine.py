"""Runs a flat program on truncated power series, coefficient by coefficient, for any array library.

Coefficient 0 of a value is an array as the operation made it; higher ones are lists of such *rows*, one a node: apart
from each other, so that a library sees plain products and sums of arrays.  Values that do not depend on the arguments
have coefficient 0 only.  Each kind of operation has one rule (``rules.py``, ``elementary_rules.py``).  A rule is linear
in the highest coefficients, which need no more rows than determine them; sums of products of lower ones are taken at
fewer nodes still (``Layout``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from eomsym.arrays.analysis import analysis_of
from eomsym.arrays.program import FlatProgram, Instruction

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Backend:
    """What is asked of an array library, and its operations: name to rule.

    ``zeros(like)`` has the same shape, ``where(condition, array, array)`` chooses; ``combine(numbers, arrays)`` and
    ``convolve(arrays, arrays)`` are sums of products, in few operations however long they are.
    ``push(function, values, tangents)`` is the library's own derivative of a function of arrays at ``values``, along
    tangents that are arrays, or None for what is still.
    ``accumulate(function, arrays)`` sums what a function, of the rows of some arrays, returns over all of them.
    ``precision(value)`` is the distance of 1 to the next number of its type; 0 for integers and bools.  ``flat`` names
    operations that are piecewise constant, ``choices`` those of them that jump and make numbers, ``kinks`` those whose
    derivative does; in operations that a user knows by a name in ``smooth`` they cancel, as ``shifts`` do of which only
    ``barriers``, which stop derivatives, know: a maximum is taken out of a sum of exponentials and put back.
    ``concrete(value)`` says whether a value can be looked at now; ``stand_in(array)`` is an array like one that cannot,
    or the array itself, and in ``looking()`` what is made of arrays can be.  ``like(numbers, array)`` are numbers of
    NumPy's as such an array.
    """

    zeros: Callable[[Any], Any]
    where: Callable[..., Any]
    combine: Callable[[list[float], list[Any]], Any]
    convolve: Callable[[list[Any], list[Any]], Any]
    push: Callable[..., list[Any]]
    floating: Callable[[Any], bool]
    is_complex: Callable[[Any], bool]
    precision: Callable[[Any], float]
    accumulate: Callable[..., list[Any]]
    like: Callable[[np.ndarray, Any], Any]
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
    stand_in: Callable[[Any], Any] = lambda array: array
    looking: Callable[[], AbstractContextManager[Any]] = nullcontext


class Layout(Protocol):
    """How many rows coefficients have: they are polynomials in what counts the nodes, and known from a few."""

    def rows(self, level: int) -> int:
        """Of a coefficient."""

    def inner(self, level: int) -> int:
        """Of sums of products of lower ones with that level in sum, at the first nodes."""

    def further(self, level: int, rows: int) -> Sequence[Sequence[Any]]:
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
    """Coefficients' rows, extended to further nodes where products ask for them, each once.

    ``values`` are coefficients 0 of the program's, by number.
    """

    def __init__(self, layout: Layout, backend: Backend, values: Mapping[int, Any]) -> None:
        self._layout, self.backend, self._values = layout, backend, values

    def made(self, instruction: Instruction) -> Any:
        """Coefficient 0 of an operation's first result."""
        return self._values[instruction.outputs[0]]

    def extended(self, kept: dict[int, Row], values: Row, level: int, rows: int) -> Row:
        """``values`` of a coefficient, at ``rows`` nodes; ``kept`` is the memory of what was found."""
        found = kept.setdefault(level, list(values))
        weights = self._layout.further(level, rows)[len(found) - len(values) :]
        found += [combined(row, values, self.backend) for row in weights]
        return found[:rows]

    def zero(self, like: Any, level: int) -> Row:
        """A coefficient that is zero."""
        return [self.backend.zeros(like)] * self._layout.rows(level)

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
        self.program, self.layout, self.backend = program, layout, backend
        self.arguments, self.given = program.arguments[: len(arguments)], given
        values = program.values([*arguments, *given])
        rows = Rows(layout, backend, values)
        self.analysis = analysis_of(program, values, len(arguments), backend)
        varying = self.analysis.varying
        self._series = {number: Operand(rows, value, number in varying) for number, value in values.items()}
        self.rules = [(instruction, self._rule(instruction)) for instruction in self.analysis.instructions]

    def _rule(self, instruction: Instruction) -> Rule:
        operands = [self._series[number] for number in instruction.inputs]
        return self.backend.rules[instruction.name](instruction, operands, self.backend)

    def advance(self, level: int, arguments: Sequence[Any]) -> None:
        """Appends coefficient ``level`` of all values, given that of the arguments, one row a node."""
        for number, value in zip(self.arguments, arguments, strict=True):
            self._series[number].values.append(value)
        for instruction, rule in self.rules:
            for number, value in zip(instruction.outputs, rule(level), strict=True):
                if self._series[number].varies:
                    self._series[number].values.append(value)

    def outputs(self, level: int) -> list[Any]:
        """Coefficient ``level`` of the results, zero for those that do not vary."""
        return [self.coefficient(number, level) for number in self.program.results]

    @property
    def order(self) -> int:
        """The highest coefficient known."""
        return len(self._series[self.arguments[0]].values) - 1 if self.arguments else 0

    def varies(self, number: int) -> bool:
        """Whether a value depends on the arguments."""
        return self._series[number].varies

    def coefficient(self, number: int, level: int) -> Any:
        """Coefficient ``level`` of a value."""
        return self._series[number][level]

    def curve(self, number: int) -> list[Any]:
        """All coefficients of a value at the first node."""
        rows = [self.coefficient(number, level)[self.layout.first(level)] for level in range(1, self.order + 1)]
        return [self.coefficient(number, 0), *rows]


class Series:
    """Coefficients of a value, by level, as far as they are known, such as a rule keeps for itself; 0 first."""

    def __init__(self, rows: Rows, first: Any, varies: bool = True) -> None:
        self.rows, self.values, self.varies = rows, [first], varies
        self._kept: dict[int, Any] = {}

    def __getitem__(self, level: int) -> Any:
        return self.values[level]

    def inner(self, level: int, of: int) -> Any:
        """A coefficient at the nodes at which products are taken that count in coefficient ``of``."""
        return self.rows.extended(self._kept, self[level], level, self.rows.inner(of))


class Operand(Series):
    """Those of a value of the program: zero above 0 where it does not vary."""

    def __getitem__(self, level: int) -> Any:
        return self.values[level] if self.varies or level == 0 else self.rows.zero(self.values[0], level)


Rule = Callable[[int], list[Any]]
RuleMaker = Callable[[Instruction, Sequence[Operand], Backend], Rule]
