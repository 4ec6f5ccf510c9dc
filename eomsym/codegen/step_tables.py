"""The tables of ``step_index`` as a gradient-descent kernel reads them: by slot and coefficient, padded with zeros."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from eomsym.exact_numbers import Coefficient
from eomsym.step_index import DescentSchedule

Square = list[list[Fraction]]


def extrapolation(descent: DescentSchedule) -> list[Square]:
    """``[slot][k][i]``: weight of coefficient k in slot i in that in slot > k; zero where it is not needed."""
    terms = len(descent.steps)
    return [_square([(), *descent.extrapolation(slot)], terms) for slot in range(terms)]


def summation(descent: DescentSchedule) -> list[Square]:
    """``[m][k][i]``: weight of coefficient k of g in slot i in minus coefficient k + 1 in the m-th levelwise slot."""
    terms = len(descent.steps)
    return [_square(descent.summation(slot), terms) for slot in range(descent.forward + 1, terms)]


def logarithm(descent: DescentSchedule) -> Square:
    """``[k][i]``: weight of coefficient k of g in slot i in ξ_{k−1}, and in g for k = 0."""
    return _square(descent.logarithm(), len(descent.steps))


def _square(rows: Sequence[Sequence[Coefficient]], terms: int) -> Square:
    """Row k holds the weights of slots 1 … k; that of slot 0 for k = 0."""
    square = [[Fraction(0)] * terms for _ in range(terms)]
    for k, row in enumerate(rows):
        first = 1 if k else 0
        square[k][first : first + len(row)] = map(Fraction, row)
    return square
