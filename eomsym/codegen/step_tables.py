"""The tables of ``step_index`` as a gradient-descent kernel reads them: by slot and coefficient, as triangles."""

from __future__ import annotations

from fractions import Fraction

from eomsym.exact_numbers import Coefficient
from eomsym.step_index import DescentSchedule

#: Row k holds the weights of slots 0 … k; rows and columns that are left out are zero.
Triangle = list[list[Coefficient]]


def extrapolation(descent: DescentSchedule, every: bool = True) -> list[Triangle]:
    """``[slot][k][i]``: weight of coefficient k in slot i in that in slot > k; ``every`` slot, or the forward ones."""
    last = len(descent.steps) if every else descent.forward + 1
    return [_triangle(((), *descent.extrapolation(slot))) if 1 < slot < last else [] for slot in range(last)]


def summation(descent: DescentSchedule) -> list[Triangle]:
    """``[m][k][i]``: weight of coefficient k of g in slot i in minus coefficient k + 1 in the m-th levelwise slot."""
    return [_triangle(descent.summation(slot)) for slot in range(descent.forward + 1, len(descent.steps))]


def logarithm(descent: DescentSchedule) -> Triangle:
    """``[k][i]``: weight of coefficient k of g in slot i in ξ_{k−1}, and in g for k = 0."""
    return _triangle(descent.logarithm())


def _triangle(rows: tuple[tuple[Coefficient, ...], ...]) -> Triangle:
    """Slot 0 counts for k = 0 alone."""
    return [[Fraction(0), *row] if k and row else list(row) for k, row in enumerate(rows)]
