"""Counter terms of a PyTorch model by truncated power series, as ``eomsym.jax`` does it.

The gradient is traced to a flat program of ATen operations (``torch.tracing``); each is then lifted to power series in
η by the rule of its kind (``array_series``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils import _pytree as pytree

from eomsym.checks import check_finite
from eomsym.errors import InputError
from eomsym.optimizers import Optimizer
from eomsym.step_index import (
    Library,
    Traced,
    check_resum,
    gradient_of,
    model_counterterms,
    modified_field,
    resummed_rows,
    tell_growth,
)
from eomsym.torch.moving import Moving
from eomsym.torch.rules import BACKEND
from eomsym.torch.tracing import evaluated, flatten, gradient_function, kind


def counterterms(
    loss_fn: Callable[..., Any] | Traced | Sequence[Callable[..., Any] | Traced] | None,
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

    ``loss_fn`` maps ``params``, any pytree of floating-point tensors (such as ``dict(model.named_parameters())`` with
    ``torch.func.functional_call``), to a scalar.  ``field``, given with None for a loss, maps them to g itself, what is
    subtracted: any vector field.  Leaves that require no gradient beside others that do are frozen: they stay where
    they are, and their rows are zero.  What hooks of a leaf (``register_hook``) make of the gradient of a loss is g.
    ``optimizer`` is a name or an ``Optimizer`` of one gradient; its hyperparameters are
    exact numbers, text, or floats read by their shortest decimal, those not given take their defaults.  Works in the
    precision of ``params`` and on their device.  Each call follows the loss anew; ``traced(loss_fn)`` in its place is
    followed once.

    With ``data``, a pytree of arrays whose first axis is the samples, it is ``loss_fn(params, data)``, or
    ``field(params, data)``, a **mean over samples**.  ``batch_size`` then takes so many at a time, the rest last:
    memory is that of one batch, however many there are; each coefficient is made with all below it again.

    ``loss_fn``, or ``field``, may be a list, one for each batch or player: then a step is made for each in the order
    ``visits``, ``forward``, ``palindrome`` or numbers, and g is their mean.  ``schedule`` is one of the learning rate,
    a factor of η, or a mapping with the names of parameters and ``eta`` (``schedules.read_schedules``), taken at the
    time ``tau`` = nη.

    ``check`` compares the series with PyTorch's own gradient at two points near by.  ``smooth`` says what to do about
    operations with kinks, such as relu and max pooling, which are taken as PyTorch's derivative takes them: ``warn``
    (one ``KinkWarning``), ``error``, or ``ignore``.  Warns (``PrecisionWarning``) where few digits are left.
    Raises ``InputError`` for an order outside 0 … 16, for parameters that are no floating-point tensors, for an
    optimiser of batches or players, for random numbers, and for an operation without a rule;
    ``SeriesMismatchError``, with the operation to blame, where the check fails.
    """
    tau = check_finite("tau", tau)
    moving = Moving(params)
    if not moving.plain:
        loss_fn, field = moving.models(loss_fn, field), None
    with torch.no_grad():
        rows, watch = model_counterterms(
            LIBRARY,
            loss_fn,
            params if moving.plain else moving.leaves,
            order,
            field,
            data,
            batch_size,
            optimizer,
            schedule,
            lambda one: one.taylor(tau, order + 1),
            visits,
            check,
            smooth,
            hyperparameters,
        )
    watch.tell()
    return rows if moving.plain else [moving.row(row) for row in rows]


def equation_of_motion(
    loss_fn: Callable[[Any], Any] | None, params: Any, eta: Any, order: int, *, resum: bool = False, **options: Any
) -> Any:
    """The modified vector field ``−g − Σ_k η^{k+1} ξ_k``, a pytree like ``params``; ``options`` of ``counterterms``.

    ``resum`` accelerates the sum (``step_index.resummation``), and warns where the terms grow too fast for that.
    """
    if resum:
        check_resum(counterterms, options)
    rows = counterterms(loss_fn, params, order, **options)
    if resum:
        found = resummed_rows([pytree.tree_leaves(row) for row in rows], eta)
        tell_growth(float(found.growth))
        return pytree.tree_unflatten(found.value, pytree.tree_structure(rows[0]))
    return modified_field(rows, eta, pytree.tree_map, lambda total, part: total)


def traced(loss_fn: Callable[..., Any] | None, *, field: Callable[..., Any] | None = None) -> Traced:
    """A loss, or field, for many calls of ``counterterms`` and ``equation_of_motion``: followed in the first only.

    Whatever it reads besides its arguments has to stay as it is: a mode (``train``, ``eval``), numbers, tensors that
    are replaced.  ``check`` compares with the loss as it is now.  Raises ``InputError`` unless one of both is given.
    """
    gradient_of(loss_fn, field, lambda loss: loss)
    return Traced(loss_fn, field)


def checked_leaf(leaf: Any) -> Any:
    """Without its history.  Raises ``InputError`` unless it is a floating-point tensor."""
    if not isinstance(leaf, torch.Tensor) or not leaf.is_floating_point():
        kind = leaf.dtype if isinstance(leaf, torch.Tensor) else type(leaf).__name__
        raise InputError(f"params: a leaf is {kind}; give floating-point tensors only")
    return leaf.detach()


LIBRARY = Library(
    backend=BACKEND,
    flatten=pytree.tree_flatten,
    unflatten=lambda structure, leaves: pytree.tree_unflatten(leaves, structure),
    leaf=checked_leaf,
    given=lambda part: torch.as_tensor(part).detach(),
    gradient=gradient_function,
    program=flatten,
    real=evaluated,
    kind=kind,
)
