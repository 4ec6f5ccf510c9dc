"""Optimisers by design: the members of a family whose equation of motion is as wanted, by exact order conditions.

The counter terms of the family are derived with its free coefficients as symbols: that of each tree is a rational
function of them, and a condition is that its difference from what it should be is zero.  The conditions are
polynomial equations, solved over the rationals by Gröbner bases.  That a basis is {1} proves that there is no solution,
not even a complex one (Hilbert's Nullstellensatz).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from eomsym import optimizers
from eomsym.checks import check_integer, shown
from eomsym.derivation.deriving import derive
from eomsym.derivation.equation import Equation
from eomsym.derivation.modified_loss import rooted_at_each, split_gradient, tree_rows
from eomsym.errors import InputError, UnsolvableError
from eomsym.exact_numbers import Coefficient, exact, read_rational
from eomsym.notation.coefficients import coefficient_expression, coefficient_text
from eomsym.notation.terms import Row
from eomsym.notation.writing import Writer
from eomsym.optimizers import Optimizer, Parameter
from eomsym.optimizers.variants import member
from eomsym.trees import Tree, parse_tree

if TYPE_CHECKING:
    import sympy

    _Equations = Sequence[sympy.Expr]
    _Known = Mapping[str, Fraction]

#: Tried in turn for a coefficient that the conditions leave free and that has no default.
TRIED = tuple(Fraction(n, 12) for n in (6, 12, -12, 4, 24, 8, -24, 18, 0, 3, 9, 36, -36, 48, -48))
#: Gröbner bases that are made before the search is given up.
MOST_BASES = 400


@dataclass(frozen=True)
class Condition:
    """``value = 0``, at one tree; ``purpose`` says in words what for."""

    purpose: str
    tree: str
    value: Coefficient

    def __str__(self) -> str:
        return f"{self.purpose}, at {self.tree}: {coefficient_text(self.value)} = 0"


@dataclass(frozen=True)
class Demands:
    """What ``eomsym.design`` is asked for; ``loss[k]`` has the coefficient of η^k S_π by a rooting of each π."""

    pace: Fraction | None
    vanishing: int
    gradient: int
    loss: Mapping[int, Mapping[Tree, Fraction]]
    order_free: int

    @property
    def order(self) -> int:
        """The order to which counter terms are needed."""
        return max([self.vanishing, self.gradient, self.order_free, *self.loss])

    def conditions(self, equation: Equation, rows: Sequence[Row], proof: bool = True) -> Iterator[Condition]:
        """On ``rows`` = [leading, ξ_0, ξ_1, …], lowest order first; those that hold anyway are left out.

        ``proof`` says that order-free is to hold for any number of batches.  Raises ``InputError`` where a loss or a
        gradient is wanted of maps of blocks, a loss of several fields, or where there are too few batches.
        """
        if equation.vertices and (self.gradient or self.loss or self.order_free):
            raise InputError(
                f"design: the maps of blocks of {equation.optimizer} have no known modified loss; ask for vanishing"
            )
        colours = sorted({tree.colour for row in rows for tree in row})
        if self.loss and len(colours) > 1:
            raise InputError("loss: a modified loss of several fields cannot be wanted; ask for gradient, or leave it")
        if self.order_free and len(colours) < 2:
            raise InputError("order_free: there are no batches here; take a family that has, such as batch_passes")
        if proof and len(colours) <= self.order_free:  # trees of ξ_{q−1} have q + 1 nodes, of as many batches at most
            raise InputError(
                f"order_free {self.order_free}: is derived of {self.order_free + 1} batches, here are {len(colours)}"
            )
        writer = equation.writer(Writer)
        for purpose, tree, value in self._all(rows, colours):
            if value != 0:
                yield Condition(purpose, tree if isinstance(tree, str) else writer.tree(tree), exact(value))

    def _all(self, rows: Sequence[Row], colours: Sequence[int]) -> Iterator[tuple[str, Tree | str, Coefficient]]:
        if self.pace is not None:
            yield "pace", "g", sum(rows[0].values(), start=Fraction(0)) - self.pace
        for k, row in enumerate(rows[1:]):
            if k < self.vanishing:
                yield from ((f"ξ_{k} vanishes", tree, value) for tree, value in sorted(row.items()))
            terms, rest = split_gradient(dict(row))
            if k < self.gradient or k + 1 in self.loss:
                yield from ((f"ξ_{k} is a gradient", tree, value) for tree, value in sorted(rest.items()))
            if k + 1 in self.loss:
                for free in sorted({*terms, *self.loss[k + 1]}):
                    value = terms.get(free, Fraction(0)) - self.loss[k + 1].get(free, Fraction(0))
                    yield f"η^{k + 1} of the modified loss is as wanted", f"S of {free}", value
            if k < self.order_free:
                for first, second in pairwise(colours):  # neighbours make all orders
                    yield from _exchanged(k, row, {first: second, second: first})


@dataclass(frozen=True)
class Design(Optimizer):
    """An optimiser that was designed, with all that makes it one: it goes wherever an optimiser does.

    ``coefficients`` are the exact values; ``chosen`` those of them that the conditions left free, with the reason for
    each value; ``conditions`` what was solved.
    """

    coefficients: Mapping[str, Fraction] = field(default_factory=dict, hash=False)
    chosen: Mapping[str, str] = field(default_factory=dict, hash=False)
    conditions: tuple[Condition, ...] = field(default=(), hash=False)

    def text(self) -> str:
        """The conditions, one a line, then the coefficients; those that were free say how they were chosen."""
        values = (f"{name} = {value}" + self._reason(name) for name, value in self.coefficients.items())
        return "\n".join([*map(str, self.conditions), *values])

    def _reason(self, name: str) -> str:
        return f"  (free, {self.chosen[name]})" if name in self.chosen else ""


def design(
    family: str | Optimizer,
    *,
    vanishing: int = 0,
    gradient: int = 0,
    loss: Mapping[int, Mapping[str, object]] | None = None,
    order_free: int = 0,
    pace: object = None,
    **fixed: object,
) -> Design:
    """A member of a family of optimisers whose counter terms ξ_k meet exact conditions.

    ``family`` is an ``Optimizer``, or its name, whose parameters are the free coefficients; ``fixed`` gives values to
    some.  Conditions:
    ``vanishing=p``: ξ_0 … ξ_{p−1} are zero; ``gradient=p``: they are gradients for every loss;
    ``loss={1: {"[[]]": "1/8"}}``: the term with η¹ of the modified loss is ‖g‖²/8, trees standing for S_π as in
    ``modified_loss``; ``order_free=q``: ξ_0 … ξ_{q−1} are the same for all orders of the batches, however many there
    are, if the family is derived with more than q; ``pace``: the coefficients of the gradients in ``θ̇ = −c g`` add up
    to it.  A coefficient that the conditions leave free takes its default, or the first of ``TRIED`` with which
    the others are rational; parameters that count something stay open unless they are given.

    Raises ``UnsolvableError`` if no member meets the conditions, with one that cannot be met beside the others, or if
    none is found that is rational and in range; ``InputError`` for conditions that make no sense.
    """
    demands = read_demands(pace, vanishing, gradient, loss, order_free)
    entry, given = optimizers.chosen(family, fixed)
    free = [one for one in entry.parameters if one.name not in given and one.kind != "count"]
    if not free:
        raise InputError(f"design: {entry.name} has no free coefficient; take a family, or give fewer values")
    equation = derive(entry, demands.order, **dict[str, Any](given))
    rows = tree_rows(equation)
    counted = any(one.kind == "count" and one.name in given for one in entry.parameters)
    conditions = _distinct(demands.conditions(equation, rows, proof=not counted))
    values, chosen = _System(free, conditions, rows).solved()
    ordered = {one.name: {**given, **values}[one.name] for one in entry.parameters if one.name in {*given, *values}}
    written = " ".join(f"{name}={value}" for name, value in ordered.items())
    name = f"{entry.name}-{hashlib.sha256(written.encode()).hexdigest()[:8]}"
    return member(
        entry,
        ordered,
        name,
        Design,
        summary=f"{entry.summary}, {written}",
        coefficients=ordered,
        chosen=chosen,
        conditions=conditions,
    )


class _GivenUpError(Exception):
    """The search has taken too long."""


class _System:
    """The equations, in SymPy's symbols, and what is known of the unknowns."""

    def __init__(self, free: Sequence[Parameter], conditions: Sequence[Condition], rows: Sequence[Mapping[Any, Any]]):
        import sympy

        self.parameters = {one.name: one for one in free}
        self.symbols = {name: sympy.Symbol(name) for name in self.parameters}
        self.conditions = conditions
        self.equations = [_numerator(condition.value) for condition in conditions]
        #: No denominator is zero: one more unknown is what their product is divided into.
        divisors = {factor for row in rows for value in row.values() for factor in _denominators(value)}
        self.inverse = sympy.Dummy("inverse")
        self.proper = [self.inverse * sympy.Mul(*divisors) - 1] if divisors else []
        self.bases = 0
        #: Whether every branch that was left has no real solution, and the last equation that says so.
        self.unreal, self.obstacle = True, ""

    def solved(self) -> tuple[_Known, Mapping[str, str]]:
        """Values, and reasons for those that were chosen.  Raises ``UnsolvableError``."""
        self._check_signs()
        try:
            for solution in self._solutions(self.equations, self.proper, {}, {}):
                return solution
        except _GivenUpError:
            self.unreal, self.obstacle = False, f"the search was given up after {MOST_BASES} Gröbner bases"
        if self.unreal and self.obstacle:
            raise UnsolvableError(f"design: no real coefficients meet the conditions: {self.obstacle}")
        self._find_contradiction()
        why = f"; {self.obstacle}" if self.obstacle else ""
        raise UnsolvableError(
            f"design: no member with rational coefficients in their ranges was found{why}; fix coefficients at values "
            "of your own, or take a larger family"
        )

    def _solutions(
        self, equations: _Equations, proper: _Equations, known: _Known, reasons: Mapping[str, str]
    ) -> Iterator[tuple[_Known, Mapping[str, str]]]:
        """All rational solutions with the values tried for what is free, the first unknowns first."""
        unknown = [name for name in self.parameters if name not in known]
        if not unknown:
            yield known, reasons
            return
        name, candidates, equations = self._next(equations, proper, unknown, known)
        symbol = self.symbols[name]
        for value, reason in candidates:
            left, still = (
                [equation.subs(symbol, coefficient_expression(value)).expand() for equation in part]
                for part in (equations, proper)
            )
            if all(not equation.is_number or equation == 0 for equation in [*left, *still]):  # −1 = 0: divides by zero
                left = [equation for equation in left if equation != 0]
                told = {**reasons, **({name: reason} if reason else {})}
                yield from self._solutions(left, still, {**known, name: value}, told)

    def _next(
        self, equations: _Equations, proper: _Equations, unknown: Sequence[str], known: _Known
    ) -> tuple[str, list[tuple[Fraction, str]], _Equations]:
        """The unknown to go on with, its candidates with reasons where it is free, and the equations, simpler."""
        import sympy

        if len(unknown) > len(equations):  # something is free, and the basis of many unknowns would take long
            return unknown[0], self._tried(unknown[0]), equations
        self.bases += 1
        if self.bases > MOST_BASES:
            raise _GivenUpError
        symbols = [*([self.inverse] if proper else []), *(self.symbols[name] for name in reversed(unknown))]
        basis = sympy.groebner([*equations, *proper], *symbols, order="grevlex", domain=sympy.QQ)
        if basis.exprs == [1]:
            return unknown[0], [], []
        if basis.is_zero_dimensional:
            exact = [element for element in basis.fglm("lex").exprs if self.inverse not in element.free_symbols]
            name, symbol = unknown[0], symbols[-1]
            (alone,) = (element for element in exact if element.free_symbols == {symbol})
            return name, [(root, "") for root in self._roots(alone, symbol, known)], exact
        # No leading monomial is a power of it alone: then no equation holds it alone, so it is free.
        leading = [polynomial.monoms(order="grevlex")[0] for polynomial in basis.polys]
        bound = {symbols[powers.index(sum(powers))].name for powers in leading if max(powers) == sum(powers)}
        name = next((one for one in unknown if one not in bound), unknown[0])
        return name, self._tried(name), [one for one in basis.exprs if self.inverse not in one.free_symbols]

    def _tried(self, name: str) -> list[tuple[Fraction, str]]:
        self.unreal = False
        parameter = self.parameters[name]
        found = [(parameter.default, "its default")] if parameter.default is not None else []
        found += [(value, "first of the values tried that leaves the others rational") for value in TRIED]
        return [(value, reason) for value, reason in found if _in_range(parameter, value)]

    def _roots(self, polynomial: sympy.Expr, symbol: sympy.Symbol, known: _Known) -> list[Fraction]:
        """All rational roots in the range, lowest first."""
        import sympy

        whole = sympy.Poly(polynomial, symbol)
        found = sorted(Fraction(int(root.p), int(root.q)) for root in whole.ground_roots())
        allowed = [root for root in found if _in_range(self.parameters[symbol.name], root)]
        if not allowed:
            real = whole.count_roots()
            self.unreal = self.unreal and real == 0
            what = "no real root" if real == 0 else "no rational root" if not found else "no rational root in its range"
            beside = ", ".join(f"{name} = {value}" for name, value in known.items())
            self.obstacle = f"{polynomial} = 0 has {what}" + (f" at {beside}" if beside else "")
        elif whole.count_roots() > len(allowed):
            self.unreal = False
        return allowed

    def _check_signs(self) -> None:
        """Raises ``UnsolvableError`` if positive coefficients are asked to make a sum of positive terms zero.

        Such a sum is looked for among linear combinations of the conditions in which mixed products cancel.
        """
        import sympy

        if not self.equations or not all(one.minimum >= 0 and one.open_minimum for one in self.parameters.values()):
            return
        parts = [equation.as_coefficients_dict() for equation in self.equations]
        terms = sorted({term for part in parts for term in part}, key=lambda term: (-len(term.free_symbols), str(term)))
        reduced, _ = sympy.Matrix([[part[term] for term in terms] for part in parts]).rref()
        for row in (sympy.Matrix(reduced) * sympy.Matrix(terms)).tolist():
            values = row[0].as_coefficients_dict().values()
            if row[0] != 0 and min(values) > 0:
                raise UnsolvableError(
                    f"design: not with positive coefficients: the conditions combine to {row[0]} = 0, which has no "
                    "solution in them"
                )

    def _find_contradiction(self) -> None:
        """Raises ``UnsolvableError`` with conditions that contradict each other, as few as can be, if there are."""
        import sympy

        def contradict(numbers: Sequence[int]) -> bool:
            chosen = [*(self.equations[i] for i in numbers), *self.proper]
            return sympy.groebner(chosen, self.inverse, *self.symbols.values(), order="grevlex").exprs == [1]

        numbers = next((range(n) for n in range(1, len(self.equations) + 1) if contradict(range(n))), None)
        if numbers is None:
            return
        kept = list(numbers)
        for number in numbers[:-1]:
            fewer = [other for other in kept if other != number]
            if contradict(fewer):
                kept = fewer
        *others, last = (str(self.conditions[i]) for i in kept)
        beside = f"; beside it: {'; '.join(others)}" if others else ""
        raise UnsolvableError(f"design: this condition has no solution: {last}{beside}")


def _distinct(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    """Those that are not a multiple of one before."""
    found: dict[Any, Condition] = {}
    for condition in conditions:
        value = condition.value
        found.setdefault(1 if isinstance(value, (int, Fraction)) else value.numer.monic(), condition)
    return tuple(found.values())


def _in_range(parameter: Parameter, value: Fraction) -> bool:
    try:
        return parameter.read(value) == value
    except InputError:
        return False


def _numerator(value: Coefficient) -> sympy.Expr:
    return coefficient_expression(value) if isinstance(value, (int, Fraction)) else value.numer.as_expr()


def _denominators(value: Coefficient) -> list[sympy.Expr]:
    """The irreducible factors by which a coefficient is divided."""
    if isinstance(value, (int, Fraction)):
        return []
    return [factor.as_expr() for factor, _ in value.denom.factor_list()[1]]


def read_demands(pace: object, vanishing: object, gradient: object, loss: object, order_free: object) -> Demands:
    """What a user asks for.  Raises ``InputError`` for what is no order, no number or no tree, or asks for nothing."""
    wanted = {}
    if loss is not None:
        if not isinstance(loss, Mapping) or not all(isinstance(trees, Mapping) for trees in loss.values()):
            raise InputError(f'loss {shown(loss)}; give trees and coefficients by powers of eta, {{1: {{"[[]]": 1}}}}')
        wanted = {check_integer("loss, power of eta", k, 1): _read_loss(k, trees) for k, trees in loss.items()}
    speed = None if pace is None else read_rational("pace", pace)
    demands = Demands(
        pace=speed,
        vanishing=check_integer("vanishing", vanishing),
        gradient=check_integer("gradient", gradient),
        loss=wanted,
        order_free=check_integer("order_free", order_free),
    )
    if demands.order == 0:
        raise InputError("design: nothing is asked for; give vanishing, gradient, loss or order_free")
    return demands


def _read_loss(power: int, given: Mapping[str, object]) -> dict[Tree, Fraction]:
    found: dict[Tree, Fraction] = {}
    for text, value in given.items():
        tree = parse_tree(text)
        if tree.order != power + 1:
            raise InputError(f"loss, tree {text!r}: has {tree.order} nodes; the term with eta^{power} has {power + 1}")
        found[max(rooted_at_each(tree))] = read_rational(f"loss, coefficient of {text}", value)
    return found


def _exchanged(k: int, row: Row, exchange: Mapping[int, int]) -> Iterator[tuple[str, Tree, Coefficient]]:
    """What two batches' changing places changes."""
    first, second = min(exchange), max(exchange)
    exchanged = {tree: tree.recoloured(lambda colour: exchange.get(colour, colour)) for tree in row}
    for tree, other in sorted((exchanged | {other: tree for tree, other in exchanged.items()}).items()):
        if tree < other:
            purpose = f"ξ_{k} stays when batches {first} and {second} change places"
            yield purpose, tree, row.get(tree, Fraction(0)) - row.get(other, Fraction(0))
