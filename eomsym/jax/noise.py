"""Noise of batches on a JAX model: the equations of ``dynamics.noise_equations`` by ``jvp`` and ``vmap``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from eomsym.errors import InputError
from eomsym.jax.flat_model import doubles


@dataclass(frozen=True, eq=False)
class NoisyModel:
    """A loss of samples as the equations of noise ask for it, its start (d,), and how parameters come back from it."""

    loss: Any
    theta: np.ndarray
    restored: Callable[[np.ndarray], Any]

    @property
    def samples(self) -> int:
        """How many there are."""
        return int(self.loss.samples)


def noisy_model(loss_fn: Callable[[Any, Any], Any], params: Any, data: Any) -> NoisyModel:
    """Returns ``loss_fn(params, data)``, a mean over the first axis of every array in ``data``, with its derivatives.

    ``params`` and ``data`` are any pytrees; what is floating-point is taken in float64.  Second derivatives of g are
    JAX's: at kinks, as of relu, they are 0.  To be called, and used, where 64 bits are on.
    Raises ``InputError`` for data without samples or of several counts, and parameters that are not finite.
    """
    arrays = jax.tree.leaves(data)
    if not arrays or any(np.ndim(array) == 0 for array in arrays):
        raise InputError("noise: a loss without data has no batches; give arrays with the samples along the first axis")
    counts = {len(array) for array in arrays}
    if len(counts) > 1:
        raise InputError(f"data: arrays of {', '.join(map(str, sorted(counts)))} samples; give as many in each")
    vector, unravel = ravel_pytree(doubles(params))
    if not jnp.isfinite(vector).all():
        raise InputError("params: not finite; give finite numbers")
    loss = _JaxLoss(lambda theta, samples: loss_fn(unravel(theta), samples), data, vector.size, counts.pop())
    return NoisyModel(loss, np.asarray(vector), lambda theta: jax.tree.map(np.asarray, _with_64_bits(unravel, theta)))


def _with_64_bits(function: Callable[[Any], Any], value: Any) -> Any:
    with jax.enable_x64(True):
        return function(jnp.asarray(value))


class _JaxLoss:
    """What the equations ask, compiled on first use; called where 64 bits are on."""

    def __init__(self, loss_fn: Callable[[Any, Any], Any], data: Any, size: int, samples: int) -> None:
        self.size, self.samples = size, samples
        self._data = jax.tree.map(_array, data)
        slope = jax.grad(loss_fn)
        single = jax.tree.map(lambda array: array[:, None], self._data)

        def along(theta: Any, columns: Any) -> Any:
            def pair(column: Any) -> Any:
                def turned(place: Any) -> Any:
                    return jax.jvp(lambda at: slope(at, self._data), (place,), (column,))[1]

                return jax.jvp(turned, (theta,), (column,))

            return slope(theta, self._data), *jax.lax.map(pair, columns.T)

        self._along, self._slope, self._loss = jax.jit(along), jax.jit(slope), jax.jit(loss_fn)
        self._each = jax.jit(lambda theta: jax.vmap(slope, (None, 0))(theta, single))

    def along(self, theta: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        slope, turned, bent = self._along(theta, columns)
        return np.asarray(slope), np.asarray(turned).T, np.asarray(bent).T

    def sample_gradients(self, theta: np.ndarray) -> np.ndarray:
        return np.asarray(self._each(theta))

    def gradient(self, theta: np.ndarray, chosen: np.ndarray | None = None) -> np.ndarray:
        data = self._data if chosen is None else jax.tree.map(lambda array: array[chosen], self._data)
        return np.asarray(self._slope(theta, data))

    def loss(self, theta: np.ndarray) -> float:
        return float(self._loss(theta, self._data))


def _array(values: Any) -> Any:
    array = jnp.asarray(values)
    return array.astype(jnp.float64) if jnp.issubdtype(array.dtype, jnp.floating) else array
