"""How few rows do for the coefficients of a series along all nodes, and the weights between them.

Coefficient k of any value is a polynomial of degree k in the step index: the first nodes that determine it are rows
enough.  In an anchored rule it vanishes at s = 0 for k ≥ 1, so that products of two such have the factor s² and are
taken at one node less.  Of the last coefficient of descent nothing is asked for but the modified field, one linear
functional: that is its only row, besides that of the first node where it is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial

from eomsym.optimizers import Coefficient, Gradient, Linear, State, UpdateRule
from eomsym.step_index.nodes import small_nodes
from eomsym.step_index.tables import Matrix, Tables
from eomsym.step_index.weights import Functional, logarithm, summed, value_at, weights


@dataclass(frozen=True)
class NodeLayout:
    """Rows are values at the first of ``tables.nodes``; those of coefficient ``last`` as above, if it is not None.

    ``seen`` says whether its value at the first node is wanted too.
    """

    tables: Tables
    last: int | None = None
    seen: bool = False

    def rows(self, level: int) -> int:
        """Of a coefficient."""
        return len(self._ends()) if level == self.last else self.tables.known(level)

    def first(self, level: int) -> int:
        """Which row is the value at the first node."""
        return 1 if level == self.last else 0

    def inner(self, level: int) -> int:
        """Of sums of products of lower coefficients."""
        return level - 1 if self.tables.anchored else self.rows(level)

    def extension(self, level: int, rows: int) -> Matrix:
        """The weights of a coefficient's rows in its values at further nodes."""
        return self.tables.extension(level)[self.rows(level) : rows]

    def closing(self, level: int) -> tuple[bool, Matrix]:
        """Whether the rows of a sum of products are rows of the coefficient, and their weights in what follows."""
        if not self.tables.anchored:
            return True, ()
        held = self.tables.nodes[: level - 1]
        if level == self.last:
            return False, _doubly_vanishing(held, self._ends())
        return True, _doubly_vanishing(held, (value_at(self.tables.nodes[level - 1]),))

    def summation(self, level: int) -> Matrix:
        """Coefficient ``level + 1`` of θ, at all nodes unless ``last`` is given, from one of its step."""
        if level + 1 == self.last:
            return self.tables.of(level, [summed(functional) for functional in self._ends()])
        matrix = self.tables.summation(level)
        return matrix if self.last is None else matrix[: self.rows(level + 1)]

    def logarithm(self, level: int) -> Matrix:
        """The modified field from the rows of that."""
        return ((1,),) if level == self.last else self.tables.logarithm(level)

    def _ends(self) -> tuple[Functional, ...]:
        return (logarithm, value_at(self.tables.nodes[0])) if self.seen else (logarithm,)


@lru_cache(maxsize=1024)
def _doubly_vanishing(held: tuple[Fraction, ...], functionals: tuple[Functional, ...]) -> Matrix:
    """Weights on the values of polynomials that are divisible by s²."""
    found = []
    for functional in functionals:
        row = weights(held, partial(_raised, functional))
        found.append(tuple(weight / node**2 for weight, node in zip(row, held, strict=True)))
    return tuple(found)


def _raised(functional: Functional, power: int) -> Coefficient:
    return functional(power + 2)


def outermost_first(nodes: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """As far as they can be from those before: further values are found by interpolation, and keep their digits."""
    rest, found = list(nodes), [max(nodes, key=abs)]
    rest.remove(found[0])
    while rest:
        found.append(max(rest, key=lambda node: _distance(node, found)))
        rest.remove(found[-1])
    return tuple(found)


def _distance(node: Fraction, others: Sequence[Fraction]) -> Fraction:
    product = Fraction(1)
    for other in others:
        product *= abs(node - other)
    return product


def spread_tables(rule: UpdateRule, terms: int) -> Tables:
    """Those of ``small_nodes``, outermost first."""
    tables = small_nodes(rule, terms)
    return Tables(outermost_first(tables.nodes), tables.anchored)


def layout_of(rule: UpdateRule, terms: int, seen: bool) -> NodeLayout:
    """That for the field of θ alone."""
    return NodeLayout(spread_tables(rule, terms), terms - 1 if is_descent(rule) and terms > 1 else None, seen)


def is_descent(rule: UpdateRule) -> bool:
    """Whether a step is η times a combination of θ and of gradients there, and nothing else."""
    theta = Linear(((rule.state(0), 0, 1),))
    return (
        len(rule.following) == 1
        and all(power == 1 for _, power, _ in rule.moved(0).terms)
        and all(isinstance(atom, State) or (isinstance(atom, Gradient) and atom.point == theta) for atom in rule.atoms)
    )
