"""Weights of the step-index polynomials, for the peers that work by iterates; exact until the end."""

from __future__ import annotations

from fractions import Fraction
from math import comb


def extrapolation(degree: int, step: int) -> list[float]:
    """Weights of a polynomial's values at steps 1, …, degree for that at ``step``; it vanishes at step 0 (Lagrange)."""
    weights = []
    for i in range(1, degree + 1):
        weight = Fraction(1)
        for other in range(degree + 1):
            if other != i:
                weight *= Fraction(step - other, i - other)
        weights.append(float(weight))
    return weights


def logarithm(degree: int) -> list[float]:
    """Weights of the values at steps 0, …, degree in ``Σ_n (−1)^n/(n+1) Δ^n p(0)``."""
    return [
        float((-1) ** i * sum(Fraction(comb(n, i), n + 1) for n in range(i, degree + 1))) for i in range(degree + 1)
    ]
