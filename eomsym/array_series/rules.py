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
    axes = tuple(0 if moved else None for moved in moves)

    def rule(level: int) -> list[Any]:
        values = [operand[level if moved else 0] for operand, moved in zip(series, moves, strict=True)]
        return list(backend.vmap(instruction.apply, axes)(*values))

    return rule


def bilinear(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """Linear in each of two inputs."""
    return bilinear_with(_pairwise)(instruction, series, backend)


Convolution = Callable[[Instruction, Any, Any, Backend], Any]


def bilinear_with(convolve: Convolution) -> RuleMaker:
    """As ``bilinear``; ``convolve(instruction, lefts, rights, …)`` is ``Σ_i left_i right_i``, axes (i, node, …)."""

    def maker(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
        left, right = series
        return lambda level: [_product(instruction, convolve, left, right, level, backend)]

    return maker


def _pairwise(instruction: Instruction, lefts: Any, rights: Any, backend: Backend) -> Any:
    twice = backend.vmap(backend.vmap(first_output(instruction), (0, 0)), (0, 0))
    return twice(lefts, rights).sum(0)


def first_output(instruction: Instruction) -> Callable[..., Any]:
    """An operation of one result."""
    return lambda *values: instruction.apply(*values)[0]


def _product(
    instruction: Instruction, convolve: Convolution, left: Series, right: Series, level: int, backend: Backend
) -> Any:
    total = None
    if right.varies:
        total = backend.vmap(first_output(instruction), (None, 0))(left[0], right[level])
    if left.varies:
        share = backend.vmap(first_output(instruction), (0, None))(left[level], right[0])
        total = share if total is None else total + share
    if left.varies and right.varies and level > 1:
        lefts = backend.stack([left[i] for i in range(1, level)])
        rights = backend.stack([right[level - i] for i in range(1, level)])
        total = total + convolve(instruction, lefts, rights, backend)
    return total


_TIMES = Instruction("times", lambda left, right: [left * right], (), ())


def times(left: Series, right: Series, level: int, backend: Backend) -> Any:
    """Coefficient ``level`` of the product of two series."""
    if level == 0:
        return left[0] * right[0]
    return _product(_TIMES, _pairwise, left, right, level, backend)


def divide(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """q = a / b from q b = a."""
    left, right = series
    over = first_output(instruction)
    if not right.varies:
        return lambda level: [backend.vmap(over, (0, None))(left[level], right[0])]
    quotient = Known(over(left[0], right[0]))

    def rule(level: int) -> list[Any]:
        subtract = backend.vmap(lambda b, q: b * q, (0, None))
        rest = subtract(right[level], quotient[0])
        for i in range(1, level):
            rest = rest + backend.vmap(lambda b, q: b * q, (0, 0))(right[i], quotient[level - i])
        quotient.values.append(backend.vmap(lambda a, p, b: (a - p) / b, (0, 0, None))(left[level], rest, right[0]))
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
