"""The slow field of any step by its own iterates in many digits: nothing is expanded, and no memory is eliminated.

After ``fade`` steps the memory's start is forgotten.  The first point is chosen so that these steps lead to a given
one, and ``F(η) = (1/η) Σ_n (−1)^{n+1}/n Δ^n θ`` there agrees with ``Σ_k η^k f̃_k``; a polynomial in η has the f̃_k.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import gmpy2
import numpy as np
from gmpy2 import mpfr
from high_precision import _polynomial_coefficients, exact

BITS, SPACING = 500, -14


def slow_field(
    step: Callable[[tuple[Any, ...], Any], tuple[Any, ...]], memories: int, theta: np.ndarray, terms: int, fade: int
) -> np.ndarray:
    """``[f̃_0, …, f̃_{terms−1}]`` (terms, d) at ``theta`` (d,); ``step(state, eta)`` is on object arrays of gmpy2."""
    with gmpy2.context(gmpy2.get_context(), precision=BITS):
        target, nodes = exact(theta), range(1, terms + 3)
        samples = [_field(step, memories, target, node * mpfr(10) ** SPACING, terms + 2, fade) for node in nodes]
        return np.array(_polynomial_coefficients(list(nodes), samples, terms, SPACING)).astype(float)


def _field(step: Any, memories: int, target: np.ndarray, eta: Any, differences: int, fade: int) -> np.ndarray:
    start = target
    while True:
        state = (start, *(0 * target for _ in range(memories)))
        for _ in range(fade):
            state = step(state, eta)
        missed = state[0] - target
        if max(abs(missed)) < mpfr(10) ** (5 * SPACING):
            break
        start = start - missed
    row = [state[0]]
    for _ in range(differences):
        state = step(state, eta)
        row.append(state[0])
    total, n = 0 * target, 1
    while len(row) > 1:
        row = [after - before for before, after in pairwise(row)]
        total = total + row[0] * (mpfr((-1) ** (n + 1)) / n)
        n += 1
    return total / eta
