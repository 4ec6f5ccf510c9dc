"""A loss of samples, of JAX or PyTorch, as the equations of noise ask for it: its derivatives, sample by sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from eomsym.arrays.flat_model import FlatModel

#: Directions that are pushed through the loss together: memory is that of so many gradients on all samples.
TOGETHER = 16


class SampledLoss:
    """A loss that is a mean over the first axis of every array of its data, as a ``NoisyLoss``.

    ``pieces`` are numbers of samples.  Second derivatives of g are the library's: at kinks, as of relu, they are 0.
    """

    def __init__(self, kernel: FlatModel, pieces: Sequence[np.ndarray]) -> None:
        self.size, self.pieces, self._kernel = kernel.size, pieces, kernel
        self.samples = len(kernel.data[0])
        loss, functions, compiled = kernel.at, kernel.functions, kernel.compiled
        with kernel.precisely():
            self._data = list(map(kernel.array, kernel.data))

        # backward each time: forward derivatives of PyTorch's losses fail where their targets have none

        def turned(theta: Any, column: Any, *given: Any) -> Any:
            """``H c``."""
            return functions.grad(lambda at: (slope(at, *given) * column).sum())(theta)

        def pushed(theta: Any, column: Any, *given: Any) -> Any:
            """``H c`` and ``g''(c, c)``."""
            bent = functions.grad(lambda at: (turned(at, column, *given) * column).sum())
            return turned(theta, column, *given), bent(theta)

        slope, ones, none = functions.grad(loss), (0,) * len(self._data), (None,) * len(self._data)
        self._loss, self._slope = compiled(loss), compiled(slope)
        self._each = compiled(functions.vmap(slope, (None, *ones)))
        self._pushed = compiled(functions.vmap(pushed, (None, 0, *none)))
        self._turned = compiled(functions.vmap(turned, (None, 0, *none)))
        self._turned_each = compiled(functions.vmap(turned, (None, 0, *ones)))

    def _of(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a function of the library's gives for vectors of NumPy and arrays of the library, in NumPy's arrays."""
        library, array = self._kernel.frontend.library, self._kernel.array
        with self._kernel.precisely():
            made = function(*(array(value) if isinstance(value, np.ndarray) else value for value in arguments))
            if isinstance(made, tuple):
                return tuple(np.array(library.numpy(part)) for part in made)
            return np.array(library.numpy(made))

    def _chosen(self, chosen: np.ndarray | None) -> list[Any]:
        return self._data if chosen is None else [leaf[chosen] for leaf in self._data]

    def along(self, theta: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """g (d,), and for each column c of (d, r) ``Hc`` and ``g''(c, c)``, both (d, r)."""
        count = columns.shape[1]
        parts = [self._of(self._pushed, theta, some, *self._data) for some in _in_turn(columns)]
        turned, bent = (np.concatenate([part[i] for part in parts])[:count].T if parts else columns for i in (0, 1))
        return self.gradient(theta), turned, bent

    def sample_gradients(self, theta: np.ndarray) -> np.ndarray:
        """The gradient of each sample's loss, (n, d)."""
        return np.asarray(self._of(self._each, theta, *self._single()))

    def _single(self) -> list[Any]:
        return [leaf[:, None] for leaf in self._data]

    def piece_turned(self, theta: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """``H_j c`` for each piece j and its own columns (m, r, d), (m, r, d)."""
        if len(self.pieces) == self.samples:
            each = [self._of(self._turned_each, theta, column, *self._single()) for column in columns.swapaxes(0, 1)]
            return np.array(each).reshape(columns.shape[1], *columns.shape[::2]).swapaxes(0, 1)
        return np.array(
            [
                self._of(self._turned, theta, own, *self._chosen(piece))
                for piece, own in zip(self.pieces, columns, strict=True)
            ]
        )

    def gradient(self, theta: np.ndarray, chosen: np.ndarray | None = None) -> np.ndarray:
        """g (d,) of the mean over the chosen samples, all by default."""
        return np.asarray(self._of(self._slope, theta, *self._chosen(chosen)))

    def loss(self, theta: np.ndarray) -> float:
        """The mean over all samples."""
        return float(self._of(self._loss, theta, *self._data))


def _in_turn(columns: np.ndarray) -> list[np.ndarray]:
    """The columns as rows of one shape, which is compiled once, with zeros behind the last."""
    count = columns.shape[1]
    rows = np.zeros((-(-count // TOGETHER) * TOGETHER, len(columns)))
    rows[:count] = columns.T
    return [rows[start : start + TOGETHER] for start in range(0, len(rows), TOGETHER)]
