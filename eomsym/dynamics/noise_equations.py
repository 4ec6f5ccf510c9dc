"""Mean and covariance of gradient descent on random batches, to weak order 1, over functions of arrays (theory §13).

With ``Σ`` the covariance of a batch's gradient and ``H = g'``, all at the mean μ,

    μ' = −g − (η/2) (g'g + g''(S)),    S' = −HS − SH + Σ,    S(0) = 0,

and the covariance of the iterates is ηS: their expectations are right up to O(η²).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from eomsym.dynamics.integration import integrate_path
from eomsym.errors import IntegrationError
from eomsym.result import Result

#: The error of the dense equations' integration allowed per step, of μ and of S.
TOLERANCE = 1e-9
#: Steps of the integrator for one of the optimiser: where descent is stable it takes less than one.
PATIENCE = 10
#: Random signs that stand for the diagonal part.
PROBES = 8
#: What grows beyond this is lost, and its squares would leave the floating-point numbers.
LARGEST = 1e60


class NoisyLoss(Protocol):
    """A mean over samples, as the equations see it; d parameters, n samples."""

    size: int
    samples: int

    def along(self, theta: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """g (d,), and for each column c of (d, m) ``Hc`` and ``g''(c, c)``, both (d, m)."""

    def sample_gradients(self, theta: np.ndarray) -> np.ndarray:
        """The gradient of each sample's loss, (n, d)."""

    def gradient(self, theta: np.ndarray, chosen: np.ndarray | None = None) -> np.ndarray:
        """g (d,) of the mean over the chosen samples, all by default."""

    def loss(self, theta: np.ndarray) -> float:
        """The mean over all samples."""


@dataclass(frozen=True)
class Draw:
    """How a batch comes about: ``size`` of ``samples``, each anew (``replacement``) or all different."""

    samples: int
    size: int
    replacement: bool

    @property
    def share(self) -> float:
        """The covariance of a batch's gradient over that of a single sample's, each of the n being equally likely."""
        if self.replacement or self.samples == 1:
            return 1 / self.size
        return (self.samples - self.size) / (self.samples - 1) / self.size

    def batch(self, generator: np.random.Generator) -> np.ndarray:
        """Numbers of samples."""
        return generator.choice(self.samples, self.size, replace=self.replacement)


@dataclass(frozen=True, eq=False, repr=False)
class Spread(Result):
    """A covariance ``C Cᵀ + diag(D)``: ``columns`` C (d, r), ``diagonal`` D (d,)."""

    columns: np.ndarray
    diagonal: np.ndarray

    @property
    def trace(self) -> float:
        """Of the whole."""
        return float((self.columns**2).sum() + self.diagonal.sum())

    @property
    def matrix(self) -> np.ndarray:
        """(d, d)."""
        return self.columns @ self.columns.T + np.diag(self.diagonal)

    def directions(self, generator: np.random.Generator) -> np.ndarray:
        """Columns (d, m) whose products stand for it: after C, those of the diagonal part by random signs.

        That part is what C left over: it has no share in the directions of C, which are orthogonal, and its own trace.
        """
        count = PROBES if self.diagonal.any() else 0
        signs = generator.choice([-1.0, 1.0], (len(self.diagonal), count))
        probes = np.sqrt(self.diagonal / PROBES)[:, None] * signs
        lengths = np.linalg.norm(self.columns, axis=0)
        basis = self.columns[:, lengths > 0] / lengths[lengths > 0]
        outside = probes - basis @ (basis.T @ probes)
        kept = np.maximum(np.linalg.norm(outside, axis=0), np.finfo(float).tiny)
        return np.hstack([self.columns, outside * (np.linalg.norm(probes, axis=0) / kept)])


def noise_factor(loss: NoisyLoss, draw: Draw, theta: np.ndarray) -> np.ndarray:
    """F (d, n) with ``FFᵀ = Σ``, the covariance of a batch's gradient."""
    each = loss.sample_gradients(theta)
    return np.sqrt(draw.share / draw.samples) * (each - each.mean(axis=0)).T


def moment_rates(
    loss: NoisyLoss, draw: Draw, eta: float, mean: np.ndarray, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """μ' (d,) and S' (d, d).  The eigenvectors of S serve for HS, for g''(S), and as a basis for g'g."""
    values, vectors = np.linalg.eigh(covariance)
    slope, turned, bent = loss.along(mean, vectors)
    damping = (turned * values) @ vectors.T
    factor = noise_factor(loss, draw, mean)
    drift = -slope - eta / 2 * (turned @ (vectors.T @ slope) + bent @ values)
    return drift, factor @ factor.T - damping - damping.T


def dense_moments(
    loss: NoisyLoss, draw: Draw, eta: float, theta: np.ndarray, steps: Sequence[int]
) -> Iterator[tuple[np.ndarray, Spread]]:
    """μ and ηS after each of ``steps``, which begin with 0, by integration of the equations."""
    size = len(theta)

    def rate(state: np.ndarray) -> np.ndarray:
        drift, growth = moment_rates(loss, draw, eta, state[:size], state[size:].reshape(size, size))
        return np.append(drift, growth)

    start = np.append(theta, np.zeros(size * size))
    try:
        times = eta * np.array(steps, dtype=float)
        path = integrate_path(rate, start, times, TOLERANCE, most=lambda time: PATIENCE * (50 + time / eta))
    except IntegrationError as fault:
        raise IntegrationError(
            f"noise: {fault}; it is too large for weak order 1: take a smaller eta or larger batches"
        ) from fault
    for state in path.states:
        values, vectors = np.linalg.eigh(eta * state[size:].reshape(size, size))
        yield state[:size], Spread(vectors * np.sqrt(np.maximum(values, 0)), np.zeros(size))


def stepped_moments(
    loss: NoisyLoss, draw: Draw, eta: float, theta: np.ndarray, steps: Sequence[int], rank: int
) -> Iterator[tuple[np.ndarray, Spread]]:
    """The same by steps of η, which have the same weak order and are exact for quadratics with constant noise:

        μ⁺ = μ − ηg − (η/2) g''(K),    K⁺ = (1 − ηH) K (1 − ηH) + η²Σ,    K = ηS.

    K is kept as ``rank`` orthogonal columns and, of what these leave out, the diagonal, which keeps the trace.
    Products with that part are taken by random signs of a fixed seed.
    """
    size, generator = len(theta), np.random.default_rng(0)
    mean, spread = theta, Spread(np.zeros((size, min(rank, size))), np.zeros(size))
    for step in range(steps[-1] + 1):
        if step in steps:
            yield mean, spread
        if step == steps[-1]:
            return
        columns, kept = spread.directions(generator), spread.columns.shape[1]
        slope, turned, bent = loss.along(mean, columns)
        with np.errstate(over="ignore", invalid="ignore"):
            moved = columns - eta * turned
            fresh = np.hstack([moved[:, :kept], eta * noise_factor(loss, draw, mean)])
            diagonal = (moved[:, kept:] ** 2).sum(axis=1)
            mean = mean - eta * slope - eta / 2 * bent.sum(axis=1)
            size_now = np.linalg.norm(fresh) + np.linalg.norm(mean)
        if not size_now < LARGEST:
            raise IntegrationError(f"noise: mean or covariance not finite after {step + 1} steps; take a smaller eta")
        spread = _compressed(fresh, diagonal, kept, generator)


def _compressed(columns: np.ndarray, diagonal: np.ndarray, rank: int, generator: np.random.Generator) -> Spread:
    """The ``rank`` leading left singular vectors of the columns by subspace iteration; the rest to the diagonal."""
    start = columns[:, :rank]
    if not start.any():
        start = columns @ generator.normal(size=(columns.shape[1], rank))
    basis, _ = np.linalg.qr(columns @ (columns.T @ start))
    inside = basis.T @ columns
    values, vectors = np.linalg.eigh(inside @ inside.T)
    outside = ((columns - basis @ inside) ** 2).sum(axis=1)
    return Spread(basis @ vectors * np.sqrt(np.maximum(values, 0)), diagonal + outside)
