"""How large a coefficient of gradient descent can be: a bound that holds for every tree, from sizes alone.

By Faulhaber's formula ``P_τ(s) = Σ_{k<s} Q_τ(k)`` and its linear coefficient ``b(τ) = Σ_m B_m [s^m] Q_τ`` are linear in
the coefficients of the product ``Q_τ = ∏ P_{τ_i}``.  With the absolute values of all weights, and the largest |[s^m]|
over all trees of a size in the place of those of one tree, both become inequalities (proof: docs/tree_tables.md).
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import comb

import sympy


def bernoulli(index: int) -> Fraction:
    """``B_index``; SymPy has ``B_1 = +1/2``."""
    number = sympy.bernoulli(index)
    return Fraction(int(number.p), int(number.q)) * (-1 if index == 1 else 1)


def coefficient_bound(nodes: int) -> Fraction:
    """A number that ``|b(τ)|`` of no tree with ``nodes`` ≥ 1 nodes exceeds, exactly."""
    return sum((abs(bernoulli(power)) * bound for power, bound in enumerate(_product_bounds(nodes))), start=Fraction(0))


@cache
def _product_bounds(nodes: int) -> tuple[Fraction, ...]:
    """For each power of s, a bound of its coefficient in Q_τ for all trees with ``nodes`` nodes."""
    if nodes == 1:
        return (Fraction(1),)
    # Q_τ is P of a child times Q of the tree that is left without it.
    products = [_multiply(_sum_bounds(size), _product_bounds(nodes - size)) for size in range(1, nodes)]
    return tuple(map(max, zip(*products, strict=True)))


@cache
def _sum_bounds(nodes: int) -> tuple[Fraction, ...]:
    """The same for P_τ: ``Σ_{k<s} k^m = Σ_j C(m+1, j) B_j s^{m+1−j} / (m+1)``."""
    bounds = [Fraction(0)] * (nodes + 1)
    for power, bound in enumerate(_product_bounds(nodes)):
        for j in range(power + 1):
            bounds[power + 1 - j] += bound * comb(power + 1, j) * abs(bernoulli(j)) / (power + 1)
    return tuple(bounds)


def _multiply(left: tuple[Fraction, ...], right: tuple[Fraction, ...]) -> list[Fraction]:
    product = [Fraction(0)] * (len(left) + len(right) - 1)
    for i, first in enumerate(left):
        for j, second in enumerate(right):
            product[i + j] += first * second
    return product
