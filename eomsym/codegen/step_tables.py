"""Constant tables of a gradient-descent kernel, from the step-index polynomial.

Coefficient k of the gradient at step s is a polynomial in s of degree k that vanishes at s = 0 (k ≥ 1), so its values
at k steps determine it: those of the first k *slots*.  Steps forward are the iterates that gradient descent visits, one
after the other, each with all its coefficients at once; steps back are known one coefficient after the other.
Forward steps alone, the *fast* way, lose one digit an order; with steps on both sides of 0 nearly all digits are kept.
What the polynomial is at other steps, its sum, and the ``s¹`` part of that are linear in the values, with the rational
weights made here by the operators of ``derivation.step_polynomial``.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from eomsym.derivation.step_polynomial import (
    apply_operator,
    forward_differences,
    linear_coefficient,
    shift_operator,
)

Weights = list[Fraction]

#: Steps forward before the first step back: so few lose no more than two digits.  Up to order 5 that costs nothing.
LEAD = 4


def slots(terms: int, fast: bool = False) -> list[int]:
    """The steps in the order in which they are used: 0, 1, 2, 3, 4, then −1, 5, −2, 6, …; the fast way 0, 1, 2, …"""

    def step(slot: int) -> int:
        pairs, last = divmod(slot - LEAD, 2)
        if fast or slot <= LEAD:
            return slot
        return -pairs - 1 if last else LEAD + pairs

    return [step(slot) for slot in range(terms)]


def two_ways(terms: int) -> bool:
    """Whether any step back is used."""
    return terms - 1 > LEAD


def schedule(terms: int, fast: bool = False) -> list[tuple[int, int]]:
    """(slot, first coefficient of the gradient that is wanted), in order; of a step back it is the only one."""
    steps = slots(terms, fast)
    later = ((slot, k) for k in range(1, terms) for slot in range(1, k + 1) if slot == k or steps[slot] < 0)
    return [(0, 0), *later]


def extrapolation(terms: int, fast: bool = False) -> list[list[Weights]]:
    """``[slot][k][i]``: weight of the value in slot i in that in slot > k; zero where it is not needed."""
    steps = slots(terms, fast)

    def at(step: int, k: int) -> Weights:
        return _weights(lambda differences: _moved(differences, step - _leftmost(k, fast))[0], k, terms, fast)

    return [[at(steps[slot], k) if 0 < k < slot else _zeros(terms) for k in range(terms)] for slot in range(terms)]


def summation(terms: int) -> list[list[Weights]]:
    """``[m][k][i]``: weight of coefficient k of g in slot i in minus coefficient k + 1 of the iterate ``m + 1`` back.

    ``y(s+1) − y(s) = −η g(y(s))``, so the iterate is minus the sum of g with value 0 at s = 0.
    """

    def at(step: int, k: int) -> Weights:
        def sum_to(differences: list[Fraction]) -> Fraction:
            total, left = [Fraction(0), *differences], _leftmost(k)
            return _moved(total, step - left)[0] - _moved(total, -left)[0]

        return _weights(sum_to, k, terms)

    return [[at(step, k) for k in range(terms)] for step in sorted(slots(terms), reverse=True) if step < 0]


def logarithm(terms: int, fast: bool = False) -> list[Weights]:
    """``[k][i]``: weight of coefficient k of ``g`` in slot i in ξ_{k−1}, and in g for k = 0.

    ``η f̃ = Σ_n (−1)^{n+1}/n Δ^n y`` and ``Δy_s = −η g(y_s)``, so it is the linear coefficient at s = 0 of the sum of
    the polynomial, whose differences are those of ``g_k`` moved up by one.
    """

    def slope(k: int) -> Callable[[list[Fraction]], Fraction]:
        left = _leftmost(k, fast)
        return lambda differences: Fraction(linear_coefficient(_moved([Fraction(0), *differences], -left)))

    return [_weights(slope(k), k, terms, fast) for k in range(terms)]


def _leftmost(k: int, fast: bool = False) -> int:
    """The smallest step that coefficient k uses; it uses k + 1 consecutive ones from there, 0 among them."""
    return min(slots(k + 1, fast))


def _moved(differences: list[Fraction], distance: int) -> list[Fraction]:
    """The same polynomial by its differences at a place ``distance`` further on."""
    return apply_operator(shift_operator({distance: 1}, len(differences)), differences)


def _weights(functional: Callable[[list[Fraction]], Fraction], degree: int, terms: int, fast: bool = False) -> Weights:
    """The weights, slot by slot, of a linear functional of a polynomial given by its differences at the left."""
    left = _leftmost(degree, fast)

    def unit(slot: int) -> list[Fraction]:
        samples = [Fraction(0)] * (degree + 1)
        samples[slots(terms, fast)[slot] - left] = Fraction(1)
        return forward_differences(samples)

    return [Fraction(functional(unit(slot))) for slot in range(degree + 1)] + _zeros(terms - degree - 1)


def _zeros(count: int) -> Weights:
    return [Fraction(0)] * count
