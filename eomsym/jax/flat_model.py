"""A JAX loss as a kernel: θ is one float64 vector of NumPy, in the order of the leaves of its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from eomsym.errors import InputError
from eomsym.jax.library import checked_leaf, counterterms


class FlatModel:
    """What paths and observables ask of a kernel, of ``loss_fn(params)``; ``theta`` is where ``params`` stand, (d,).

    Everything is computed in float64, under ``jax.jit``, whatever the setting outside.
    """

    order = 16

    def __init__(self, loss_fn: Callable[[Any], Any], params: Any) -> None:
        with jax.enable_x64(True):
            vector, self._shaped = ravel_pytree(doubles(params))
        self.theta, self.size, self._loss_fn = np.array(vector), vector.size, loss_fn
        self._flat = jax.jit(lambda flat: loss_fn(self._shaped(flat)))
        self._slope = jax.jit(jax.grad(self._flat))
        self._rows: dict[Any, Callable[..., Any]] = {}

    def loss(self, theta: np.ndarray) -> float:
        """The loss."""
        with jax.enable_x64(True):
            return float(self._flat(theta))

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        """g, (d,)."""
        with jax.enable_x64(True):
            return np.array(self._slope(jnp.asarray(theta)))

    def hessian_vector(self, theta: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """Hv, (d,)."""
        with jax.enable_x64(True):
            return np.array(jax.jvp(self._slope, (jnp.asarray(theta),), (jnp.asarray(vector),))[1])

    def counterterms(self, theta: np.ndarray, order: int, optimizer: Any, values: Mapping[str, Any]) -> np.ndarray:
        """``eomsym.jax.counterterms`` as rows, (order + 1, d)."""
        with jax.enable_x64(True):
            point = jnp.asarray(theta)
            if not self._rows:  # looked at once, not under jit, with the check of the first order
                counterterms(self._loss_fn, self._shaped(point), 1, optimizer=optimizer, **values)

            def rows(flat: Any) -> Any:
                found = counterterms(self._loss_fn, self._shaped(flat), order, optimizer=optimizer, **values)
                return jnp.stack([ravel_pytree(row)[0] for row in found])

            key = (order, optimizer.name, *values.items())
            return np.array(self._rows.setdefault(key, jax.jit(rows))(point))

    def observed(self, function: Callable[[Any], Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """A function of ``params`` as one of θ, and its derivative along a vector, by ``jax.jvp``."""

        def flat(theta: Any) -> Any:
            found = function(self._shaped(theta))
            if getattr(found, "dtype", None) != jnp.float64:
                what = getattr(found, "dtype", type(found).__name__)
                raise InputError(f"observable: gave {what}; params are float64, give an array of float64 made of them")
            return jnp.asarray(found)

        def value(theta: np.ndarray) -> Any:
            with jax.enable_x64(True):
                return np.array(flat(jnp.asarray(theta)))

        def along(theta: np.ndarray, vector: np.ndarray) -> Any:
            with jax.enable_x64(True):
                return np.array(jax.jvp(flat, (jnp.asarray(theta),), (jnp.asarray(vector),))[1])

        return value, along


def doubles(params: Any) -> Any:
    """The same tree in float64, which has to be switched on.  Raises ``InputError`` for a leaf that is no array."""
    return jax.tree.map(lambda leaf: checked_leaf(leaf).astype(jnp.float64), params)
