"""Differences of a run's own iterates, and how they point: all that a verdict looks at.

On the slow manifold ``η f̃(θ) = Σ_{n≥1} (−1)^{n+1}/n Δⁿθ``, the logarithm of the shift: ``‖Δⁿθ‖/n`` is the size of a
term that leads with ηⁿ (theory §14).  Under a schedule they are divided by the time that passes, step by step: the
differences of the gradient of a run, whatever its rate does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np

from eomsym.errors import InputError

#: Entries of a parameter that are looked at together: what is in work stays in the cache, and small.
CHUNK = 1 << 13
#: What rounding moves an iterate by, in units of ε|θ|: uniform in ±ε|θ|/2 at the mean mantissa, root mean square.
ROUNDING = 0.2
#: A difference counts above this many times what rounding makes of it.
MARGIN = 4.0
#: The distance from 1 to the next number.
EPSILONS = {"bfloat16": 2.0**-7, "float16": 2.0**-10, "float32": 2.0**-23, "float64": 2.0**-52}


@dataclass(frozen=True, eq=False)
class Differences:
    """``sizes[n − 1][i]`` is ‖Δⁿθ_i‖², n = 1, 2, …, for the last iterates alone where n > 2.

    ``successive`` has the products of each first difference and the next, ``gram`` all of second differences.
    ``rounding`` is ‖0.2 ε θ‖₂.  ``moved[i]`` is ‖Δθ_i‖² not divided by the time that passes, and ``scheduled[i]`` is
    ‖(η_{i+1}/η_i − 1) Δθ_i‖²: what the change of the rate alone makes of second differences that are not either.
    """

    sizes: tuple[np.ndarray, ...]
    successive: np.ndarray
    gram: np.ndarray
    rounding: float
    moved: np.ndarray
    scheduled: np.ndarray

    @property
    def step(self) -> float:
        """Root mean square of ‖Δθ‖₂."""
        return _mean_size(self.sizes[0])

    @property
    def shares(self) -> tuple[float, ...]:
        """``‖Δⁿθ‖/(n ‖Δθ‖)``, n = 1, 2, …, root mean squares over the iterates."""
        return tuple(_over(_mean_size(size), n * self.step) for n, size in enumerate(self.sizes, 1))

    @property
    def schedule(self) -> float:
        """The share that the change of the rate alone would have at order 1."""
        return _over(_mean_size(self.scheduled), 2 * _mean_size(self.moved)) if self.scheduled.any() else 0.0

    @property
    def noise(self) -> tuple[float, ...]:
        """What rounding alone makes of each share."""
        orders = range(1, len(self.sizes) + 1)
        return tuple(_over(self.rounding * comb(2 * n, n) ** 0.5, n * self.step) for n in orders)

    @property
    def seen(self) -> int:
        """How many shares, from the first on, stand above what rounding makes of them."""
        above = [share > MARGIN * noise for share, noise in zip(self.shares, self.noise, strict=True)]
        return above.index(False) if False in above else len(above)

    def last(self, count: int) -> Differences:
        """Those of the last so many iterates alone."""
        sizes = tuple(size[max(0, len(size) - (count - n)) :] for n, size in enumerate(self.sizes[: count - 1], 1))
        seconds = slice(-max(1, count - 2), None)
        moved, scheduled = self.moved[-max(1, count - 1) :], self.scheduled[seconds]
        return Differences(
            sizes, self.successive[seconds], self.gram[seconds, seconds], self.rounding, moved, scheduled
        )

    def summed(self, add: Callable[[np.ndarray], np.ndarray]) -> Differences:
        """Those of parameters that lie in parts: ``add`` makes of one part's array the sum over all parts."""
        squares = *self.sizes, self.moved, self.scheduled, self.successive, self.gram, np.array([self.rounding**2])
        whole = np.split(
            add(np.concatenate([one.ravel() for one in squares])), np.cumsum([one.size for one in squares])
        )
        *sizes, moved, scheduled, successive, gram, rounding = whole[:-1]
        return Differences(
            tuple(sizes), successive, gram.reshape(self.gram.shape), float(rounding[0]) ** 0.5, moved, scheduled
        )

    def cosine(self, n: int, lag: int = 1) -> float:
        """Mean cosine between Δⁿ, n = 1, 2, and itself ``lag`` steps on (n = 1: one step).

        NaN if iterates are too few, or at rest.
        """
        if len(self.sizes) < n or len(self.sizes[n - 1]) <= lag:
            return float("nan")
        sizes, products = np.sqrt(self.sizes[n - 1]), self.successive if n == 1 else np.diag(self.gram, lag)
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.mean(products / (sizes[:-lag] * sizes[lag:])))


def _over(size: float, unit: float) -> float:
    return size / unit if unit else float("nan")


def _mean_size(squares: np.ndarray) -> float:
    return float(np.sqrt(np.mean(squares)))


def differences(
    iterates: Sequence[Sequence[Any]], rates: Sequence[Sequence[float]] | None = None, last: int | None = None
) -> Differences:
    """Of iterates in a row, each a list of arrays of NumPy, JAX or PyTorch, the same shapes in each.

    ``rates[k][i]`` is the learning rate of the step to iterate k, of array i: differences are then those in the time
    that passes, in units of the last rate.  Differences from the third on are of the ``last`` iterates alone.
    Sums are in float64, on the processor, a chunk at a time.
    """
    count = len(iterates)
    last = min(count, last or count)
    sizes = [np.zeros((count if n < 3 else last) - n) for n in range(1, max(last, min(count, 3)))]
    seconds = max(0, count - 2)
    successive, gram, scheduled = np.zeros(seconds), np.zeros((seconds, seconds)), np.zeros(seconds)
    rounding, moved = 0.0, np.zeros(count - 1)
    buffer = np.empty((count, CHUNK))
    for number, leaves in enumerate(zip(*iterates, strict=True)):
        unit, flat = ROUNDING * precision(leaves[0]), [as_numpy(leaf).reshape(-1) for leaf in leaves]
        times = _times([1.0] * count if rates is None else [rate[number] for rate in rates])
        steps = np.zeros(count - 1)
        for start in range(0, flat[0].size, CHUNK):
            rows = buffer[:, : min(CHUNK, flat[0].size - start)]
            with np.errstate(over="ignore", invalid="ignore"):  # a run may leave the numbers
                rows[0] = flat[0][start : start + CHUNK]
                rounding += (unit * float(np.linalg.norm(rows[0]))) ** 2
                for n, size in enumerate(sizes, 1):
                    if n == 1:  # in their own precision, where the difference of neighbours is exact
                        for row, before, after in zip(rows, flat, flat[1:], strict=False):
                            np.subtract(after[start : start + CHUNK], before[start : start + CHUNK], out=row)
                        rows = rows[: len(size)]
                    else:
                        rows = rows[-1 - len(size) :]
                        rows = np.subtract(rows[1:], rows[:-1], out=rows[:-1])
                    if times is not None:
                        first = count - n - len(size)
                        rows /= times[first : first + len(size), None]
                    if n == 2:
                        # a row more, as NumPy's own routine for rows @ rows.T takes twice as long
                        products = (buffer[: len(rows) + 1, : rows.shape[1]] @ rows.T)[: len(rows)]
                        gram += products
                        squares = np.diag(products)
                    else:
                        squares = _products(rows, rows)
                    np.add(size, squares, out=size)
                    if n == 1:
                        steps += squares
                        successive += _products(rows[:-1], rows[1:])
        moved += steps if times is None else steps * times**2
        if times is not None:
            scheduled += (steps * times**2)[:-1] * (times[1:] / times[:-1] - 1) ** 2
    return Differences(tuple(sizes), successive, gram, rounding**0.5, moved, scheduled)


def _products(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of each row with that of the other, by BLAS, which einsum does not ask."""
    return np.asarray(np.matmul(one[:, None, :], other[:, :, None])[:, 0, 0])


def _times(rates: Sequence[float]) -> np.ndarray | None:
    """The time of each step over that of the last; None where all are the same, or one is no time."""
    times = np.array(rates[1:], dtype=np.float64)
    if not (np.isfinite(times).all() and np.all(times > 0)) or np.all(times == times[-1]):
        return None
    return np.asarray(times / times[-1])


def as_numpy(array: Any) -> np.ndarray:
    """An array of NumPy in single precision at least, from wherever the array is; a view where that is possible."""
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        array = array.double() if array.dtype.itemsize < 4 else array  # bfloat16 is no type of NumPy
        return array.numpy()
    array = np.asarray(array)
    return array.astype(np.float32) if array.dtype.itemsize < 4 else array


def precision(array: Any) -> float:
    """ε of an array's type.  Raises ``InputError`` for one that is no real floating-point type."""
    name = str(array.dtype).rpartition(".")[2]
    if name not in EPSILONS:
        raise InputError(f"parameters: a leaf is {name}; give {', '.join(EPSILONS)}")
    return EPSILONS[name]
