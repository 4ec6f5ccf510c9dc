"""Quadratic systems to statements: the algebra of truncated series, written out one operation a line.

The kernel keeps the series of one hidden unit as rows of a small array, ``row = slot · terms + k`` for coefficient k,
one column a sample.  Each coefficient is a loop over samples whose body is made here; the loops vectorise because rows
are a constant distance apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from eomsym.series.elementary import (
    ARGUMENT,
    Combination,
    ElementaryFunction,
    Integral,
    Product,
    Reciprocal,
    Relation,
)

#: Seeds as Python expressions of the argument, stable for arguments of any size; ``_tanh`` and ``_exp`` vectorise.
SEEDS: Mapping[str, str] = {
    "tanh": "_tanh({z})",
    "sigmoid": "0.5 * (1.0 + _tanh(0.5 * {z}))",
    "softplus": "max({z}, 0.0) + math.log1p(_exp(-abs({z})))",
    "normal_distribution": "0.5 * math.erfc(-0.7071067811865476 * {z})",
    "normal_density": "0.3989422804014327 * _exp(-0.5 * {z} * {z})",
    "sin": "math.sin({z})",
    "cos": "math.cos({z})",
    "exp": "_exp({z})",
    "tan": "math.tan({z})",
    "sinh": "math.sinh({z})",
    "cosh": "math.cosh({z})",
    "log": "math.log({z})",
    "sqrt": "math.sqrt({z})",
    "atan": "math.atan({z})",
    "erf": "math.erf({z})",
    "erf_slope": "1.1283791670955126 * _exp(-{z} * {z})",
    "reciprocal": "1.0 / {z}",
}

#: The argument's coefficients times their index, ``k z_k``: what ``Integral`` convolves with.
SCALED_ARGUMENT = "dz"

Loop = list[str]


@dataclass(frozen=True)
class RowProgram:
    """Statements on the rows of one unit: ``start`` for order 0, then the loops of one coefficient after the other.

    ``slot`` maps the name of a series to its place; ``rows`` is the height of the whole array.
    """

    slot: Mapping[str, int]
    rows: int
    series: tuple[tuple[Loop, ...], ...]
    start: Loop
    value: int = 0
    derivative: int = 0

    @property
    def slots(self) -> int:
        """Number of series."""
        return len(self.slot)

    @property
    def functions(self) -> set[str]:
        """The vectorising elementary functions that ``start`` calls."""
        return {name for name in ("exp", "tanh") if any(f"_{name}(" in line for line in self.start)}


class _Rows:
    """Names the rows: loads of coefficients into scalars, and the store that ends a loop."""

    def __init__(self, slot: Mapping[str, int], terms: int) -> None:
        self.slot = slot
        self.terms = terms

    def at(self, member: str, k: int) -> str:
        return f"rows[{self.slot[member] * self.terms + k}, sample]"

    def loop(self, target: tuple[str, int], body: Callable[[_Loads], Loop]) -> Loop:
        loads = _Loads(self)
        statements = body(loads)
        return [*loads.lines, *statements, f"{self.at(*target)} = total"]


class _Loads:
    """Collects one load for each coefficient that a loop uses."""

    def __init__(self, rows: _Rows) -> None:
        self._rows = rows
        self.lines: Loop = []

    def __call__(self, member: str, k: int) -> str:
        name = f"{member}_{k}"
        line = f"{name} = {self._rows.at(member, k)}"
        if line not in self.lines:
            self.lines.append(line)
        return name


def function_program(function: ElementaryFunction, terms: int, extra_slots: int = 0) -> RowProgram:
    """The statements of a function's quadratic system for series of ``terms`` coefficients, in that many more slots."""
    members = (ARGUMENT, SCALED_ARGUMENT, *function.members)
    slot = {member: index for index, member in enumerate(members)}
    rows = _Rows(slot, terms)
    series = tuple(
        (_scaled_argument(rows, k), *(_relation_loop(relation, rows, k) for relation in function.relations))
        for k in range(1, terms)
    )
    start = [f"{ARGUMENT}_0 = {rows.at(ARGUMENT, 0)}"]
    for relation in function.relations:
        start += _relation_start(relation)
        start.append(f"{rows.at(relation.target, 0)} = {relation.target}_0")
    start.append(f"{rows.at(SCALED_ARGUMENT, 0)} = 0.0")
    height = (len(members) + extra_slots) * terms
    return RowProgram(slot, height, series, start, slot[function.value], slot[function.derivative])


def product_program(slot: Mapping[str, int], slots: int, terms: int, first: int = 0) -> RowProgram:
    """``target = left · right`` from coefficient ``first`` on; ``slot`` names these three in that order."""
    target, left, right = slot
    rows = _Rows(slot, terms)
    product = Combination(target, products=(Product(left, right),))
    series = tuple((_relation_loop(product, rows, k),) for k in range(first, terms))
    return RowProgram(slot, slots * terms, series, [])


def reciprocal_program(slot: Mapping[str, int], slots: int, terms: int) -> RowProgram:
    """``r = 1/t`` with ``t_0 = r_0 = 1``, so ``r_k = −Σ_{i=1}^k t_i r_{k−i}``; ``slot`` names r and t in that order."""
    inverse, series_of = slot
    rows = _Rows(slot, terms)

    def body(load: _Loads, k: int) -> Loop:
        factors = [(load(series_of, i), load(inverse, k - i)) for i in range(1, k + 1)]
        return [*_sum_of_products(factors), "total = -total"]

    loops = tuple((rows.loop((inverse, k), lambda load, k=k: body(load, k)),) for k in range(1, terms))  # type: ignore[misc]
    return RowProgram(slot, slots * terms, loops, [])


def _scaled_argument(rows: _Rows, k: int) -> Loop:
    return rows.loop((SCALED_ARGUMENT, k), lambda load: [f"total = {float(k)} * {load(ARGUMENT, k)}"])


def _relation_start(relation: Relation) -> Loop:
    target = f"{relation.target}_0"
    if isinstance(relation, Integral):
        return [f"{target} = {SEEDS[relation.seed].format(z=f'{ARGUMENT}_0')}"]
    if isinstance(relation, Reciprocal):
        return [f"{target} = 1.0 / {relation.of}_0"]
    lines = [f"{target} = {float(relation.constant)}"]
    lines += [f"{target} += {member}_0" for member in relation.linear]
    lines += [f"{target} {'+' if p.sign > 0 else '-'}= {p.left}_0 * {p.right}_0" for p in relation.products]
    return lines + _weighted(relation, target)


def _relation_loop(relation: Relation, rows: _Rows, k: int) -> Loop:
    if isinstance(relation, Integral):
        return rows.loop((relation.target, k), lambda load: _integral(relation, load, k))
    if isinstance(relation, Reciprocal):
        return rows.loop((relation.target, k), lambda load: _reciprocal(relation, load, k))
    return rows.loop((relation.target, k), lambda load: _combination(relation, load, k))


def _integral(relation: Integral, load: _Loads, k: int) -> Loop:
    factors = [(load(SCALED_ARGUMENT, i), load(relation.factor, k - i)) for i in range(1, k + 1)]
    lines = _sum_of_products(factors)
    if relation.sign * k != 1:
        lines.append(f"total = total / {float(relation.sign * k)}")
    return lines


def _combination(relation: Combination, load: _Loads, k: int) -> Loop:
    lines: Loop = []
    for product in relation.products:
        sign = "+" if product.sign > 0 else "-"
        for multiple, left, right in convolution(product, load, k):
            term = f"{'' if multiple == 1 else f'{float(multiple)} * '}{left} * {right}"
            lines.append(f"total {sign}= {term}" if lines else f"total = {'' if sign == '+' else '-'}{term}")
    for member in relation.linear:
        lines.append(f"total += {load(member, k)}" if lines else f"total = {load(member, k)}")
    return (lines or ["total = 0.0"]) + _weighted(relation, "total")


def _weighted(relation: Combination, name: str) -> Loop:
    return [] if relation.weight == 1 else [f"{name} = {float(relation.weight)!r} * {name}"]


def _reciprocal(relation: Reciprocal, load: _Loads, k: int) -> Loop:
    factors = [(load(relation.of, i), load(relation.target, k - i)) for i in range(1, k + 1)]
    return [*_sum_of_products(factors), f"total = -total * {load(relation.target, 0)}"]


def convolution(product: Product, load: Callable[[str, int], str], k: int) -> list[tuple[int, str, str]]:
    """Terms (multiple, left, right) of coefficient k of a product; a square has half as many."""
    if product.left != product.right:
        return [(1, load(product.left, i), load(product.right, k - i)) for i in range(k + 1)]
    pairs = [(2, load(product.left, i), load(product.left, k - i)) for i in range((k + 1) // 2)]
    middle = [(1, load(product.left, k // 2), load(product.left, k // 2))] if k % 2 == 0 else []
    return pairs + middle


def _sum_of_products(pairs: Sequence[tuple[str, str]]) -> Loop:
    return [f"total {'+=' if index else '='} {left} * {right}" for index, (left, right) in enumerate(pairs)]
