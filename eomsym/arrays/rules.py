"""Rules of operations that are no elementary functions: linear, bilinear, quotients and choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any

from eomsym.arrays.machine import LONG, Backend, Operand, Row, Rule, RuleMaker, Series, total
from eomsym.arrays.program import Instruction


def linear(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """Linear in all inputs together, integers among them: what does not vary counts at order 0 only."""
    return _mapped(instruction, series, [True] * len(series))


def indexed(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """Linear in the floating-point inputs; the others say where, and hold at every order."""
    return _mapped(instruction, series, [backend.floating(operand[0]) for operand in series])


def first_only(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """Linear in the first input; the others stay what they are."""
    return _mapped(instruction, series, [place == 0 for place in range(len(series))])


def affine(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """As ``indexed``, for operations that put numbers of their own into the result: these count at order 0 only."""
    rule = indexed(instruction, series, backend)
    still = [backend.zeros(operand[0]) if backend.floating(operand[0]) else operand[0] for operand in series]
    own = instruction.apply(*still)
    return lambda level: [[row - part for row in rows] for rows, part in zip(rule(level), own, strict=True)]


def _mapped(instruction: Instruction, series: Sequence[Operand], moves: Sequence[bool]) -> Rule:
    def rule(level: int) -> list[Any]:
        values = [operand[level if moved else 0] for operand, moved in zip(series, moves, strict=True)]
        return mapped(instruction.apply, values, moves)

    return rule


def mapped(function: Callable[..., list[Any]], values: Sequence[Any], moves: Sequence[bool]) -> list[Row]:
    """A function of several results on every row of what moves."""
    rows = [value if moved else repeat(value) for value, moved in zip(values, moves, strict=True)]
    return [list(results) for results in zip(*map(function, *rows), strict=True)]


def bilinear(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """Linear in each of two inputs."""
    return bilinear_with(pairwise)(instruction, series, backend)


Convolution = Callable[[Instruction, list[Any], list[Any], Backend], Any]


def bilinear_with(convolve: Convolution) -> RuleMaker:
    """As ``bilinear``; ``convolve(instruction, lefts, rights, …)`` is ``Σ_i left_i right_i``."""

    def maker(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
        left, right = series
        return lambda level: [_product(instruction, convolve, left, right, level, backend)]

    return maker


def pairwise(instruction: Instruction, lefts: list[Any], rights: list[Any], backend: Backend) -> Any:
    """One product after the other."""
    return total([instruction.apply(left, right)[0] for left, right in zip(lefts, rights, strict=True)])


def entrywise(instruction: Instruction, lefts: list[Any], rights: list[Any], backend: Backend) -> Any:
    """Of numbers that stand in the same places."""
    if len(lefts) > LONG and lefts[0].ndim == rights[0].ndim:
        return backend.convolve(lefts, rights)
    return total([left * right for left, right in zip(lefts, rights, strict=True)])


def first_output(instruction: Instruction) -> Callable[..., Any]:
    """An operation of one result."""
    return lambda *values: instruction.apply(*values)[0]


def inner_rows(left: Series, right: Series, level: int, convolve: Callable[[list[Any], list[Any]], Any]) -> Row:
    """``Σ_{0<i<level} left_i right_{level−i}``, of which ``convolve`` makes each row; level ≥ 2."""
    lefts = zip(*(left.inner(i, level) for i in range(1, level)), strict=True)
    rights = zip(*(right.inner(level - i, level) for i in range(1, level)), strict=True)
    return left.rows.closed(level, [convolve(list(a), list(b)) for a, b in zip(lefts, rights, strict=True)])


def added(*parts: Row) -> Row:
    """Row by row."""
    return [total(rows) for rows in zip(*parts, strict=True)]


def _product(
    instruction: Instruction, convolve: Convolution, left: Series, right: Series, level: int, backend: Backend
) -> Row:
    parts = []
    if right.varies:
        parts += mapped(instruction.apply, [left[0], right[level]], [False, True])
    if left.varies:
        parts += mapped(instruction.apply, [left[level], right[0]], [True, False])
    if left.varies and right.varies and level > 1:
        parts.append(inner_rows(left, right, level, lambda a, b: convolve(instruction, a, b, backend)))
    return added(*parts) if len(parts) > 1 else parts[0]


TIMES = Instruction("times", lambda left, right: [left * right], (), ())


def times(left: Series, right: Series, level: int, backend: Backend) -> Any:
    """Coefficient ``level`` of the product of two series."""
    if level == 0:
        return left[0] * right[0]
    return _product(TIMES, entrywise, left, right, level, backend)


def divide(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """q = a / b from q b = a."""
    left, right = series
    over = first_output(instruction)
    quotient = Series(left.rows, left.rows.made(instruction))

    def rule(level: int) -> list[Any]:
        rest = left[level]
        if right.varies:
            parts = [[row * quotient[0] for row in right[level]]]
            if level > 1:
                parts.append(inner_rows(right, quotient, level, lambda a, b: entrywise(TIMES, a, b, backend)))
            rest = [row - taken for row, taken in zip(rest, added(*parts), strict=True)]
        quotient.values.append([over(row, right[0]) for row in rest])
        return [quotient[level]]

    return rule


def square(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """a · a."""
    return lambda level: [times(series[0], series[0], level, backend)]


def select(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """A choice among the inputs after the first, which does not vary."""
    which, *cases = series

    def chosen(*values: Any) -> list[Any]:
        return instruction.apply(which[0], *values)

    return lambda level: mapped(chosen, [case[level] for case in cases], [True] * len(cases))


def piecewise(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """Linear between kinks: max, abs, clip, sort, pooling; at and between them as the library's own derivative says."""
    values = [operand[0] for operand in series]
    moves = [operand.varies for operand in series]

    def along(*tangents: Any) -> list[Any]:
        return backend.push(instruction.apply, values, tangents)

    return lambda level: mapped(along, [operand[level] if operand.varies else None for operand in series], moves)
