"""Programs of scalars run on truncated power series in any ring: coefficient by coefficient."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from eomsym.series.program import (
    Integrate,
    Invert,
    Multiply,
    Number,
    Operation,
    Parameter,
    Program,
    Sum,
    Variable,
    Weighted,
)


@dataclass(frozen=True)
class Ring:
    """Where coefficients live: ``number`` makes an element of a rational, ``seeds`` are functions of elements.

    Seeds are ``reciprocal`` and those of the elementary functions; ``power`` takes the exponent as its second argument.
    """

    number: Callable[[Fraction], Any]
    seeds: Mapping[str, Callable[..., Any]]


class ProgramRun:
    """A program along one curve: the coefficients of every row that are known so far."""

    def __init__(self, program: Program, point: Sequence[Any], parameters: Sequence[Any], ring: Ring) -> None:
        self._program, self._ring = program, ring
        self._variables = [program.operations.index(Variable(index)) for index in range(program.variables)]
        start: list[Any] = []
        for operation in program.operations:
            start.append(_start(operation, start, point, parameters, ring))
        self._rows = [[value] for value in start]

    def copy(self) -> ProgramRun:
        """A run that goes on from here by itself."""
        twin = copy(self)
        twin._rows = [list(row) for row in self._rows]
        return twin

    def outputs(self) -> list[Any]:
        """The last coefficient of the field that is known."""
        level = len(self._rows[self._variables[0]]) - 1
        return [_coefficient(self._rows[row], level, self._ring) for row in self._program.field]

    def advance(self, coefficients: Sequence[Any]) -> list[Any]:
        """The next coefficient of the field, from that of the curve."""
        level = len(self._rows[self._variables[0]])
        for row, value in zip(self._variables, coefficients, strict=True):
            self._rows[row].append(value)
        for row, (operation, carried) in enumerate(zip(self._program.operations, self._program.carried, strict=True)):
            if carried and not isinstance(operation, Variable):
                self._rows[row].append(_next(operation, self._rows, row, level, self._ring))
        return self.outputs()


def gradient_series(
    program: Program, curve: Sequence[Sequence[Any]], parameters: Sequence[Any], ring: Ring
) -> list[list[Any]]:
    """g along ``θ(η) = Σ_k curve[k] η^k``, coefficient by coefficient."""
    run = ProgramRun(program, curve[0], parameters, ring)
    return [run.outputs(), *(run.advance(coefficients) for coefficients in curve[1:])]


def _coefficient(row: Sequence[Any], k: int, ring: Ring) -> Any:
    """Coefficient k of a row; that of a constant is 0 beyond order 0."""
    return row[k] if k < len(row) else ring.number(Fraction(0))


def _start(
    operation: Operation, rows: Sequence[Any], point: Sequence[Any], parameters: Sequence[Any], ring: Ring
) -> Any:
    match operation:
        case Variable(index):
            return point[index]
        case Parameter(index):
            return parameters[index]
        case Number(value):
            return ring.number(value)
        case Sum(left, right, sign):
            return rows[left] + rows[right] if sign == 1 else rows[left] - rows[right]
        case Weighted(of, weight):
            return ring.number(weight) * rows[of]
        case Multiply(left, right):
            return rows[left] * rows[right]
        case Invert(of):
            return ring.seeds["reciprocal"](rows[of])
        case Integrate(argument, _, seed, _, None):
            return ring.seeds[seed](rows[argument])
        case Integrate(argument, _, seed, _, int(exponent)):
            return ring.seeds[seed](rows[argument], rows[exponent])
    raise TypeError(operation)


def _next(operation: Operation, state: list[list[Any]], row: int, k: int, ring: Ring) -> Any:
    match operation:
        case Sum(left, right, sign):
            a, b = _coefficient(state[left], k, ring), _coefficient(state[right], k, ring)
            return a + b if sign == 1 else a - b
        case Weighted(of, weight):
            return ring.number(weight) * state[of][k]
        case Multiply(left, right) if len(state[left]) <= k:  # a constant factor
            return state[left][0] * state[right][k]
        case Multiply(left, right):
            a, b = state[left], state[right]
            return sum((a[i] * b[k - i] for i in range(1, k + 1)), a[0] * b[k])
        case Invert(of):
            a, r = state[of], state[row]
            return -r[0] * sum((a[i] * r[k - i] for i in range(2, k + 1)), a[1] * r[k - 1])
        case Integrate(argument, factor, _, sign):
            z, v = state[argument], state[factor]
            total = k * z[k] * v[0] + sum((i * z[i] * v[k - i] for i in range(1, k)), ring.number(Fraction(0)))
            return ring.number(Fraction(sign, k)) * total
    raise TypeError(operation)
