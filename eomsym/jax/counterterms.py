"""Counter terms of a JAX model by truncated power series, all iterates at one coefficient before the next.

The gradient is traced once to a flat list of primitives.  Each is then lifted to power series in η by the rule of its
kind (``array_series``), with the iterates 1, −1, 2, −2, … as one more axis of every array: the program that XLA
compiles grows linearly with the order, where nested ``jvp`` doubles it, and few digits are lost (``series.levels``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from eomsym.array_series.descend import descend
from eomsym.array_series.normaliser import with_normalisers
from eomsym.derivation.counterterms import check_order
from eomsym.errors import InputError
from eomsym.jax.rules import BACKEND
from eomsym.jax.tracing import flatten

#: Beyond it float64 keeps few digits.
MAX_JAX_ORDER = 16


def counterterms(loss_fn: Callable[[Any], Any], params: Any, order: int) -> list[Any]:
    """``[g, ξ_0, …, ξ_{order−1}]`` of gradient descent on a loss, each a pytree like ``params``.

    ``loss_fn`` maps ``params``, any pytree of floating-point arrays, to a scalar.  Works in their precision, under
    ``jax.jit`` too.  All intermediate values are kept for ``order`` iterates: for models where this does not fit
    there is
    ``lookahead_field``.  Raises ``InputError`` for an order outside 0 … 16, for parameters that are no floating-point
    arrays, and for a primitive without a rule, such as a ``while`` loop.
    """
    check_order(order, MAX_JAX_ORDER)
    leaves, structure = jax.tree.flatten(params)
    leaves = [_checked(leaf) for leaf in leaves]

    def gradient(*values: Any) -> list[Any]:
        return jax.tree.leaves(jax.grad(loss_fn)(jax.tree.unflatten(structure, values)))

    program = with_normalisers(flatten(gradient, leaves), BACKEND)
    return [jax.tree.unflatten(structure, row) for row in descend(program, leaves, order, BACKEND)]


def equation_of_motion(loss_fn: Callable[[Any], Any], params: Any, eta: Any, order: int) -> Any:
    """The modified vector field ``−g − Σ_k η^{k+1} ξ_k``, a pytree like ``params``; as ``counterterms`` else."""
    rows = counterterms(loss_fn, params, order)
    total = rows[-1]
    for row in rows[-2::-1]:
        total = jax.tree.map(lambda sum_, part: (part + eta * sum_).astype(part.dtype), total, row)
    return jax.tree.map(jnp.negative, total)


def _checked(leaf: Any) -> Any:
    array = jnp.asarray(leaf)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise InputError(f"params: a leaf has type {array.dtype}; give floating-point arrays only")
    return array
