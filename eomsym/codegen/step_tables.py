"""Constant tables of a gradient-descent kernel, from the step-index polynomial.

Coefficient k of the gradient at step j is a polynomial in j of degree k that vanishes at j = 0 (k ≥ 1).  The kernel
computes its values at j = 1 … k; both what it is at later steps and its ``s¹`` part are linear in those values, with
the rational weights made here by the operators of ``derivation.step_polynomial``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from eomsym.derivation.step_polynomial import forward_differences, linear_coefficient, values

Weights = list[Fraction]


def extrapolation(terms: int) -> list[list[Weights]]:
    """``[j][k][i]``: weight of the value at step i in the value at step j > k; zero where it is not needed."""

    def at(j: int) -> Callable[[list[Fraction]], Fraction]:
        return lambda differences: Fraction(values(differences, j + 1)[j])

    return [[_weights(at(j), k, terms) if 0 < k < j else _zeros(terms) for k in range(terms)] for j in range(terms)]


def logarithm(terms: int) -> list[Weights]:
    """``[k][i]``: weight of coefficient k of ``g`` at step i in ξ_{k−1}.

    ``η f̃ = Σ_n (−1)^{n+1}/n Δ^n y`` and ``Δy_j = −η g(y_j)``, so ``ξ_{k−1} = Σ_n (−1)^n/(n+1) Δ^n g_k(0)``: the linear
    coefficient of the polynomial whose differences are those of ``g_k``, moved up by one.
    """
    return [
        _weights(lambda differences: Fraction(linear_coefficient([0, *differences])), k, terms) if k else _zeros(terms)
        for k in range(terms)
    ]


def _weights(functional: Callable[[list[Fraction]], Fraction], degree: int, terms: int) -> Weights:
    """The weights of a linear functional of a polynomial in its values at 0 … degree."""

    def unit(i: int) -> Sequence[Fraction]:
        return [Fraction(int(i == position)) for position in range(degree + 1)]

    weights = [functional(forward_differences(unit(i))) for i in range(degree + 1)]
    return weights + _zeros(terms - degree - 1)


def _zeros(count: int) -> Weights:
    return [Fraction(0)] * count
