"""The logarithm of a map in the span of its leading differences, and order 0 elsewhere: for multipliers far from 1.

The plain sum of the look-ahead field is one polynomial for all multipliers, and right near 1 alone.  The N + 1 states
that it is made from also say what the map does in the span of their differences: there the matrix of the map is small,
its eigenvalues are multipliers, and each has its own logarithm.  Of those that are far from 1 nothing is believed: a
field of order 0, which is the step itself, has no series that could diverge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from eomsym.step_index.lookahead import check_lookahead_order, check_stride

#: A difference that its predecessors make but for this part of it spans nothing new.
SPAN_CUTOFF = 1e-9
#: Multipliers r are believed up to |r − 1| of the first, and not at all from the second on; smoothly between.
BELIEVED, DOUBTED = 0.8, 1.0


@dataclass(frozen=True, eq=False)
class SubspaceLogarithm:
    """``value`` (m,), the equation of motion of a map per step; ``multipliers`` (≤ N,) of the map, or of its square."""

    value: np.ndarray
    multipliers: np.ndarray


def subspace_logarithm(
    step: Callable[[np.ndarray], np.ndarray], state: np.ndarray, order: int, stride: int = 1
) -> SubspaceLogarithm:
    """The logarithm of ``step``, or with ``stride`` 2 half of that of two steps, at ``state`` (m,).

    With the differences ``d_j = z_{j+1} − z_j`` and A the map that takes d_0 … d_{N−1} to d_1 … d_N in their span, it
    is ``log(A)(A − 1)^{−1} d_0``, which A's eigenvalues make; ``d_0`` for order 0.  A linear map on N dimensions has it
    exactly.  Raises ``InputError`` for an order outside 0 … 20.
    """
    points = [state]
    for _ in range(check_lookahead_order(order) + 1):
        following = points[-1]
        for _ in range(check_stride(stride)):
            following = step(following)
        points.append(following)
    differences = np.diff(points, axis=0)
    if not np.isfinite(differences).all():
        return SubspaceLogarithm(np.full_like(state, np.nan), np.empty(0))
    basis = _orthonormal(differences[:-1])
    rank = len(basis)
    if not rank:
        return SubspaceLogarithm(differences[0] / stride, np.empty(0))
    before, after = basis @ differences[:rank].T, basis @ differences[1 : rank + 1].T
    multipliers, vectors = np.linalg.eig(np.linalg.solve(before.T, after.T).T)
    shares = np.linalg.solve(vectors, before[:, 0].astype(np.complex128))
    inside = (vectors @ (_logarithm_over_step(multipliers) * shares)).real
    return SubspaceLogarithm(basis.T @ inside / stride, multipliers)


def _logarithm_over_step(multipliers: np.ndarray) -> np.ndarray:
    """``log r/(r − 1)`` where r is believed, 1 where it is not."""
    away = np.asarray(multipliers, dtype=np.complex128) - 1
    distance = np.abs(away)
    near = np.where(distance < 1e-4, away, 0)
    inside = np.where((distance >= 1e-4) & (distance < DOUBTED), away, 0.5)
    exact = np.where(distance < 1e-4, 1 - near / 2 + near**2 / 3, np.log1p(inside) / inside)
    share = np.clip((DOUBTED - distance) / (DOUBTED - BELIEVED), 0, 1)
    return 1 + share**2 * (3 - 2 * share) * (exact - 1)


def _orthonormal(vectors: np.ndarray) -> np.ndarray:
    """An orthonormal basis of the first vectors, as far as each spans something new, (rank, m)."""
    basis = np.empty((0, vectors.shape[1]))
    for vector in vectors:
        rest = vector
        for _ in range(2):  # once more, for what cancels
            rest = rest - basis.T @ (basis @ rest)
        size = np.linalg.norm(rest)
        if not size > SPAN_CUTOFF * np.linalg.norm(vector):
            break
        basis = np.vstack([basis, rest / size])
    return basis
