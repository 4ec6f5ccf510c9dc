"""The schedule of gradient descent where series run along whole iterates: cheap turns forward, then level by level.

Coefficient k of the gradient at step s is a polynomial in s of degree k that vanishes at s = 0 (k ≥ 1), so its values
in the first k *slots* determine it.  The first slots are iterates that gradient descent visits one after the other,
each with all its coefficients at once; those after them are steps on both sides of 0, known one coefficient after the
other.  Forward steps alone would lose one digit an order.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from eomsym.step_index.nodes import FORWARD, forward_first
from eomsym.step_index.tables import Matrix, Tables


@dataclass(frozen=True)
class DescentSchedule:
    """``steps`` in the order of the slots, slot 0 at step 0, and the tables of the slots after it.

    ``turns`` lists (slot, first coefficient of the gradient that is wanted) in order: all that follow are wanted too of
    the ``forward`` slots, it alone of the others.
    """

    steps: tuple[Fraction, ...]
    forward: int
    turns: tuple[tuple[int, int], ...]
    tables: Tables

    def extrapolation(self, slot: int) -> Matrix:
        """Row k − 1: weights of slots 1 … k in coefficient k at this slot, for 0 < k < slot."""
        return tuple(self.tables.extension(k)[slot - 1] for k in range(1, slot))

    def summation(self, slot: int) -> Matrix:
        """Row k: weights of slots 1 … k (of slot 0 for k = 0) in minus coefficient k + 1 of this slot's iterate."""
        return tuple(self.tables.summation(k)[slot - 1] for k in range(len(self.steps) - 1))

    def logarithm(self) -> Matrix:
        """Row k: weights of slots 1 … k (of slot 0 for k = 0) in ξ_{k−1}, and in g for k = 0."""
        return tuple(self.tables.logarithm(k)[0] for k in range(len(self.steps)))


def descent_schedule(terms: int) -> DescentSchedule:
    """The schedule for g, ξ_0, …, ξ_{terms−2}."""
    steps = forward_first(terms)
    forward = min(len(FORWARD), terms - 1)
    turns = [(slot, k) for k in range(1, terms) for slot in range(1, k + 1) if slot == k or slot > forward]
    return DescentSchedule(steps, forward, ((0, 0), *turns), Tables(steps[1:], anchored=True))
