"""The whole state of a real optax transformation: parameters and optimiser state, counts as floats, are the map's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from eomsym.dynamics.runs import StateMap, Tally
from eomsym.dynamics.sides import Sides
from eomsym.errors import InputError
from eomsym.jax.flat_model import doubles
from eomsym.jax.sides import update_sides


def optax_state(loss_fn: Callable[[Any], Any], params: Any, optimizer: Any) -> StateMap:
    """The map of an optax transformation on (params, its state), θ = ``params`` in the order of their leaves.

    ``loss_fn`` maps ``params``, any pytree of floating-point arrays, to a scalar.  Computed in float64, under
    ``jax.jit``, whatever the setting outside.  Integers of the state, which count steps, become floats, so that half a
    step has a meaning.  Raises ``InputError`` for a state with other leaves than numbers, and where counts as floats
    give another first step than counts as integers, for what asks for more than the gradient, and for a step that jumps
    (a sign); the sides of one that kinks (a maximum, a clip) are those of ``sides``.
    """
    import optax

    with jax.enable_x64(True):
        start = doubles(params)
        counted = optimizer.init(start)
        state = jax.tree.map(_float, counted)
        vector, unravel = ravel_pytree((start, state))

        def move(state: Any) -> Any:
            values, memory = state
            updates, memory = _updated(optimizer, jax.grad(loss_fn)(values), memory, values)
            return optax.apply_updates(values, updates), memory

        jitted = jax.jit(lambda flat: ravel_pytree(move(unravel(flat)))[0])
        size = sum(leaf.size for leaf in jax.tree.leaves(start))
        _check(jitted, vector, ravel_pytree(jax.tree.map(_float, move((start, counted))))[0])
        kinks = update_sides(optimizer, start, state)

    def step(flat: np.ndarray) -> np.ndarray:
        with jax.enable_x64(True):
            return np.array(jitted(jnp.asarray(flat)))

    tally = Tally()
    sides = None if kinks is None else tally.counting(_sides(*kinks, jax.grad(loss_fn), unravel))
    return StateMap(tally.counting(step), np.array(vector), size, tally=tally, sides=sides)


def _sides(
    names: tuple[str, ...],
    sides_at: Callable[[Any, Any, Any], list[Any]],
    gradient: Callable[[Any], Any],
    unravel: Callable[[Any], Any],
) -> Sides:
    """The sides of an update's kinks as a function of the whole state as one vector."""

    @jax.jit
    def jitted(flat: Any) -> Any:
        values, memory = unravel(flat)
        return sides_at(gradient(values), memory, values)

    def sides(flat: np.ndarray) -> list[tuple[str, np.ndarray]]:
        with jax.enable_x64(True):
            return list(zip(names, map(np.asarray, jitted(jnp.asarray(flat))), strict=True))

    return sides


def _updated(optimizer: Any, slope: Any, memory: Any, values: Any) -> Any:
    try:
        return optimizer.update(slope, memory, values)
    except TypeError as error:
        if "missing" not in str(error):
            raise
        raise InputError(
            f"optimizer: takes more than the gradient ({error}), as a search along a line does, and such a step is no "
            "smooth function of the state; take one that needs the gradient alone"
        ) from error


def _check(step: Callable[[Any], Any], vector: Any, wanted: Any) -> None:
    """Whether the state stays the same kind of state, finite, and half steps continue the whole ones."""
    try:
        found = step(vector)
    except TypeError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"optimizer: its state cannot be held in floats ({reason}); take a smooth one") from error
    if found.shape != wanted.shape or not bool(jnp.allclose(found, wanted, rtol=1e-9, atol=0, equal_nan=True)):
        raise InputError("optimizer: counting steps in floats changes its first step; take one that is smooth in them")


def _float(leaf: Any) -> Any:
    array = jnp.asarray(leaf)
    if not jnp.issubdtype(array.dtype, jnp.floating) and not jnp.issubdtype(array.dtype, jnp.signedinteger):
        raise InputError(f"optimizer: a leaf of its state has type {array.dtype}, no number that moves; take another")
    return array.astype(jnp.float64)
