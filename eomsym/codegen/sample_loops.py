"""Quadratic systems to loops over samples that keep a whole group of coefficients in registers.

The kernel keeps the series of one layer as rows, ``row = slot · terms + k`` for coefficient k, one column for each unit
and sample, all in one array: rows are then a constant distance apart and the loops vectorise.  All
coefficients of a group are one loop body: each is loaded once, used from registers, and stored once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from eomsym.codegen.seeds import SEEDS
from eomsym.series.elementary import (
    ARGUMENT,
    Combination,
    ElementaryFunction,
    Integral,
    Reciprocal,
    Relation,
)

#: The argument's coefficients times their index, ``k z_k``: what ``Integral`` convolves with.
SCALED_ARGUMENT = "dz"

#: LLVM compares every store of a loop with every other access, and gives up on vector code where that is too much work:
#: measured with numba 0.68, loops of up to 120 pairs are always vectorised, some of 147 are not.
PAIRS = 120

#: Sums are cut into statements of about so many characters.
WIDTH = 90

#: Text of the place where coefficient k is.
Row = Callable[[int], str]


@dataclass(frozen=True)
class Group:
    """The body of one loop: coefficients ``first`` to ``last``."""

    first: int
    last: int
    lines: tuple[str, ...]


@dataclass
class _Body:
    """Collects statements; what is used before it is made is loaded first."""

    loads: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    stores: list[str] = field(default_factory=list)
    known: set[str] = field(default_factory=set)

    def use(self, name: str, source: str) -> str:
        if name not in self.known:
            self.known.add(name)
            self.loads.append(f"{name} = {source}")
        return name

    def make(self, name: str, terms: Sequence[str]) -> None:
        self.known.add(name)
        self.lines += _sum(name, terms)

    def derive(self, name: str, expression: str) -> str:
        if name not in self.known:
            self.known.add(name)
            self.lines.append(f"{name} = {expression}")
        return name

    @property
    def pairs(self) -> int:
        """Pairs of a store and another access."""
        stores = len({line.split(" = ")[0] for line in self.stores})
        return stores * len(self.loads) + stores * (stores - 1) // 2

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.loads, *self.lines, *self.stores)


def _sum(name: str, terms: Sequence[str]) -> list[str]:
    """``name`` is the sum of ``terms``, left to right; a term opens with its sign where that is minus."""
    lines = []
    text, *others = terms or ("0.0",)
    for term in others:
        added = f" - {term[1:]}" if term.startswith("-") else f" + {term}"
        if len(text) + len(added) > WIDTH:
            lines.append(f"{name} = {text}")
            text = name
        text += added
    return [*lines, f"{name} = {text}"]


#: A coefficient and what writes its statements.
Step = tuple[int, Callable[[_Body], None]]


def slots(function: ElementaryFunction) -> Mapping[str, int]:
    """Where each series of a function's system lies: the argument first."""
    return {member: index for index, member in enumerate((ARGUMENT, *function.members))}


def start_lines(function: ElementaryFunction, terms: int) -> list[str]:
    """Order 0 of all members, from the argument's row to their rows and to the cache, one row a slot."""
    lines = [f"{ARGUMENT}_0 = rows[0, i]", f"cache[0, i] = {ARGUMENT}_0"]
    for relation in function.relations:
        target = f"{relation.target}_0"
        if isinstance(relation, Integral):
            lines.append(f"{target} = {SEEDS[relation.seed].format(z=f'{ARGUMENT}_0')}")
        elif isinstance(relation, Reciprocal):
            lines.append(f"{target} = 1.0 / {relation.of}_0")
        else:
            constant = [repr(float(relation.constant))] if relation.constant else []
            products = _product_terms(relation, lambda member, k: f"{member}_{k}", 0)
            lines += _sum(target, [*constant, *(f"{member}_0" for member in relation.linear), *products])
            lines += _weight(relation, target)
    for slot, member in enumerate(function.members, 1):
        lines.append(f"rows[{slot * terms}, i] = {member}_0")
        lines.append(f"cache[{slot}, i] = {member}_0")
    return lines


def series_groups(function: ElementaryFunction, terms: int) -> list[Group]:
    """Coefficients 1 … terms − 1 of all members, from those of the argument and from order 0."""
    slot = slots(function)

    def place(member: str, k: int) -> str:
        return f"rows[{slot[member] * terms + k}, i]"

    def step(k: int, relation: Relation) -> Step:
        def write(body: _Body) -> None:
            _coefficient(relation, k, body, lambda member, j: _load(body, member, j, place))
            body.stores.append(f"{place(relation.target, k)} = {relation.target}_{k}")

        return k, write

    return _groups([step(k, relation) for k in range(1, terms) for relation in function.relations])


def product_groups(left: Row, right: Row, terms: int) -> list[Group]:
    """``right`` becomes ``left · right``, highest group first; both say where coefficient k is."""

    def step(k: int) -> Step:
        def write(body: _Body) -> None:
            pairs = [(body.use(f"left_{i}", left(i)), body.use(f"right_{k - i}", right(k - i))) for i in range(k + 1)]
            body.stores += _sum(right(k), [f"{a} * {b}" for a, b in pairs])

        return k, write

    return _groups([step(k) for k in range(terms)])[::-1]


def _groups(steps: Sequence[Step]) -> list[Group]:
    """Consecutive steps as loops that are as long as LLVM will vectorise."""
    groups: list[list[Step]] = []
    for step in steps:
        if groups and _body([*groups[-1], step]).pairs <= PAIRS:
            groups[-1].append(step)
        else:
            groups.append([step])
    return [Group(group[0][0], group[-1][0], _body(group).all) for group in groups]


def _body(steps: Sequence[Step]) -> _Body:
    body = _Body()
    for _, write in steps:
        write(body)
    return body


def _load(body: _Body, member: str, k: int, place: Callable[[str, int], str]) -> str:
    if member != SCALED_ARGUMENT:
        return body.use(f"{member}_{k}", place(member, k))
    argument = body.use(f"{ARGUMENT}_{k}", place(ARGUMENT, k))
    return argument if k == 1 else body.derive(f"{SCALED_ARGUMENT}_{k}", f"{float(k)!r} * {argument}")


def _coefficient(relation: Relation, k: int, body: _Body, load: Callable[[str, int], str]) -> None:
    """Statements for coefficient k of one relation's target."""
    name = f"{relation.target}_{k}"
    if isinstance(relation, Integral):
        factors = [(load(SCALED_ARGUMENT, i), load(relation.factor, k - i)) for i in range(1, k + 1)]
        body.make(name, [f"{left} * {right}" for left, right in factors])
        if relation.sign * k != 1:
            body.lines.append(f"{name} *= {relation.sign / k!r}")
    elif isinstance(relation, Reciprocal):
        factors = [(load(relation.of, i), load(relation.target, k - i)) for i in range(1, k + 1)]
        body.make(name, [f"{left} * {right}" for left, right in factors])
        body.lines.append(f"{name} *= -{load(relation.target, 0)}")
    else:
        body.make(name, [*_product_terms(relation, load, k), *(load(member, k) for member in relation.linear)])
        body.lines += _weight(relation, name)


def _product_terms(relation: Combination, load: Callable[[str, int], str], k: int) -> list[str]:
    """Coefficient k of the products of a relation, term by term; a square has half as many."""
    terms = []
    for product in relation.products:
        sign, square = "" if product.sign > 0 else "-", product.left == product.right
        for i in range(k // 2 + 1 if square else k + 1):
            factor = "2.0 * " if square and 2 * i < k else ""
            terms.append(f"{sign}{factor}{load(product.left, i)} * {load(product.right, k - i)}")
    return terms


def _weight(relation: Combination, name: str) -> list[str]:
    return [] if relation.weight == 1 else [f"{name} *= {float(relation.weight)!r}"]
