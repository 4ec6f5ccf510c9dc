"""The schedule of gradient descent where series run along whole iterates: cheap turns forward, then level by level.

Coefficient k of the gradient at step s is a polynomial in s of degree k that vanishes at s = 0 (k ≥ 1), so its values
in the first k *slots* determine it.  The first slots are iterates that gradient descent visits one after the other,
each with all its coefficients at once; those after them are steps on both sides of 0, known one coefficient after the
other.  Forward steps alone would lose one digit an order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from eomsym.optimizers import Coefficient
from eomsym.step_index.nodes import FORWARD, forward_first
from eomsym.step_index.tables import Tables

#: Row k holds the weights of slots 0 … k; rows and columns that are left out are zero.
Triangle = list[list[Coefficient]]


@dataclass(frozen=True)
class DescentSchedule:
    """``steps`` in the order of the slots, slot 0 at step 0, and the tables of the slots after it.

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


def descent_schedule(terms: int) -> DescentSchedule:
    """The schedule for g, ξ_0, …, ξ_{terms−2}."""
    steps = forward_first(terms)
    forward = min(len(FORWARD), terms - 1)
    turns = [
        (slot, k, terms if slot <= forward else k + 1)
        for k in range(1, terms)
        for slot in range(1, k + 1)
        if slot == k or slot > forward
    ]
    return DescentSchedule(steps, forward, ((0, 0, 1), *turns), Tables(steps[1:], anchored=True))
