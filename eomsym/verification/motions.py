"""From a training to its map, and to the equations of motion beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from eomsym.dynamics import kernel_counterterms
from eomsym.dynamics.kernel_rule import has_rule
from eomsym.dynamics.kernel_series import slow_memory
from eomsym.dynamics.loop_kernel import loop_kernel
from eomsym.dynamics.motion import LoopMotion, Motion, SlowMotion
from eomsym.dynamics.runs import StateMap, kernel_state, loop_state
from eomsym.errors import InputError
from eomsym.optimizers.tracing import trace
from eomsym.verification.training import Training

Rows = Callable[[np.ndarray, int], np.ndarray]


def map_of(training: Training, purpose: str, order: int = 0) -> StateMap:
    """Returns the map of a training on its whole state: a step of its optimiser, or a round of its batches.

    Raises ``InputError`` for what has no map: batches that are drawn, a real object whose step is not smooth.
    """
    training.check_doubles(purpose)
    training.check_made_again(purpose)
    if training.object is not None:
        loss = training.own
        assert loss is not None
        if hasattr(training.object, "param_groups"):
            from eomsym.torch.optimizer_state import torch_state

            return torch_state(loss.loss_fn, loss.params, training.object)
        from eomsym.jax.optimizer_state import optax_state

        return optax_state(loss.loss_fn, loss.params, training.object)
    rate, kernel = training.rate(purpose), training.kernel(order, purpose)
    if training.loop is not None:
        return loop_state(loop_kernel(kernel, training.loop), training.theta, rate, training.data)
    entry, values = training.rule
    return kernel_state(kernel, training.theta, rate, training.data, entry, values)


def check_moving(whole: StateMap, kernel: Any) -> None:
    """Raises ``InputError`` where a real object's map has frozen parameters, which are no part of the loss's θ."""
    if whole.size != kernel.size:
        raise InputError(
            f"theta: {whole.size - kernel.size} of {whole.size} parameters are frozen, which is followed with a real "
            "optimizer only; give the optimizer by its name"
        )


def slow_motion(training: Training, order: int, purpose: str) -> Motion:
    """Returns the equation on the slow manifold, to ``order`` where the loss is generated.

    Raises ``InputError`` with the reason where there is none.
    """
    rate, kernel = training.rate(purpose), training.kernel(order, purpose)
    if training.loop is None:
        return SlowMotion(slow_rows(training, order, purpose), rate, kernel.size, kernel.order)
    if not hasattr(kernel, "gradient_series"):
        raise InputError("schedule, batches: of a loss with its gradient along a curve; give a generated kernel")
    return LoopMotion(loop_kernel(kernel, training.loop), rate, training.data)


def slow_rows(training: Training, order: int, purpose: str) -> Rows:
    """Returns ``(θ, order) → −f̃_0, …``, (order + 1, d), per step, by whatever the loss has for the training's rule.

    Raises ``InputError`` with the reason where there are none.
    """
    entry, values = training.rule
    kernel, data, steps = training.kernel(order, purpose), training.data, entry.steps(**values)
    if has_rule(kernel, entry, values):
        return lambda theta, to: steps * kernel.counterterms(theta, *data, order=to)
    if not hasattr(kernel, "gradient_series"):
        raise InputError(f"optimizer {entry.name!r}: this kernel has no gradient along a curve for its slow manifold")
    rule, fields = entry.rule(**values), entry.fields(**values)
    return lambda theta, to: kernel_counterterms(kernel, rule, theta, to, data, fields)


def on_manifold(training: Training, whole: StateMap, order: int, purpose: str) -> StateMap:
    """Returns the map with its memory on the slow manifold above θ, to η^order.  Raises ``InputError`` for none."""
    entry, values = training.rule
    if not entry.memory:
        return whole
    kernel, rate = training.kernel(order, purpose), training.rate(purpose)
    if not hasattr(kernel, "gradient_series"):
        raise InputError(f"optimizer {entry.name!r}: has a memory, and this loss no slow manifold; give state='whole'")
    rule = trace(entry.step, 1 + len(entry.memory), values)
    depth = min(order, kernel.order)
    memory = slow_memory(kernel, rule, training.theta, rate, depth, training.data, entry.fields(**values))
    parts = [part[:size] for part, size in zip(memory, whole.sizes[1:], strict=True)]
    begun = replace(whole, start=np.concatenate([training.theta, *parts]))
    with np.errstate(invalid="ignore"):
        begins = bool(np.isfinite(begun.step(begun.start)).all())
    if not begins:
        raise InputError(
            f"eta {rate:g}: {entry.name} has no memory on its slow manifold here, where a mean of squares would be "
            "below zero; give a smaller one, or state='whole'"
        )
    return begun
