"""Central flow of gradient descent, from its equations (Cohen, Damian, Talwalkar, Kolter & Lee 2024, sections 3 and A).

``θ̇ = −g − ½ ∇⟨H, Σ⟩`` where Σ = U X Uᵀ lives on the eigenvectors U of the Hessian that are about to be unstable, and X
is what keeps their curvatures at 2/η or below: of a step of time dt, the semidefinite complementarity problem

    X ⪰ 0,   Y = 2/η − UᵀHU + dt (A + B X) ⪰ 0,   ⟨X, Y⟩ = 0,

with ``T_ij = ∇³L(u_i, u_j)``, ``A_ij = ⟨T_ij, g⟩`` and ``(B X)_ij = ½ Σ_kl ⟨T_ij, T_kl⟩ X_kl``.  All derivatives are
central differences of gradients, so that gradients are what it costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

Gradient = Callable[[np.ndarray], np.ndarray]

#: Lengths of the differences for second and third derivatives: roundings of 1e-16 are then 1e-11 and 1e-8 of them.
SECOND, THIRD = 1e-5, 1e-4
#: Multiplications of the tracked subspace by the Hessian at each place, after the first.
REFINEMENTS = 2
#: Iterations of the complementarity problem, and where it ends.
MOST, CLOSE = 500, 1e-10


@dataclass(frozen=True, eq=False)
class CentralPoint:
    """The centre (d,), the covariance of the oscillation as eigenvectors (d, k) and X (k, k), the curvatures (k,).

    All but θ are of the last substep.
    """

    theta: np.ndarray
    directions: np.ndarray
    covariance: np.ndarray
    curvatures: np.ndarray


def central_flow(
    gradient: Gradient, theta: np.ndarray, eta: float, tracked: int = 2, substeps: int = 4
) -> Iterator[CentralPoint]:
    """The flow at steps 0, 1, 2, … of gradient descent, by Euler's method with so many substeps each."""
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((theta.size, tracked)))[0]
    basis, curvatures = leading_directions(gradient, theta, basis, 50)
    covariance = np.zeros((tracked, tracked))
    length = eta / substeps
    while True:
        yield CentralPoint(theta, basis, covariance, curvatures)
        for _ in range(substeps):
            basis, curvatures = leading_directions(gradient, theta, basis, REFINEMENTS)
            slope = gradient(theta)
            covariance = np.zeros((tracked, tracked))
            bent = np.zeros_like(theta)
            # Far below 2/η nothing can become unstable within the substep, and X is 0.
            if curvatures[0] > 1.8 / eta:
                thirds = third_derivatives(gradient, theta, basis, slope)
                room = np.diag(2 / eta - curvatures) + length * np.tensordot(thirds, slope, 1)
                covariance = complementary(room, length * thirds / 2, thirds)
                bent = np.tensordot(covariance, thirds, 2) / 2
            theta = theta - length * (slope + bent)


def leading_directions(
    gradient: Gradient, theta: np.ndarray, basis: np.ndarray, refinements: int
) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvectors (d, k) of the largest eigenvalues (k,) of the Hessian, by a block Krylov space from ``basis``."""
    count = basis.shape[1]
    spanned, images = basis, hessian_times(gradient, theta, basis)
    for _ in range(refinements):
        if spanned.shape[1] + count > theta.size:
            break
        fresh = images[:, -count:]
        for _ in range(2):  # once more, for what cancels
            fresh = fresh - spanned @ (spanned.T @ fresh)
        fresh = np.linalg.qr(fresh)[0]
        spanned = np.hstack([spanned, fresh])
        images = np.hstack([images, hessian_times(gradient, theta, fresh)])
        if spanned.shape[1] > 12 * count:
            spanned, images = _ritz(spanned, images, 4 * count)[:2]
    vectors, _, values = _ritz(spanned, images, count)
    return vectors, values


def _ritz(spanned: np.ndarray, images: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values, vectors = np.linalg.eigh((spanned.T @ images + images.T @ spanned) / 2)
    chosen = vectors[:, ::-1][:, :count]
    return spanned @ chosen, images @ chosen, values[::-1][:count]


def hessian_times(gradient: Gradient, theta: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Hessian times each column."""
    columns = [gradient(theta + SECOND * v) - gradient(theta - SECOND * v) for v in vectors.T]
    return np.stack(columns, axis=1) / (2 * SECOND)


def third_derivatives(gradient: Gradient, theta: np.ndarray, basis: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """``∇³L(u_i, u_j)``, (k, k, d)."""

    def second(direction: np.ndarray) -> np.ndarray:
        moved = THIRD * direction
        return (gradient(theta + moved) - 2 * slope + gradient(theta - moved)) / THIRD**2

    count = basis.shape[1]
    values = np.empty((count, count, theta.size))
    for i in range(count):
        values[i, i] = second(basis[:, i])
        for j in range(i):  # polarised
            both = second(basis[:, i] + basis[:, j])
            values[i, j] = values[j, i] = (both - values[i, i] - values[j, j]) / 2
    return values


def complementary(room: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """X ⪰ 0 with ``room + B X ⪰ 0`` and both at right angles, ``B X = Σ_kl ⟨left_ij, right_kl⟩ X_kl``.

    These are the conditions of the least ``½⟨X, B X⟩ + ⟨room, X⟩`` over X ⪰ 0, found by projected gradients with
    Nesterov's momentum.
    """
    count = len(room)
    operator = (left.reshape(count**2, -1) @ right.reshape(count**2, -1).T).reshape(count, count, count, count)
    largest = np.linalg.norm(operator.reshape(count**2, -1), 2)
    solution = ahead = np.zeros_like(room)
    if largest == 0 or np.linalg.eigvalsh(room)[0] >= 0:
        return solution
    momentum = 1.0
    for _ in range(MOST):
        step = ahead - (np.tensordot(operator, ahead, 2) + room) / largest
        values, vectors = np.linalg.eigh((step + step.T) / 2)
        following = (vectors * np.maximum(values, 0)) @ vectors.T
        change = following - solution
        if np.sum((ahead - following) * change) > 0:  # it went too far: begin anew
            momentum = 1.0
        grown = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = following + (momentum - 1) / grown * change
        momentum, solution = grown, following
        if np.linalg.norm(change) <= CLOSE * max(np.linalg.norm(solution), 1e-300):
            break
    return solution
