"""``jax.jit`` whose functions are run once without it for each shape, so that the check of series has values to see."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

#: A program of at least so many operations on fewer than so many numbers each, in the mean: XLA takes long to fuse
#: them, computes what it fused several times over, and there is no memory to save.
MANY, FEW = 2000, 1000
#: On a processor it is compiled so, in less than half the time (benchmarks/RESULTS.md; shorter programs run slower so).
UNFUSED = {
    "xla_disable_hlo_passes": "fusion",
    "xla_llvm_disable_expensive_passes": True,
    "xla_backend_optimization_level": 1,
}


def checked_jit(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """``jax.jit(function, **options)`` of a function that calls ``counterterms`` or what is made of them.

    Under ``jax.jit`` alone values cannot be looked at, and ``check`` does nothing.  Here the first call with each
    structure, shapes and types of arguments runs the function as it is, where ``SeriesMismatchError`` and the warnings
    come as they should, and then compiles it; later ones cost what they cost under ``jax.jit``.  Not checked is what is
    traced in the function itself (``scan``, ``vmap``, ``grad``), or called from within such a transformation.

    Thousands of operations on few numbers, as in a small transformer at order 3, are compiled without fusion on a
    processor, unless ``compiler_options`` are among the options.
    """
    compiled = jax.jit(function, **options)
    programs: dict[Any, Callable[..., Any]] = {}

    @wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        leaves, structure = jax.tree.flatten((arguments, named))
        kind = structure, tuple(map(_kind, leaves))
        if kind not in programs and not any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            function(*arguments, **named)
            scattered = "compiler_options" not in options and is_scattered(compiled.trace(*arguments, **named).jaxpr)
            programs[kind] = jax.jit(function, compiler_options=UNFUSED, **options) if scattered else compiled
        return programs.get(kind, compiled)(*arguments, **named)

    return call


def is_scattered(jaxpr: Any) -> bool:
    """Whether a program is of many operations on few numbers, on a processor."""
    sizes = [getattr(made.aval, "size", 0) for equation in jaxpr.eqns for made in equation.outvars]
    return jax.default_backend() == "cpu" and len(sizes) >= MANY and sum(sizes) < FEW * len(sizes)


def _kind(leaf: Any) -> Any:
    """What decides whether there is a new program: a static argument's value, an array's shape and type."""
    numeric = isinstance(leaf, (jax.Array, np.ndarray, np.generic, bool, int, float, complex))
    return (np.shape(leaf), jnp.result_type(leaf)) if numeric else leaf
