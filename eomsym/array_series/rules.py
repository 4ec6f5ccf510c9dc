"""Rules of operations that are no elementary functions: linear, bilinear, quotients and choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from eomsym.array_series.machine import Backend, Known, Operand, Rule, RuleMaker, Series
from eomsym.array_series.program import Instruction


def linear(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """Linear in all inputs together, integers among them: what does not vary counts at order 0 only."""
    return _mapped(instruction, series, [True] * len(series), backend)


def indexed(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """Linear in the floating-point inputs; the others say where, and hold at every order."""
    return _mapped(instruction, series, [backend.floating(operand[0]) for operand in series], backend)


def held(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """Linear in the first input; the others stay what they are."""
    return _mapped(instruction, series, [place == 0 for place in range(len(series))], backend)


def affine(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """As ``indexed``, for operations that put numbers of their own into the result: these count at order 0 only."""
    rule = indexed(instruction, series, backend)
    still = [backend.zeros(1, operand[0])[0] if backend.floating(operand[0]) else operand[0] for operand in series]
    own = instruction.apply(*still)
    return lambda level: [value - part for value, part in zip(rule(level), own, strict=True)]


def _mapped(instruction: Instruction, series: Sequence[Operand], moves: Sequence[bool], backend: Backend) -> Rule:
    def rule(level: int) -> list[Any]:
        values = [operand[level if moved else 0] for operand, moved in zip(series, moves, strict=True)]
        return mapped(instruction, values, moves, backend)

    return rule


def mapped(instruction: Instruction, values: Sequence[Any], moves: Sequence[bool], backend: Backend) -> list[Any]:
    """An operation on every row of what moves; a single row costs nothing but itself."""
    if all(len(value) == 1 for value, moved in zip(values, moves, strict=True) if moved):
        single = [backend.row(value, 0) if moved else value for value, moved in zip(values, moves, strict=True)]
        return [made[None] for made in instruction.apply(*single)]
    return list(backend.vmap(instruction.apply, tuple(0 if moved else None for moved in moves))(*values))


def bilinear(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """Linear in each of two inputs."""
    return bilinear_with(pairwise)(instruction, series, backend)


Pairs = Sequence[tuple[Any, Any]]
Convolution = Callable[[Instruction, Pairs, Backend], Any]


def bilinear_with(convolve: Convolution) -> RuleMaker:
    """As ``bilinear``; ``convolve(instruction, pairs, …)`` is the sum of the products of pairs, row by row."""

    def maker(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
        left, right = series
        return lambda level: [_product(instruction, convolve, left, right, level, backend)]

    return maker


def pairwise(instruction: Instruction, pairs: Pairs, backend: Backend) -> Any:
    rows = [
        total([instruction.apply(backend.row(left, row), backend.row(right, row))[0] for left, right in pairs])
        for row in range(len(pairs[0][0]))
    ]
    return backend.stack(rows)


def entrywise(instruction: Instruction, pairs: Pairs, backend: Backend) -> Any:
    """Of numbers that stand in the same places."""
    return total([left * right for left, right in pairs])


def total(parts: Sequence[Any]) -> Any:
    """The sum of some arrays."""
    return sum(parts[1:], parts[0])


def first_output(instruction: Instruction) -> Callable[..., Any]:
    """An operation of one result."""
    return lambda *values: instruction.apply(*values)[0]


def pairs_of(left: Series, right: Series, level: int) -> list[tuple[Any, Any]]:
    """What is multiplied in coefficient ``level`` of a product, but for coefficients 0: at the inner nodes."""
    return [(left.inner(i, level), right.inner(level - i, level)) for i in range(1, level)]


def _product(
    instruction: Instruction, convolve: Convolution, left: Series, right: Series, level: int, backend: Backend
) -> Any:
    parts = []
    if right.varies:
        parts += mapped(instruction, [left[0], right[level]], [False, True], backend)
    if left.varies:
        parts += mapped(instruction, [left[level], right[0]], [True, False], backend)
    if left.varies and right.varies and level > 1:
        parts.append(left.rows.closed(level, convolve(instruction, pairs_of(left, right, level), backend)))
    return total(parts)


_TIMES = Instruction("times", lambda left, right: [left * right], (), ())


def times(left: Series, right: Series, level: int, backend: Backend) -> Any:
    """Coefficient ``level`` of the product of two series."""
    if level == 0:
        return left[0] * right[0]
    return _product(_TIMES, entrywise, left, right, level, backend)


def divide(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """q = a / b from q b = a."""
    left, right = series
    over = first_output(instruction)
    quotient = Known(left.rows, over(left[0], right[0]))

    def rule(level: int) -> list[Any]:
        rest = left[level]
        if right.varies:
            parts = mapped(_TIMES, [right[level], quotient[0]], [True, False], backend)
            if level > 1:
                parts.append(left.rows.closed(level, pairwise(_TIMES, pairs_of(right, quotient, level), backend)))
            rest = backend.vmap(lambda a, p: a - p, (0, 0))(rest, total(parts))
        quotient.values += mapped(instruction, [rest, right[0]], [True, False], backend)
        return [quotient[level]]

    return rule


def square(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """a · a."""
    return lambda level: [times(series[0], series[0], level, backend)]


def select(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """A choice among the inputs after the first, which does not vary."""
    which, *cases = series

    def rule(level: int) -> list[Any]:
        chosen = backend.vmap(lambda *values: instruction.apply(which[0], *values), (0,) * len(cases))
        return list(chosen(*(case[level] for case in cases)))

    return rule


def piecewise(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """Linear between kinks: max, abs, clip, sort, pooling; at and between them as the library's own derivative says."""
    values = [operand[0] for operand in series]
    moves = [operand.varies for operand in series]

    def rule(level: int) -> list[Any]:
        tangents = [operand[level] if moved else None for operand, moved in zip(series, moves, strict=True)]
        return backend.push(instruction.apply, values, tangents)

    return rule
