"""The modified equation of explicit Euler by levels: all iterates at one coefficient of η before the next.

Coefficient k of g at the j-th iterate is a polynomial ``p_k(j)`` of degree k, with ``p_k(0) = 0`` for k ≥ 1, so its
values at k nodes determine it.  Its sum ``S_k(j) = Σ_{i<j} p_k(i)`` gives coefficient k + 1 of every iterate,
``−S_k(j)``, and the linear coefficient of S_k is ξ_{k−1} (g for k = 0).  Nodes 1, −1, 2, −2, … keep nearly all digits
where 0, 1, 2, … lose one an order.  This is the reference of the kernels of expressions; it works in any ring.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import comb, factorial, prod
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


def nodes(count: int) -> list[int]:
    """1, −1, 2, −2, …"""
    return [(i // 2 + 1) * (1 if i % 2 == 0 else -1) for i in range(count)]


def sum_weights(level: int, step: int) -> list[int]:
    """Weights of the first ``level`` nodes (of ``p_0(0)`` at level 0) in ``S_level(step)``."""
    left = level // 2

    def change(order: int) -> int:
        return binomial(step + left, order + 1) - comb(left, order + 1)

    return [int(weight) for weight in _node_weights(level, [Fraction(change(n)) for n in range(level + 1)])]


def slope_weights(level: int) -> list[Fraction]:
    """Weights of the first ``level`` nodes (of ``p_0(0)`` at level 0) in the linear coefficient of ``S_level``."""
    left = level // 2
    return _node_weights(level, [_binomial_slope(left, n + 1) for n in range(level + 1)])


def binomial(top: int, count: int) -> int:
    """``top (top − 1) … / count!`` for any integer ``top``."""
    return comb(top, count) if top >= 0 else (-1) ** count * comb(count - top - 1, count)


def _binomial_slope(top: int, count: int) -> Fraction:
    """Derivative of ``C(x, count)`` at x = ``top``."""
    terms = (prod(top - other for other in range(count) if other != omitted) for omitted in range(count))
    return Fraction(sum(terms), factorial(count))


def _node_weights(level: int, of_differences: Sequence[Fraction]) -> list[Fraction]:
    """Weights of values from weights of the forward differences at the leftmost node; that of p(0) = 0 is dropped."""
    left = level // 2
    weights = [
        sum(((-1) ** (n - i) * comb(n, i) * of_differences[n] for n in range(i, level + 1)), Fraction(0))
        for i in range(level + 1)
    ]
    return [weights[node + left] for node in nodes(level)] if level else weights


def program_counterterms(
    program: Program, point: Sequence[Any], parameters: Sequence[Any], terms: int, ring: Ring
) -> list[list[Any]]:
    """``[g, ξ_0, …, ξ_{terms−2}]`` of a program at a point, each a list of ring elements."""
    steps = nodes(max(terms - 1, 1))
    start: list[Any] = []
    for operation in program.operations:
        start.append(_start(operation, start, point, parameters, ring))
    states = [[[value] for value in start] for _ in steps]
    variables = [program.operations.index(Variable(index)) for index in range(program.variables)]
    result = []
    for k in range(terms):
        if k:
            for state in states:
                _advance(program, state, k, ring)
        slopes = _slope_weights(k)
        rows = [[_coefficient(state[row], k, ring) for state in states] for row in program.field]
        result.append([_combined(slopes, row, ring) for row in rows])
        for state, step in zip(states, steps, strict=True):
            weights = _step_weights(k, step)
            for variable, row in zip(variables, rows, strict=True):
                state[variable].append(_combined(weights, row, ring))
    return result


# Weights take longer than a small program does: kept for callers that run one at many points.
@cache
def _slope_weights(level: int) -> tuple[Fraction, ...]:
    return tuple(slope_weights(level))


@cache
def _step_weights(level: int, step: int) -> tuple[Fraction, ...]:
    return tuple(Fraction(-weight) for weight in sum_weights(level, step))


def gradient_series(
    program: Program, curve: Sequence[Sequence[Any]], parameters: Sequence[Any], ring: Ring
) -> list[list[Any]]:
    """g along ``θ(η) = Σ_k curve[k] η^k``, coefficient by coefficient."""
    start: list[Any] = []
    for operation in program.operations:
        start.append(_start(operation, start, curve[0], parameters, ring))
    state = [[value] for value in start]
    for k in range(1, len(curve)):
        for index in range(program.variables):
            state[program.operations.index(Variable(index))].append(curve[k][index])
        _advance(program, state, k, ring)
    return [[_coefficient(state[row], k, ring) for row in program.field] for k in range(len(curve))]


def _combined(weights: Sequence[Fraction], values: Sequence[Any], ring: Ring) -> Any:
    terms = [ring.number(weight) * value for weight, value in zip(weights, values, strict=False) if weight]
    return sum(terms[1:], terms[0]) if terms else ring.number(Fraction(0))


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


def _advance(program: Program, state: list[list[Any]], k: int, ring: Ring) -> None:
    """Appends coefficient k to every row that carries a series."""
    for row, (operation, carried) in enumerate(zip(program.operations, program.carried, strict=True)):
        if carried and not isinstance(operation, Variable):
            state[row].append(_next(operation, state, row, k, ring))


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
