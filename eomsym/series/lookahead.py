"""Weights of the look-ahead field, the logarithm of a step cut by differences instead of by powers of η."""

from __future__ import annotations

from fractions import Fraction
from math import comb

#: The weights grow like 2^N: at 20 six digits of the gradients are lost.
MAX_LOOKAHEAD_ORDER = 20


def lookahead_weights(order: int) -> list[Fraction]:
    """``w_0 … w_order`` of ``f̃ ≈ −Σ_i w_i g(y_i)``, y_i the i-th iterate: 3/2, −1/2 for order 1.

    ``η f̃ = Σ_{n=1}^{N+1} (−1)^{n+1}/n Δ^n y`` and ``Δy_i = −η g(y_i)``, so ``w_i = Σ_n (−1)^i C(n−1, i)/n``.
    """
    return [
        sum((Fraction((-1) ** i * comb(n - 1, i), n) for n in range(i + 1, order + 2)), Fraction(0))
        for i in range(order + 1)
    ]
