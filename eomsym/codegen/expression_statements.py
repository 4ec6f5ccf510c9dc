"""A straight-line program as statements at order 0 and as a table for all higher coefficients, one line an operation.

The table is run through by one loop in the kernel.  A call a line instead took 38 s to compile at 124 operations (numba
0.68), the loop takes 3 s for any number, and is no slower.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from eomsym.codegen.seeds import SCALAR_SEEDS
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

#: Statements in one function: numba compiles several middling functions faster than one that is long.
PART = 200

Part = list[str]


@dataclass(frozen=True)
class SeriesOperation:
    """A line of the table that the kernel runs through at each coefficient; an unused operand repeats the other."""

    kind: str
    target: int
    a: int
    b: int
    weight: str = "1.0"


def start_parts(program: Program) -> list[Part]:
    """Order 0: every row of ``v`` from those before it."""
    lines = [f"v[{row}] = {_start(operation)}" for row, operation in enumerate(program.operations)]
    return [lines[first : first + PART] for first in range(0, len(lines), PART)]


def series_operations(program: Program) -> list[SeriesOperation]:
    """Coefficient k: one entry for each row that carries a series."""
    return [
        _series(row, operation, program)
        for row, operation in enumerate(program.operations)
        if program.carried[row] and not isinstance(operation, Variable)
    ]


def functions(program: Program) -> set[str]:
    """Helpers that the start needs."""
    seeds = {operation.seed for operation in program.operations if isinstance(operation, Integrate)}
    return {"logistic"} if "sigmoid" in seeds else set()


def _start(operation: Operation) -> str:
    match operation:
        case Variable(index):
            return f"theta[{index}]"
        case Parameter(index):
            return f"parameters[{index}]"
        case Number(value):
            return _literal(value)
        case Sum(left, right, sign):
            return f"v[{left}] {'+' if sign == 1 else '-'} v[{right}]"
        case Weighted(of, weight):
            return f"{_literal(weight)} * v[{of}]"
        case Multiply(left, right):
            return f"v[{left}] * v[{right}]"
        case Invert(of):
            return f"1.0 / v[{of}]"
        case Integrate(argument, _, seed, _, exponent):
            return SCALAR_SEEDS[seed].format(z=f"v[{argument}]", exponent=f"v[{exponent}]")
    raise TypeError(operation)


def _series(row: int, operation: Operation, program: Program) -> SeriesOperation:
    match operation:
        case Sum(left, right, sign):
            return SeriesOperation("ADD" if sign == 1 else "SUBTRACT", row, left, right)
        case Weighted(of, weight):
            return SeriesOperation("WEIGH", row, of, of, _literal(weight))
        case Multiply(left, right) if program.constant[left]:
            return SeriesOperation("SCALE", row, right, left)
        case Multiply(left, right) if left == right:
            return SeriesOperation("SQUARE", row, left, left)
        case Multiply(left, right):
            return SeriesOperation("MULTIPLY", row, left, right)
        case Invert(of):
            return SeriesOperation("INVERT", row, of, of)
        case Integrate(argument, factor, _, sign):
            return SeriesOperation("INTEGRATE", row, argument, factor, f"{float(sign)}")
    raise TypeError(operation)


def _literal(value: Fraction) -> str:
    """A rational as float64 arithmetic, rounded once; infinite beyond its range."""
    try:
        return repr(value.numerator / value.denominator)
    except OverflowError:
        return "np.inf" if value > 0 else "-np.inf"
