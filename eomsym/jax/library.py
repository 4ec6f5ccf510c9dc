"""JAX as ``eomsym.arrays`` sees it, and the functions that it makes for JAX.

The gradient is traced once to a flat list of primitives.  Each is then lifted to power series in η by the rule of its
kind, with the nodes as one more axis of every array: the program that XLA compiles grows linearly with the order, where
nested ``jvp`` doubles it, and few digits are lost (``step_index.nodes``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from eomsym.arrays.frontend import Frontend
from eomsym.arrays.library import Library, check_like, gradient_of
from eomsym.errors import InputError
from eomsym.jax.rules import BACKEND
from eomsym.jax.tracing import flatten
from eomsym.optimizers.stepping import Later
from eomsym.schedules import Schedule
from eomsym.schedules.schedule import reached
from eomsym.series.rings import Ring


def gradient_function(
    loss_fn: Callable[..., Any] | None, field: Callable[..., Any] | None, structure: Any, given: Any = None
) -> Callable[..., list[Any]]:
    """g as a function of the leaves, then those of data of the structure ``given``.  Raises ``InputError``."""
    slope = gradient_of(loss_fn, field, jax.grad)
    count = structure.num_leaves

    def gradient(*values: Any) -> list[Any]:
        data = () if given is None else (jax.tree.unflatten(given, values[count:]),)
        found = slope(jax.tree.unflatten(structure, values[:count]), *data)
        check_like(jax.tree.structure(found), structure, jax.tree.leaves(found), values[:count])
        return jax.tree.leaves(found)

    return gradient


def checked_leaf(leaf: Any) -> Any:
    """As an array of floating-point numbers.  Raises ``InputError`` if it is none."""
    array = jnp.asarray(leaf)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise InputError(f"params: a leaf has type {array.dtype}; give floating-point arrays only")
    return array


def _given(part: Any) -> Any:
    with jax.ensure_compile_time_eval():  # so that it can be looked at under jit too
        return part if isinstance(part, jax.Array) else jnp.asarray(part)


def _taylor(schedule: Schedule, tau: Any, terms: int) -> list[Any]:
    """A schedule's Taylor coefficients at a number, or at a time that is traced."""
    if not isinstance(tau, jax.core.Tracer):
        return [float(value) for value in schedule.taylor(tau, terms)]
    ring = Ring(float, {**BACKEND.seeds, "reciprocal": lambda z: 1 / z, "power": jnp.power})
    pieces = [schedule.taylor(tau, terms, index, ring) for index in range(len(schedule.pieces))]
    started = [reached(tau) >= piece.start for piece in schedule.pieces]
    found = pieces[0]
    for holds, piece in zip(started[1:], pieces[1:], strict=True):
        found = [jnp.where(holds, new, old) for new, old in zip(piece, found, strict=True)]
    return [Later(jnp.asarray(value)) for value in found]


LIBRARY = Library(
    backend=BACKEND,
    flatten=jax.tree.flatten,
    unflatten=jax.tree.unflatten,
    map=jax.tree.map,
    ravel=ravel_pytree,
    paths=lambda tree: [path for path, _ in jax.tree.leaves_with_path(tree)],
    leaf=checked_leaf,
    given=_given,
    gradient=gradient_function,
    program=flatten,
    real=lambda gradient, values: gradient(*values),
    kind=lambda array: (array.shape, str(array.dtype)),
    numpy=lambda array: np.asarray(array, np.float64),
    cast=lambda total, part: total.astype(part.dtype),
    taylor=_taylor,
)
FRONTEND = Frontend(LIBRARY)
counterterms, equation_of_motion = FRONTEND.counterterms, FRONTEND.equation_of_motion
whole_state_terms, lookahead_field = FRONTEND.whole_state_terms, FRONTEND.lookahead_field
