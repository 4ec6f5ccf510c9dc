"""``jax.jit`` whose functions are run once without it for each shape, so that the check of series has values to see."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def checked_jit(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """``jax.jit(function, **options)`` of a function that calls ``counterterms`` or what is made of them.

    Under ``jax.jit`` alone values cannot be looked at, and ``check`` does nothing.  Here the first call with each
    structure, shapes and types of arguments runs the function as it is, where ``SeriesMismatchError`` and the warnings
    come as they should, and then compiles it; later ones cost what they cost under ``jax.jit``.  Not checked is what is
    traced in the function itself (``scan``, ``vmap``, ``grad``), or called from within such a transformation.
    """
    compiled, seen = jax.jit(function, **options), set[Any]()

    @wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        leaves, structure = jax.tree.flatten((arguments, named))
        kind = structure, tuple(map(_kind, leaves))
        if kind not in seen and not any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            function(*arguments, **named)
            seen.add(kind)
        return compiled(*arguments, **named)

    return call


def _kind(leaf: Any) -> Any:
    """What decides whether there is a new program: a static argument's value, an array's shape and type."""
    numeric = isinstance(leaf, (jax.Array, np.ndarray, np.generic, bool, int, float, complex))
    return (np.shape(leaf), jnp.result_type(leaf)) if numeric else leaf
