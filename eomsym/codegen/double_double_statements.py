"""Quadratic systems to statements of a double-double kernel: one call a relation, in a loop over coefficients.

Arithmetic costs so much more than memory here that nothing is gained by writing the coefficients out, as
``sample_loops`` does for doubles: a convolution is a call, and the code does not grow with the order.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from eomsym.codegen.sample_loops import SCALED_ARGUMENT
from eomsym.codegen.templates import is_function
from eomsym.errors import InputError
from eomsym.series.elementary import (
    ARGUMENT,
    Combination,
    ElementaryFunction,
    Integral,
    Relation,
)

Lines = list[str]


@dataclass(frozen=True)
class SystemProgram:
    """Statements on the series of one unit, arrays (terms, 2, block): ``start`` for order 0, ``series`` for order k.

    ``members`` names the series in the order of their slots; ``value`` and ``derivative`` are slots; ``functions``
    names the elementary functions that ``start`` calls.
    """

    members: tuple[str, ...]
    start: Lines
    series: Lines
    value: int
    derivative: int
    functions: tuple[str, ...]


def system_program(function: ElementaryFunction) -> SystemProgram:
    """The statements of a function's quadratic system.

    Raises ``InputError`` for a system with weights or reciprocals, and for a seed that has no template.
    """
    members = (ARGUMENT, SCALED_ARGUMENT, *function.members)
    start, series = [f"_clear({SCALED_ARGUMENT}[0])"], [f"_scale({SCALED_ARGUMENT}[k], {ARGUMENT}[k], float(k), 0.0)"]
    functions = []
    for relation in function.relations:
        if isinstance(relation, Integral):
            functions.append(relation.seed)
        start += _start(relation, function.name)
        series += _series(relation, function.name)
    if unknown := [seed for seed in functions if not is_function(seed)]:
        raise InputError(
            f"function {function.name!r}: double-double arithmetic knows no {unknown[0]}; take precision double"
        )
    return SystemProgram(
        members=members,
        start=start,
        series=series,
        value=members.index(function.value),
        derivative=members.index(function.derivative),
        functions=tuple(functions),
    )


def _start(relation: Relation, name: str) -> Lines:
    if isinstance(relation, Integral):
        return [f"_map_{relation.seed}({relation.target}[0], {ARGUMENT}[0])"]
    return _combination(relation, name, "0")


def _series(relation: Relation, name: str) -> Lines:
    if isinstance(relation, Integral):
        target = f"{relation.target}[k]"
        return [
            f"_clear({target})",
            f"_convolve({target}, {SCALED_ARGUMENT}, {relation.factor}, 1, k, {float(relation.sign)})",
            f"_divide({target}, float(k))",
        ]
    return _combination(relation, name, "k")


def _combination(relation: Relation, name: str, k: str) -> Lines:
    if not isinstance(relation, Combination) or relation.weight != Fraction(1):
        raise InputError(f"function {name!r}: double-double kernels know integrals and unweighted combinations only")
    target = f"{relation.target}[{k}]"
    lines = [f"_fill({target}, {float(relation.constant)}, 0.0)" if k == "0" else f"_clear({target})"]
    lines += [f"_add({target}, {member}[{k}])" for member in relation.linear]
    lines += [f"_convolve({target}, {p.left}, {p.right}, 0, {k}, {float(p.sign)})" for p in relation.products]
    return lines
