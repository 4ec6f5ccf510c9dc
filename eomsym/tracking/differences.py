"""Differences of a run's own iterates, and how they point: all that a verdict looks at.

On the slow manifold ``η f̃(θ) = Σ_{n≥1} (−1)^{n+1}/n Δⁿθ``, the logarithm of the shift: ``‖Δⁿθ‖/n`` is the size of a
term that leads with ηⁿ (theory §14).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np

from eomsym.errors import InputError

#: Entries of a parameter that are looked at together: what is in work stays in the cache, and small.
CHUNK = 1 << 15
#: Differences are multiplied with those so many steps on; without BLAS, whose threads cost more than they bring here.
LAGS = (0, 1, 2)
#: What rounding moves an iterate by, in units of ε|θ|: uniform in ±ε|θ|/2 at the mean mantissa, root mean square.
ROUNDING = 0.2
#: A difference counts above this many times what rounding makes of it.
MARGIN = 4.0
#: The distance from 1 to the next number.
EPSILONS = {"bfloat16": 2.0**-7, "float16": 2.0**-10, "float32": 2.0**-23, "float64": 2.0**-52}


@dataclass(frozen=True, eq=False)
class Differences:
    """``products[n − 1][lag][i]`` is ⟨Δⁿθ_i, Δⁿθ_{i+lag}⟩ over all parameters, n = 1, 2, …, lag 0, 1, 2.

    ``rounding`` is ‖0.2 ε θ‖₂.
    """

    products: tuple[tuple[np.ndarray, ...], ...]
    rounding: float

    @property
    def step(self) -> float:
        """Root mean square of ‖Δθ‖₂."""
        return _mean_size(self.products[0])

    @property
    def shares(self) -> tuple[float, ...]:
        """``‖Δⁿθ‖/(n ‖Δθ‖)``, n = 1, 2, …, root mean squares over the iterates."""
        return tuple(_over(_mean_size(product), n * self.step) for n, product in enumerate(self.products, 1))

    @property
    def noise(self) -> tuple[float, ...]:
        """What rounding alone makes of each share."""
        orders = range(1, len(self.products) + 1)
        return tuple(_over(self.rounding * comb(2 * n, n) ** 0.5, n * self.step) for n in orders)

    @property
    def seen(self) -> int:
        """How many shares, from the first on, stand above what rounding makes of them."""
        above = [share > MARGIN * noise for share, noise in zip(self.shares, self.noise, strict=True)]
        return above.index(False) if False in above else len(above)

    def last(self, count: int) -> Differences:
        """Those of the last so many iterates alone."""
        kept = [
            tuple(row[max(0, len(row) - (count - n - lag)) :] for lag, row in enumerate(product))
            for n, product in enumerate(self.products[: count - 1], 1)
        ]
        return Differences(tuple(kept), self.rounding)

    def cosine(self, n: int, lag: int = 1) -> float:
        """Mean cosine between Δⁿ and itself ``lag`` steps on; NaN if the iterates are too few, or do not move."""
        product = self.products[n - 1]
        if not product[lag].size:
            return float("nan")
        sizes = np.sqrt(product[0])
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.mean(product[lag] / (sizes[:-lag] * sizes[lag:])))


def _over(size: float, unit: float) -> float:
    return size / unit if unit else float("nan")


def _mean_size(product: Sequence[np.ndarray]) -> float:
    return float(np.sqrt(np.mean(product[0])))


def differences(iterates: Sequence[Sequence[Any]]) -> Differences:
    """Of iterates in a row, each a list of arrays of NumPy, JAX or PyTorch, the same shapes in each.

    Sums are in float64, on the processor, a chunk at a time.
    """
    count = len(iterates)
    products = [tuple(np.zeros(max(0, count - n - lag)) for lag in LAGS) for n in range(1, count)]
    rounding = 0.0
    buffer = np.empty((count, CHUNK))
    for leaves in zip(*iterates, strict=True):
        unit, flat = ROUNDING * precision(leaves[0]), [as_numpy(leaf).reshape(-1) for leaf in leaves]
        for start in range(0, flat[0].size, CHUNK):
            rows = buffer[:, : min(CHUNK, flat[0].size - start)]
            for row, leaf in zip(rows, flat, strict=True):
                row[:] = leaf[start : start + CHUNK]
            with np.errstate(over="ignore", invalid="ignore"):  # a run may leave the numbers
                rounding += (unit * float(np.linalg.norm(rows[0]))) ** 2
                for product in products:
                    rows = np.subtract(rows[1:], rows[:-1], out=rows[:-1])
                    for lag, total in enumerate(product):
                        met = np.einsum("ij,ij->i", rows[: len(total)], rows[lag:][: len(total)])
                        np.add(total, met, out=total)
    return Differences(tuple(products), rounding**0.5)


def as_numpy(array: Any) -> np.ndarray:
    """An array of NumPy, from wherever the array is; a view where that is possible."""
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        array = array.double() if array.dtype.itemsize < 4 else array  # bfloat16 is no type of NumPy
        return array.numpy()
    return np.asarray(array)


def precision(array: Any) -> float:
    """ε of an array's type.  Raises ``InputError`` for one that is no real floating-point type."""
    name = str(array.dtype).rpartition(".")[2]
    if name not in EPSILONS:
        raise InputError(f"parameters: a leaf is {name}; give {', '.join(EPSILONS)}")
    return EPSILONS[name]
