"""A JAX loss as a kernel: compiled, in float64 whatever the setting outside."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from eomsym.arrays import flat_model
from eomsym.jax.library import FRONTEND, checked_leaf


class FlatModel(flat_model.FlatModel):
    """Under ``jax.jit``: the first series are made, and looked at, without."""

    frontend = FRONTEND
    array, compiled, gradient_of = staticmethod(jnp.asarray), staticmethod(jax.jit), staticmethod(jax.grad)
    precisely = partial(jax.enable_x64, True)

    def __init__(self, loss_fn: Callable[..., Any], params: Any, data: Any = None) -> None:
        with self.precisely():
            super().__init__(loss_fn, doubles(params), data)

    def _along(self, function: Callable[..., Any], flat: Any, vector: Any) -> Any:
        return jax.jvp(function, (flat,), (vector,))[1]


def doubles(params: Any) -> Any:
    """The same tree in float64, which has to be switched on.  Raises ``InputError`` for a leaf that is no array."""
    return jax.tree.map(lambda leaf: checked_leaf(leaf).astype(jnp.float64), params)
