"""All weights that an update rule asks for, level by level in η: one table maker for every algebra and kernel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial

from eomsym.exact_numbers import Coefficient
from eomsym.optimizers.rule import UpdateRule
from eomsym.step_index.nodes import (
    FORWARD,
    forward_first,
    is_anchored,
    is_descent,
    outermost_first,
    two_sided,
    unit_of,
)
from eomsym.step_index.weights import Functional, logarithm, resolvent, sum_to, summed, value_at, weights

#: Exact weights, a row for each functional.
Matrix = tuple[tuple[Coefficient, ...], ...]


@dataclass(frozen=True)
class Tables:
    """Weights of polynomials of degree k that are stored as their values at ``nodes``; row by row, exact.

    At level k the first ``known(k)`` nodes determine all others.  Quantities of an *anchored* rule do not depend on η
    at s = 0, so for k ≥ 1 their coefficients vanish there, and 0 is not among the nodes.
    """

    nodes: tuple[Fraction, ...]
    anchored: bool = False

    def known(self, level: int) -> int:
        """How many of the nodes determine a polynomial of this degree."""
        return max(level, 1) if self.anchored else level + 1

    def extension(self, level: int) -> Matrix:
        """The values at all nodes."""
        return self.of(level, map(value_at, self.nodes))

    def summation(self, level: int) -> Matrix:
        """``Q`` at all nodes, where ``Q(s+1) − Q(s)`` is the polynomial and ``Q(0) = 0``."""
        return self.of(level, map(sum_to, self.nodes))

    def resolvent(self, share: Coefficient, level: int) -> Matrix:
        """``z`` at all nodes, where ``z(s+1) − share · z(s)`` is the polynomial."""
        share = Fraction(share) if isinstance(share, float) else share
        return self.of(level, (resolvent(share, node) for node in self.nodes))

    def logarithm(self, level: int) -> Matrix:
        """``dQ/ds`` at 0 of the sum, one row."""
        return self.of(level, (logarithm,))

    def of(self, level: int, functionals: Iterable[Functional]) -> Matrix:
        """Any functionals of it, a row each."""
        return _rows(self._stored(level), tuple(functionals), self._dropped(level))

    def _stored(self, level: int) -> tuple[Fraction, ...]:
        if not self.anchored:
            return self.nodes[: level + 1]
        return (Fraction(0), *self.nodes[:level])

    def _dropped(self, level: int) -> bool:
        """Whether the value at 0 is known to vanish."""
        return self.anchored and level > 0


@dataclass(frozen=True)
class FewestRows(Tables):
    """Tables for those to whom each row costs: which rows do for each coefficient, and the weights between them.

    Rows are values at the first nodes.  In an anchored rule coefficient k vanishes at s = 0 for k ≥ 1, so that products
    of two such have the factor s² and are taken at one node less.  Of coefficient ``last`` of descent, if that is not
    None, nothing is asked for but the modified field, one linear functional: that is its only row, besides its value at
    the first node where that is ``seen``.
    """

    last: int | None = None
    seen: bool = False

    def rows(self, level: int) -> int:
        """Of a coefficient."""
        return len(self._ends()) if level == self.last else self.known(level)

    def first(self, level: int) -> int:
        """Which row is the value at the first node."""
        return 1 if level == self.last else 0

    def inner(self, level: int) -> int:
        """Of sums of products of lower coefficients."""
        return level - 1 if self.anchored else self.rows(level)

    def further(self, level: int, rows: int) -> Matrix:
        """The weights of a coefficient's rows in its values at further nodes, up to ``rows`` in all."""
        return self.extension(level)[self.rows(level) : rows]

    def closing(self, level: int) -> tuple[bool, Matrix]:
        """Whether the rows of a sum of products are rows of the coefficient, and their weights in what follows."""
        if not self.anchored:
            return True, ()
        inner = self.nodes[: level - 1]
        if level == self.last:
            return False, _doubly_vanishing(inner, self._ends())
        return True, _doubly_vanishing(inner, (value_at(self.nodes[level - 1]),))

    def summation(self, level: int) -> Matrix:
        """Coefficient ``level + 1`` of θ from one of its step; after the last there is none."""
        if level == self.last:
            return ()
        if level + 1 == self.last:
            return self.of(level, [summed(functional) for functional in self._ends()])
        matrix = super().summation(level)
        return matrix if self.last is None else matrix[: self.rows(level + 1)]

    def logarithm(self, level: int) -> Matrix:
        """The modified field from the rows of that."""
        return ((1,),) if level == self.last else super().logarithm(level)

    def _ends(self) -> tuple[Functional, ...]:
        return (logarithm, value_at(self.nodes[0])) if self.seen else (logarithm,)


@lru_cache(maxsize=4096)  # a rule is solved at many points; a share that depends on time has rows of its own at each
def _rows(stored: tuple[Fraction, ...], functionals: tuple[Functional, ...], dropped: bool) -> Matrix:
    return tuple(tuple(weights(stored, functional)[dropped:]) for functional in functionals)


@lru_cache(maxsize=1024)
def _doubly_vanishing(nodes: tuple[Fraction, ...], functionals: tuple[Functional, ...]) -> Matrix:
    """Weights on the values of polynomials that are divisible by s²."""
    found = []
    for functional in functionals:
        row = weights(nodes, partial(_raised, functional))
        found.append(tuple(weight / node**2 for weight, node in zip(row, nodes, strict=True)))
    return tuple(found)


def _raised(functional: Functional, power: int) -> Coefficient:
    return functional(power + 2)


def small_nodes(rule: UpdateRule, terms: int) -> Tables:
    """Nodes on both sides of 0, for floating point: the parameters of the rule are numbers."""
    if is_anchored(rule):
        return Tables(two_sided(max(terms, 2))[1:], anchored=True)
    return Tables(two_sided(terms, unit_of(rule)))


def integer_nodes(rule: UpdateRule, terms: int) -> Tables:
    """Nodes 0, 1, 2, …, for exact arithmetic, in which integers stay integers."""
    nodes = tuple(map(Fraction, range(max(terms, 2))))
    return Tables(nodes[1:], anchored=True) if is_anchored(rule) else Tables(nodes[:terms])


def fewest_rows(rule: UpdateRule, terms: int, theta_alone: bool = False, seen: bool = False) -> FewestRows:
    """At the nodes of ``small_nodes``, outermost first; of descent, if ``theta_alone`` asks for its field."""
    tables = small_nodes(rule, terms)
    last = terms - 1 if theta_alone and terms > 1 and is_descent(rule) else None
    return FewestRows(outermost_first(tables.nodes), tables.anchored, last, seen)


#: Row k holds the weights of slots 0 … k; rows and columns that are left out are zero.
Triangle = list[list[Coefficient]]


@dataclass(frozen=True)
class EvaluationPlan:
    """How a kernel of gradient descent evaluates g where series run along whole iterates: forward, then by levels.

    Coefficient k of g at step s is a polynomial in s of degree k that vanishes at s = 0 (k ≥ 1), so its values in the
    first k *slots* determine it.  The first slots are iterates that descent visits one after the other, each with all
    its coefficients at once, which is cheap; those after them are steps on both sides of 0, known one coefficient after
    the other.  Forward steps alone would lose one digit an order.

    ``steps`` are in the order of the slots, slot 0 at step 0; ``tables`` are those of the slots after it.
    ``turns`` lists (slot, first, end) in order, the coefficients of the gradient that are wanted there: all from the
    first on in the ``forward`` slots, one in the others.
    """

    steps: tuple[Fraction, ...]
    forward: int
    turns: tuple[tuple[int, int, int], ...]
    tables: Tables

    def extrapolation(self, every: bool = True) -> list[Triangle]:
        """``[slot][k][i]``: weight of coefficient k in slot i in that in slot > k; ``every`` slot or forward ones."""
        last = len(self.steps) if every else self.forward + 1
        rows = [[self.tables.extension(k)[slot - 1] for k in range(1, slot)] for slot in range(1, last)]
        return [[], *(_triangle([(Fraction(1),), *row]) for row in rows)]

    def summation(self) -> list[Triangle]:
        """``[m][k][i]``: weight of coefficient k of g in slot i in coefficient k + 1 of θ in levelwise slot m."""
        later = range(self.forward + 1, len(self.steps))
        sums = [[self.tables.summation(k)[m - 1] for k in range(len(self.steps) - 1)] for m in later]
        return [_triangle([tuple(-weight for weight in row) for row in rows]) for rows in sums]

    def logarithm(self) -> Triangle:
        """``[k][i]``: weight of coefficient k of g in slot i in ξ_{k−1}, and in g for k = 0."""
        return _triangle([self.tables.logarithm(k)[0] for k in range(len(self.steps))])


def _triangle(rows: Sequence[tuple[Coefficient, ...]]) -> Triangle:
    """Slot 0 counts for k = 0 alone."""
    return [[Fraction(0), *row] if k and row else list(row) for k, row in enumerate(rows)]


def evaluation_plan(terms: int) -> EvaluationPlan:
    """The plan for g, ξ_0, …, ξ_{terms−2}."""
    steps = forward_first(terms)
    forward = min(len(FORWARD), terms - 1)
    turns = [
        (slot, k, terms if slot <= forward else k + 1)
        for k in range(1, terms)
        for slot in range(1, k + 1)
        if slot == k or slot > forward
    ]
    return EvaluationPlan(steps, forward, ((0, 0, 1), *turns), Tables(steps[1:], anchored=True))
