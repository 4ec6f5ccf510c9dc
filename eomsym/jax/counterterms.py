"""Counter terms of a JAX model by truncated power series, all iterates at one coefficient before the next.

The gradient is traced once to a flat list of primitives.  Each is then lifted to power series in η by the rule of its
kind (``array_series``), with the nodes as one more axis of every array: the program that XLA compiles grows linearly
with the order, where nested ``jvp`` doubles it, and few digits are lost (``step_index.nodes``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from eomsym.checks import check_finite
from eomsym.errors import InputError
from eomsym.jax.rules import BACKEND
from eomsym.jax.tracing import flatten
from eomsym.optimizers import Later, Optimizer
from eomsym.schedules import Schedule, reached
from eomsym.series.rings import Ring
from eomsym.step_index import (
    Library,
    check_like,
    check_resum,
    gradient_of,
    model_counterterms,
    modified_field,
    resummed_rows,
    tell_growth,
)


def counterterms(
    loss_fn: Callable[..., Any] | Sequence[Callable[..., Any]] | None,
    params: Any,
    order: int,
    *,
    data: Any = None,
    batch_size: int | None = None,
    field: Callable[..., Any] | Sequence[Callable[..., Any]] | None = None,
    optimizer: str | Optimizer = "gradient-descent",
    schedule: object = None,
    tau: Any = 0.0,
    visits: Any = "forward",
    check: bool = True,
    smooth: str = "warn",
    **hyperparameters: object,
) -> list[Any]:
    """``[−f̃_0, …, −f̃_order]`` of an optimiser on a loss, each a pytree like ``params``: of descent g, ξ_0, ξ_1, …

    ``loss_fn`` maps ``params``, any pytree of floating-point arrays, to a scalar.  ``field``, given with None for a
    loss, maps them to g itself, what is subtracted: any vector field.  ``optimizer`` is a name or an ``Optimizer`` of
    one gradient; its hyperparameters are exact numbers, text, or floats read by their shortest decimal, those not given
    take their defaults.  Works in the precision of ``params``, under ``jax.jit`` too.  All intermediate values are kept
    for ``order`` nodes (one more with memory): for models where this does not fit there is ``lookahead_field``.

    With ``data``, a pytree of arrays whose first axis is the samples, it is ``loss_fn(params, data)``, or
    ``field(params, data)``, a **mean over samples**.  ``batch_size`` then takes so many at a time, the rest last:
    memory is that of one batch, however many there are; each coefficient is made with all below it again.

    ``loss_fn``, or ``field``, may be a list, one for each batch or player: then a step is made for each in the order
    ``visits``, ``forward``, ``palindrome`` or numbers, and g is their mean.  ``schedule`` is one of the learning rate,
    a factor of η, or a mapping with the names of parameters and ``eta`` (``schedules.read_schedules``), taken at the
    time ``tau`` = nη.

    ``check`` compares the series with JAX's own gradient at two points near by, where values are there to be looked at:
    under ``jax.jit`` it is **not** made, so call once without, or take ``checked_jit``.  That a loss in batches is a
    mean over samples is looked at under ``jax.jit`` too, by the gradient in other batches; where data are traced, or
    the loss holds what is, rows are NaN if it is none.  ``smooth`` says what to do about operations with kinks, such as
    relu and max pooling, which are taken as JAX's derivative takes them: ``warn`` (one ``KinkWarning``), ``error``, or
    ``ignore``.  Warns (``PrecisionWarning``) where few digits are left.
    Raises ``InputError`` for an order outside 0 … 16, for parameters that are no floating-point arrays, for an
    optimiser of batches or players, and for a primitive without a rule, such as a ``while`` loop;
    ``SeriesMismatchError``, with the operation to blame, where the check fails.
    """
    rows, watch = model_counterterms(
        LIBRARY,
        loss_fn,
        params,
        order,
        field,
        data,
        batch_size,
        optimizer,
        schedule,
        lambda one: _taylor(one, tau, order + 1),
        visits,
        check,
        smooth,
        hyperparameters,
    )
    watch.tell()
    return rows


def equation_of_motion(
    loss_fn: Callable[[Any], Any] | None, params: Any, eta: Any, order: int, *, resum: bool = False, **options: Any
) -> Any:
    """The modified vector field ``−g − Σ_k η^{k+1} ξ_k``, a pytree like ``params``; ``options`` of ``counterterms``.

    ``resum`` accelerates the sum (``step_index.resummation``), and warns where the terms grow too fast for that, but
    not under ``jax.jit``.
    """
    if resum:
        check_resum(counterterms, options)
    rows = counterterms(loss_fn, params, order, **options)
    if resum:
        found = resummed_rows([jax.tree.leaves(row) for row in rows], eta)
        if not isinstance(found.growth, jax.core.Tracer):
            tell_growth(float(found.growth))
        leaves = zip(found.value, jax.tree.leaves(rows[0]), strict=True)
        return jax.tree.unflatten(jax.tree.structure(rows[0]), [total.astype(part.dtype) for total, part in leaves])
    return modified_field(rows, eta, jax.tree.map, lambda total, part: total.astype(part.dtype))


def _taylor(schedule: Schedule, tau: Any, terms: int) -> list[Any]:
    """A schedule's Taylor coefficients at a number, or at a time that is traced."""
    if not isinstance(tau, jax.core.Tracer):
        return [float(value) for value in schedule.taylor(check_finite("tau", tau), terms)]
    ring = Ring(float, {**BACKEND.seeds, "reciprocal": lambda z: 1 / z, "power": jnp.power})
    pieces = [schedule.taylor(tau, terms, index, ring) for index in range(len(schedule.pieces))]
    started = [reached(tau) >= piece.start for piece in schedule.pieces]
    found = pieces[0]
    for holds, piece in zip(started[1:], pieces[1:], strict=True):
        found = [jnp.where(holds, new, old) for new, old in zip(piece, found, strict=True)]
    return [Later(jnp.asarray(value)) for value in found]


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


LIBRARY = Library(
    backend=BACKEND,
    flatten=jax.tree.flatten,
    unflatten=jax.tree.unflatten,
    leaf=checked_leaf,
    given=_given,
    gradient=gradient_function,
    program=flatten,
    real=lambda gradient, values: gradient(*values),
    kind=lambda array: (array.shape, str(array.dtype)),
)
