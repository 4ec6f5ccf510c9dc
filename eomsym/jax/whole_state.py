"""The derived equation of motion of an optimiser's whole state on a JAX model: rows of its series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax

from eomsym.array_series.check import Watch
from eomsym.checks import check_integer
from eomsym.errors import InputError
from eomsym.jax.counterterms import checked_leaf, gradient_function
from eomsym.jax.rules import BACKEND
from eomsym.jax.tracing import flatten
from eomsym.optimizers import Optimizer, check_one_gradient, form, whole_state
from eomsym.step_index import MAX_ARRAY_ORDER, Share, array_whole_terms


def whole_state_terms(
    loss_fn: Callable[[Any], Any] | None,
    params: Any,
    memory: Sequence[Any],
    order: int,
    *,
    optimizer: str | Optimizer,
    field: Callable[[Any], Any] | None = None,
    check: bool = True,
    smooth: str = "warn",
    **rates: object,
) -> list[tuple[Any, ...]]:
    """``F_0, …, F_order`` of ``ż = Σ h^k F_k``, ``z = (params, *memory)``: each a tuple of pytrees like ``params``.

    ``memory`` is in the units of ``derive(optimizer, order, state="whole")``, and γ takes the place of each share
    β = 1 − γh; ``loss_fn`` and ``field`` are as for ``counterterms``.  Raises ``InputError`` for an optimiser without a
    slow memory, a rate that is missing or out of range, or a memory that does not look like ``params``.
    """
    check_integer("order", order, 0, MAX_ARRAY_ORDER)
    entry, own, rest = form(optimizer, rates)
    check_one_gradient(entry, {})
    scaling = whole_state(entry)
    rule = scaling.rule(**scaling.read_parameters(scaling.beside_shares(own or {}) | rest))
    leaves, structure = jax.tree.flatten(params)
    states = [[checked_leaf(leaf) for leaf in leaves]]
    if len(memory) != len(entry.memory):
        raise InputError(f"memory: {len(memory)} states; {entry.name} has {', '.join(entry.memory)}")
    for name, state in zip(entry.memory, memory, strict=True):
        parts: list[Any] = jax.tree.leaves(state)
        found: Any = jax.tree.structure(state)
        if found != structure or [part.shape for part in parts] != [part.shape for part in states[0]]:
            raise InputError(f"memory {name!r}: does not look like params; give arrays of the same shapes")
        states.append([checked_leaf(part) for part in parts])
    gradient = gradient_function(loss_fn, field, structure)
    watch = Watch(check, smooth, order, rule.linear)
    rows = array_whole_terms(rule, [[Share(flatten(gradient, states[0]), gradient)]], states, order + 1, BACKEND, watch)
    watch.tell()
    return [tuple(jax.tree.unflatten(structure, part) for part in row) for row in rows]
