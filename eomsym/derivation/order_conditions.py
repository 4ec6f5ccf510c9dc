"""Order conditions: what is asked of a family's counter terms, as equations in its free coefficients.

The coefficient of each tree is a rational function of the coefficients that have no value, as ``derive`` finds it; a
condition is that its difference from what it should be is zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from eomsym.checks import check_integer, shown
from eomsym.derivation.modified_loss import rooted_at_each, split_gradient
from eomsym.errors import InputError
from eomsym.exact_numbers import Coefficient, exact, read_rational
from eomsym.notation.coefficients import coefficient_text
from eomsym.notation.writing import Writer
from eomsym.trees import Tree, parse_tree

#: Coefficients of ``F_g(τ)`` in a row of counter terms, over coloured trees.
Row = Mapping[Tree, Coefficient]


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

    def conditions(self, rows: Sequence[Row], proof: bool = True) -> Iterator[Condition]:
        """On ``rows`` = [leading, ξ_0, ξ_1, …], lowest order first; those that hold anyway are left out.

        ``proof`` says that order-free is to hold for any number of batches.  Raises ``InputError`` where a loss is
        wanted of several fields, or where there are too few batches for their order.
        """
        colours = sorted({tree.colour for row in rows for tree in row})
        if self.loss and len(colours) > 1:
            raise InputError("loss: a modified loss of several fields cannot be wanted; ask for gradient, or leave it")
        if self.order_free and len(colours) < 2:
            raise InputError("order_free: there are no batches here; take a family that has, such as batch_passes")
        if proof and len(colours) <= self.order_free:  # trees of ξ_{q−1} have q + 1 nodes, of as many batches at most
            raise InputError(
                f"order_free {self.order_free}: is derived of {self.order_free + 1} batches, here are {len(colours)}"
            )
        writer = Writer(len(colours) > 1)
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
