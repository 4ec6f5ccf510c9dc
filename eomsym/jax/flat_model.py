"""A JAX loss as a kernel: compiled, in float64 whatever the setting outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from eomsym.arrays import flat_model
from eomsym.jax.library import FRONTEND, checked_leaf, counterterms


class FlatModel(flat_model.FlatModel):
    """Under ``jax.jit``: counter terms are looked at once without."""

    frontend = FRONTEND
    array, compiled, functions = staticmethod(jnp.asarray), staticmethod(jax.jit), jax
    precisely = partial(jax.enable_x64, True)

    def __init__(self, loss_fn: Callable[[Any], Any], params: Any) -> None:
        with self.precisely():
            super().__init__(loss_fn, doubles(params))
        self._loss_fn = loss_fn
        self._programs: dict[Any, Callable[..., Any]] = {}

    def _along(self, function: Callable[..., Any], flat: Any, vector: Any) -> Any:
        return jax.jvp(function, (flat,), (vector,))[1]

    def _rows(self, flat: Any, order: int, optimizer: Any, values: Mapping[str, Any]) -> list[Any]:
        def rows(flat: Any, order: int = order) -> list[Any]:
            return counterterms(self._loss_fn, self.parameters(flat), order, optimizer=optimizer, **values)

        if not self._programs:
            rows(flat, 1)  # with the check
        return self._programs.setdefault((order, optimizer.name, *values.items()), jax.jit(rows))(flat)


def doubles(params: Any) -> Any:
    """The same tree in float64, which has to be switched on.  Raises ``InputError`` for a leaf that is no array."""
    return jax.tree.map(lambda leaf: checked_leaf(leaf).astype(jnp.float64), params)
