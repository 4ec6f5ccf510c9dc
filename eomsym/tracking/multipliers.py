"""Multipliers of a run from its own differences: the linear recurrence that they obey, from their Gram matrix alone.

Near a slow path the second differences e_k of the iterates are a sum of modes ``Σ a_i μ_iᵏ``; the μ_i are the
multipliers of a step of the rule.  A recurrence ``e_{k+p} = Σ_j c_j e_{k+j}`` is fitted by least squares over all
parameters; the μ_i are the roots of its polynomial, and what it does not explain is noise, kinks, or chaos.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

#: Terms of the recurrence: two pairs, or a pair and two real ones; more explain noise too.
TERMS = 4
#: Second differences below which nothing is fitted: the equations are more than the terms.
FEWEST = 7
#: Directions of the past that are smaller than this share of the largest are left out of the fit.
SMALL = 1e-10
#: Shares of a mode that can be told from those of others: Vandermonde columns that are nearer than this are one.
NEAR = 1e-6


@dataclass(frozen=True, eq=False)
class Multipliers:
    """``values`` by the ``shares`` of their modes in the differences, the largest first; a pair is there once.

    ``residual`` is the share that the recurrence does not explain, ``dimension`` the number of directions the
    differences are spread over: (Σλ)²/Σλ² of the Gram matrix of their directions.
    """

    values: tuple[complex, ...]
    shares: tuple[float, ...]
    residual: float
    dimension: float


def degrees(value: complex) -> float:
    """The angle of a multiplier, 0 to 180."""
    return abs(float(np.degrees(np.angle(value))))


def multipliers(gram: np.ndarray, rounding: float = 0.0, terms: int = TERMS) -> Multipliers | None:
    """Of vectors in a row with this Gram matrix, second differences; None of too few, of zeros and of no numbers.

    ``rounding`` is what rounding moves an iterate by, in the norm.
    """
    count = len(gram)
    if count < FEWEST or not np.isfinite(gram).all() or not np.all(np.diag(gram) > 0):
        return None
    gram = gram / np.trace(gram) * count if (scale := np.trace(gram) / count) else gram
    equations = count - terms
    normal = np.sum([gram[k : k + terms + 1, k : k + terms + 1] for k in range(equations)], axis=0)
    past, met, whole = normal[:terms, :terms], normal[:terms, terms], normal[terms, terms]
    values, vectors = np.linalg.eigh(past)
    used = values > max(SMALL * values[-1], equations * comb(4, 2) * rounding**2 / scale)
    weights = vectors[:, used] @ ((vectors[:, used].T @ met) / values[used])
    left = (whole - 2 * weights @ met + weights @ past @ weights) / whole
    roots = np.roots([1.0, *-weights[::-1]])
    sizes = np.sqrt(np.diag(gram))
    spread = np.sum((gram / np.outer(sizes, sizes)) ** 2) / count**2
    shares = _shares(gram, roots)
    ranked = [i for i in np.argsort(-shares) if roots[i].imag >= 0]
    return Multipliers(
        tuple(complex(roots[i]) for i in ranked),
        tuple(float(shares[i]) for i in ranked),
        float(np.sqrt(np.clip(left, 0, 1))),
        float(1 / spread),
    )


def _shares(gram: np.ndarray, roots: np.ndarray) -> np.ndarray:
    """Norm of each mode over that of all, modes of a pair together."""
    modes = roots[None, :] ** np.arange(len(gram))[:, None]
    modes = modes / np.linalg.norm(modes, axis=0)
    inverse = np.linalg.pinv(modes, rcond=NEAR)
    energies = np.einsum("ij,jk,ik->i", inverse, gram, inverse.conj()).real
    return np.sqrt(np.where(np.abs(roots.imag) > 0, 2, 1) * np.maximum(energies, 0) / np.trace(gram))
