"""The logarithm of a map in the span of its leading differences, its stride chosen by direction, order 0 elsewhere.

The plain sum of the look-ahead field is one polynomial for all multipliers, and right near 1 alone.  The states that it
is made from also say what the map does in the span of their differences: there its matrix is small, its eigenvalues are
multipliers, and each has its own logarithm: one step's near 1, that of two steps at once near −1, from the same states.
Of those that are near neither nothing is believed: a field of order 0 has no series that could diverge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from eomsym.step_index.lookahead import check_lookahead_order, check_stride

#: A difference that its predecessors make but for this part of it spans nothing new.
SPAN_CUTOFF = 1e-9
#: Multipliers are believed up to this distance from 1, or −1, and not at all from the second on; smoothly between.
BELIEVED, DOUBTED = 0.8, 1.0


@dataclass(frozen=True, eq=False)
class SubspaceLogarithm:
    """``value`` (m,), the equation of motion of a map per step; ``multipliers`` (≤ N,), those of the map.

    ``unspanned`` tells of the relative error of the value: the part of the last difference outside of the span of the
    others, with its weight in the plain sum, 1/(N + 1).  On random quadratics, ηλ not near 1, the median error at
    orders 1 to 4 was 2, 3, 5, 8 times that, the worst in twenty 3, 7, 13, 22 times.
    """

    value: np.ndarray
    multipliers: np.ndarray
    unspanned: float = 0.0


def subspace_logarithm(
    step: Callable[[np.ndarray], np.ndarray], state: np.ndarray, order: int, stride: int = 1
) -> SubspaceLogarithm:
    """The logarithm of ``step``, or with ``stride`` 2 half of that of two steps, at ``state`` (m,).

    From order + 1 steps, with either stride.  With the differences ``d_j = z_{j+1} − z_j`` and A the map that takes
    d_0 … d_{N−1} to d_1 … d_N in their span, it is ``log(A)(A − 1)^{−1} d_0``, or ``½ log(A²)(A − 1)^{−1} d_0``, by
    A's eigenvalues; ``d_0`` for order 0, or half the difference of two steps.  A linear map on N dimensions has it
    exactly.  Raises ``InputError`` for an order outside 0 … 20 or another stride than 1 and 2.
    """
    points = [state]
    for _ in range(max(check_lookahead_order(order) + 1, check_stride(stride))):
        points.append(step(points[-1]))
    differences = np.diff(points, axis=0)
    if not np.isfinite(differences).all():
        return SubspaceLogarithm(np.full_like(state, np.nan), np.empty(0))
    basis, multipliers, parts = _spanned(differences[: order + 1])
    if not len(basis):
        return SubspaceLogarithm(differences[:stride].sum(axis=0) / stride, np.empty(0))
    value = basis.T @ (parts @ _logarithm_over_step(multipliers, stride)).real
    outside = differences[order] - basis.T @ (basis @ differences[order])
    # what alternates about a point at rest has a field of round-off, of which there are no shares
    size = max(np.linalg.norm(value), SPAN_CUTOFF * np.linalg.norm(differences[0]))
    unspanned = np.linalg.norm(outside) / ((order + 1) * size)
    return SubspaceLogarithm(value, multipliers, float(unspanned))


def far_share(points: Sequence[np.ndarray], limit: float) -> tuple[float, float]:
    """Which part of two steps of a map goes along directions with ``|μ| > limit``, and the μ that is farthest.

    ``points`` are states, at least three, each a step after the one before.  Of μ it is the real part; 0 and 0 where
    there are no numbers.
    """
    differences = np.diff(points, axis=0)
    if not np.isfinite(differences).all():
        return 0.0, 0.0
    _, multipliers, parts = _spanned(differences)
    far = np.abs(multipliers) > limit
    if not far.any():
        return 0.0, 0.0
    moved = parts[:, far] @ (1 + multipliers[far])
    whole = np.linalg.norm(differences[0] + differences[1])
    return float(np.linalg.norm(moved) / whole), float(multipliers[np.abs(multipliers).argmax()].real)


def _spanned(differences: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A basis of all differences but the last, the multipliers of the map there, and what of the first each has.

    These parts are columns, in the basis.
    """
    basis = _orthonormal(differences[:-1])
    rank = len(basis)
    if not rank:
        return basis, np.empty(0), np.empty((0, 0))
    before, after = basis @ differences[:rank].T, basis @ differences[1 : rank + 1].T
    multipliers, vectors = np.linalg.eig(np.linalg.solve(before.T, after.T).T)
    return basis, multipliers, vectors * np.linalg.solve(vectors, before[:, 0].astype(np.complex128))


def _logarithm_over_step(multipliers: np.ndarray, stride: int) -> np.ndarray:
    """``log r/(r − 1)`` of r = μ^stride, or 1 where μ is not believed, times what makes it of (μ − 1)·stride."""
    away = np.asarray(multipliers, dtype=np.complex128) - 1
    distance, factor = np.abs(away), np.ones_like(away)
    if stride == 2:
        distance, factor = np.minimum(distance, np.abs(away + 2)), 1 + away / 2
        away = away * (away + 2)
    # μ² = 0 is what is lost in one step: ηλ = 1, which has no logarithm
    is_near, is_doubted = np.abs(away) < 1e-4, (distance >= DOUBTED) | (away == -1)
    near, far = np.where(is_near, away, 0), np.where(is_near | is_doubted, 0.5, away)
    exact = np.where(is_near, 1 - near / 2 + near**2 / 3, np.log1p(far) / far)
    share = np.clip((DOUBTED - distance) / (DOUBTED - BELIEVED), 0, 1)
    return np.asarray(factor * (1 + share**2 * (3 - 2 * share) * (exact - 1)))


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
