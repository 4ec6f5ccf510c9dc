"""Approximations of the logarithm of two steps that were tried beside the one that is kept, and how a flow of each is.

Each function takes the states ``z_0 … z_m`` (m + 1, n), every second one of a run, and gives ``log(F²)(z_0)``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.central_flow import leading_directions
from eomsym.step_index import map_logarithm, resummed
from eomsym.step_index.subspace import subspace_logarithm

Rate = Callable[[np.ndarray], np.ndarray]
Sum = Callable[[np.ndarray], np.ndarray]


def plain(order: int, stride: int = 2) -> Callable[[Rate], Rate]:
    """The sum of the look-ahead field, as it stands."""
    return lambda step: lambda state: map_logarithm(step, state, order, stride=stride)


def subspace(order: int, stride: int = 2) -> Callable[[Rate], Rate]:
    """What is kept."""
    return lambda step: lambda state: subspace_logarithm(step, state, order, stride).value


def of_states(sum_of: Sum, order: int) -> Callable[[Rate], Rate]:
    """Any of the functions below as the rate of a flow."""

    def rate_of(step: Rate) -> Rate:
        def rate(state: np.ndarray) -> np.ndarray:
            states = [state]
            for _ in range(order + 1):
                states.append(step(step(states[-1])))
            return sum_of(np.array(states)) / 2

        return rate

    return rate_of


def accelerated(states: np.ndarray) -> np.ndarray:
    """Reduced rank extrapolation of the terms (−1)^{n+1}/n Δⁿz."""
    terms, rows = [], states
    while len(rows) > 1:
        rows = np.diff(rows, axis=0)
        terms.append([(-1) ** len(terms) / (len(terms) + 1) * rows[0]])
    found = resummed(terms)
    return np.asarray(found.value[0])


def accelerated_single(order: int) -> Callable[[Rate], Rate]:
    """The look-ahead field of single steps, so accelerated."""

    def rate_of(step: Rate) -> Rate:
        def rate(state: np.ndarray) -> np.ndarray:
            states = [state]
            for _ in range(order + 1):
                states.append(step(states[-1]))
            return accelerated(np.array(states))

        return rate

    return rate_of


def projected(states: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An orthonormal basis of the leading differences (n, r), the map in it (r, r), the first difference in it (r,)."""
    differences = np.diff(states, axis=0)
    basis, triangle = np.linalg.qr(differences[:-1].T)
    return basis, np.linalg.solve(triangle.T, (basis.T @ differences[1:].T).T).T, triangle[:, 0]


def through(values: Callable[[np.ndarray], np.ndarray], symmetric: bool = False) -> Sum:
    """``f(A) d_0`` for the map A in the span of the differences, f(r) in place of log r/(r − 1)."""

    def sum_of(states: np.ndarray) -> np.ndarray:
        if not np.isfinite(states).all():
            return np.full(states.shape[1], np.nan)
        basis, matrix, first = projected(states)
        if symmetric:
            multipliers, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
            return np.asarray(basis @ (vectors @ (values(multipliers).real * (vectors.T @ first))))
        multipliers, vectors = np.linalg.eig(matrix)
        shares = np.linalg.solve(vectors, first.astype(complex))
        return np.asarray((basis @ (vectors @ (values(multipliers) * shares))).real)

    return sum_of


def exact(multipliers: np.ndarray) -> np.ndarray:
    """log r/(r − 1) wherever r lies, those at or below 0 taken as 1/50."""
    r = np.asarray(multipliers, dtype=complex)
    r = np.where(r.real < 0.02, 0.02, r)
    near = np.abs(r - 1) < 1e-6
    return np.where(near, 1 - (r - 1) / 2, np.log(np.where(near, 2, r)) / np.where(near, 1, r - 1))


def doubted(multipliers: np.ndarray) -> np.ndarray:
    """The same up to |r − 1| = 4/5, and 1 from |r − 1| = 1 on."""
    share = np.clip((1 - np.abs(multipliers - 1)) / 0.2, 0, 1)
    return 1 + share**2 * (3 - 2 * share) * (exact(multipliers) - 1)


def pade(multipliers: np.ndarray) -> np.ndarray:
    """The rational approximation 2/(1 + r), of log r = 2 (r − 1)/(r + 1)."""
    return 2 / (1 + np.maximum(np.real(multipliers), 0))


def by_direction(gradient: Rate, eta: float, order: int, tracked: int = 2) -> Callable[[Rate], Rate]:
    """Two steps at once along the leading eigenvectors of the Hessian, one elsewhere: plain sums of the same order."""
    kept: list[np.ndarray] = []

    def rate_of(step: Rate) -> Rate:
        def rate(state: np.ndarray) -> np.ndarray:
            if not kept:
                start = np.linalg.qr(np.random.default_rng(0).standard_normal((state.size, tracked)))[0]
                kept.append(leading_directions(gradient, state, start, 50)[0])
            basis, curvatures = leading_directions(gradient, state, kept[-1], 1)
            kept[-1] = basis
            steep = basis[:, eta * curvatures > 0.5]
            single = map_logarithm(step, state, order)
            double = map_logarithm(step, state, order, stride=2)
            return np.asarray(single + steep @ (steep.T @ (double - single)))

        return rate

    return rate_of
