"""The one principle: what is polynomial in the step index s is known from its values at a few nodes.

A linear functional ℓ of polynomials is given by what it makes of the monomials, ``m ↦ ℓ(s^m)``; ``weights`` are the
exact numbers with ``ℓ(p) = Σ_i w_i p(s_i)``.  The functionals here are all that an update rule asks for.  Each undoes
a difference equation: ``Q(s+1) − a Q(s) = p(s)`` is triangular on monomials, so its solution is exact, and a long
memory (a near 1) is never applied to rounded values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from math import comb

from eomsym.optimizers import Coefficient

#: What a linear functional makes of ``s^m``.
Functional = Callable[[int], Coefficient]


def weights(nodes: Sequence[Fraction], functional: Functional) -> list[Coefficient]:
    """``w`` with ``Σ_i w_i p(nodes[i]) = functional(p)`` for every polynomial p of degree below the number of nodes."""
    moments = [functional(power) for power in range(len(nodes))]
    return [
        plain(sum((moment * part for moment, part in zip(moments, row, strict=True) if part), 0 * moments[0]))
        for row in _lagrange(tuple(nodes))
    ]


def logarithm(power: int) -> Coefficient:
    """``dQ/ds`` at 0 of the sum Q of ``s^power``: the Bernoulli number ``B_power``, with ``B_1 = −1/2``."""
    return _antidifference(power)[1]


def sum_to(step: Fraction) -> Functional:
    """``Q(step)`` where ``Q(s+1) − Q(s) = s^m`` and ``Q(0) = 0``: Faulhaber's sum, at any rational step."""
    return summed(value_at(step))


def summed(functional: Functional) -> Functional:
    """The functional of ``Q``, where ``Q(s+1) − Q(s) = s^m`` and ``Q(0) = 0``."""
    return lambda power: sum(
        (part * functional(place) for place, part in enumerate(_antidifference(power))), Fraction(0)
    )


def value_at(step: Fraction) -> Functional:
    """The value at another step."""
    return lambda power: Fraction(step) ** power


def resolvent(share: Coefficient, step: Fraction) -> Functional:
    """``z(step)`` of the polynomial z with ``z(s+1) − share · z(s) = s^m``, share ≠ 1: a memory's share of itself."""
    return lambda power: _value(_undone(share, power), step)


def plain(number: Coefficient) -> Coefficient:
    """An ``int`` where the number is one: integers are several times as fast as fractions."""
    return number.numerator if isinstance(number, Fraction) and number.denominator == 1 else number


def _value(polynomial: Sequence[Coefficient], step: Fraction) -> Coefficient:
    total = 0 * polynomial[0]
    for coefficient in reversed(polynomial):
        total = total * step + coefficient
    return total


@cache
def _antidifference(power: int) -> tuple[Fraction, ...]:
    """Coefficients of the Q with ``Q(s+1) − Q(s) = s^power`` and ``Q(0) = 0``, lowest first."""
    found = [Fraction(0)] * (power + 2)
    for j in range(power, -1, -1):
        above = sum((comb(i, j) * found[i] for i in range(j + 2, power + 2)), Fraction(0))
        found[j + 1] = (int(j == power) - above) / (j + 1)
    return tuple(found)


@cache
def _undone(share: Coefficient, power: int) -> tuple[Coefficient, ...]:
    """Coefficients of the z with ``z(s+1) − share · z(s) = s^power``, lowest first."""
    one = Fraction(1) / (1 - share) if isinstance(share, int) else 1 / (1 - share)
    found: list[Coefficient] = [0 * one] * (power + 1)
    for j in range(power, -1, -1):
        above = sum((found[i] * comb(i, j) for i in range(j + 1, power + 1)), 0 * one)
        found[j] = ((1 if j == power else 0) - above) * one
    return tuple(found)


@cache
def _lagrange(nodes: tuple[Fraction, ...]) -> tuple[tuple[Fraction, ...], ...]:
    """Row i: coefficients, lowest first, of the polynomial that is 1 at node i and 0 at the others."""
    whole = [Fraction(1)]  # Π (s − s_i)
    for node in nodes:
        whole = [low - node * high for low, high in zip([Fraction(0), *whole], [*whole, Fraction(0)], strict=True)]
    rows = []
    for node in nodes:
        quotient, rest = [Fraction(0)] * len(nodes), Fraction(0)
        for place in range(len(nodes) - 1, -1, -1):  # whole / (s − node), by Horner's scheme
            rest = whole[place + 1] + node * rest
            quotient[place] = rest
        scale = 1 / _value(quotient, node)
        rows.append(tuple(scale * part for part in quotient))
    return tuple(rows)
