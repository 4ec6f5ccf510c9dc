"""The one principle: what is polynomial in the step index s is known from its values at a few nodes.

A linear functional ℓ of polynomials is given by what it makes of the monomials, ``m ↦ ℓ(s^m)``; ``weights`` are the
exact numbers with ``ℓ(p) = Σ_i w_i p(s_i)``.  The functionals here are all that an update rule asks for.  Each undoes
a difference equation: ``Q(s+1) − a Q(s) = p(s)`` is triangular on monomials, so its solution is exact, and a long
memory (a near 1) is never applied to rounded values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache, lru_cache, partial
from math import comb, lcm
from operator import mul

from eomsym.exact_numbers import Coefficient, divide

#: What a linear functional makes of ``s^m``.  Of one kind at one step it is one object: tables are found again by it.
Functional = Callable[[int], Coefficient]
#: Functionals of each kind that are kept.
KEPT = 4096


def weights(nodes: Sequence[Fraction], functional: Functional) -> list[Coefficient]:
    """``w`` with ``Σ_i w_i p(nodes[i]) = functional(p)`` for every polynomial p of degree below the number of nodes."""
    moments = [functional(power) for power in range(len(nodes))]
    rows = _lagrange(tuple(nodes))
    if all(isinstance(moment, (int, Fraction)) for moment in moments):  # sums of integers take a fraction of the time
        over = lcm(*(moment.denominator for moment in moments))
        integers = [moment.numerator * (over // moment.denominator) for moment in moments]
        return [plain(Fraction(sum(map(mul, integers, row)), over * scale)) for row, scale in rows]
    return [
        plain(sum((moment * Fraction(part, scale) for moment, part in zip(moments, row, strict=True)), 0 * moments[0]))
        for row, scale in rows
    ]


def logarithm(power: int) -> Coefficient:
    """``dQ/ds`` at 0 of the sum Q of ``s^power``: the Bernoulli number ``B_power``, with ``B_1 = −1/2``."""
    return _undone(1, power)[1]


@lru_cache(KEPT)
def sum_to(step: Fraction) -> Functional:
    """``Q(step)`` where ``Q(s+1) − Q(s) = s^m`` and ``Q(0) = 0``: Faulhaber's sum, at any rational step."""
    return partial(_sum_to, Fraction(step))


@lru_cache(KEPT)
def summed(functional: Functional) -> Functional:
    """The functional of ``Q``, where ``Q(s+1) − Q(s) = s^m`` and ``Q(0) = 0``."""
    return lambda power: sum((part * functional(place) for place, part in enumerate(_undone(1, power))), Fraction(0))


@lru_cache(KEPT)
def value_at(step: Fraction) -> Functional:
    """The value at another step."""
    return lambda power: Fraction(step) ** power


@lru_cache(KEPT)
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


def undone(values: Sequence[Coefficient], share: Coefficient, ratio: Coefficient = 1) -> tuple[Coefficient, ...]:
    """Coefficients, lowest first, of the x with ``ratio · x(s+1) − share · x(s) = Σ_i values[i] s^i``.

    A back substitution.  Where ratio and share are one number x has one power more, and ``x(0) = 0``.
    """
    shift = int(ratio == share)
    found: list[Coefficient] = [0] * (len(values) + shift)
    for j in range(len(values) - 1, -1, -1):
        above = sum((comb(i, j) * found[i] for i in range(j + 1 + shift, len(found))), 0)
        scale = ratio * (j + 1) if shift else ratio - share
        found[j + shift] = divide(values[j] - ratio * above, scale)
    return tuple(found)


@cache
def _undone(share: Coefficient, power: int) -> tuple[Coefficient, ...]:
    return undone([0] * power + [1], share)


@lru_cache(KEPT)  # each table of a higher level asks for all of the lower ones again
def _sum_to(step: Fraction, power: int) -> Coefficient:
    return _value(_undone(1, power), step)


@cache
def _lagrange(nodes: tuple[Fraction, ...]) -> tuple[tuple[tuple[int, ...], int], ...]:
    """The polynomials that are 1 at a node and 0 at the others: integers, lowest first, and what divides them."""
    unit = lcm(*(node.denominator for node in nodes))
    places = [node.numerator * (unit // node.denominator) for node in nodes]
    whole = [1]  # Π (x − x_i) in x = unit · s
    for place in places:
        whole = [low - place * high for low, high in zip([0, *whole], [*whole, 0], strict=True)]
    rows = []
    for place in places:
        quotient, rest = [0] * len(nodes), 0
        for power in range(len(nodes) - 1, -1, -1):  # whole / (x − place), by Horner's scheme
            rest = whole[power + 1] + place * rest
            quotient[power] = rest
        scale = sum(part * place**power for power, part in enumerate(quotient))
        rows.append((tuple(part * unit**power for power, part in enumerate(quotient)), scale))
    return tuple(rows)
