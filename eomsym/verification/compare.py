"""A motion beside a run: from a training to both, and the one comparison that is made of each order.

``follow``, ``drift`` and ``recommend`` ask it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eomsym.dynamics import kernel_counterterms
from eomsym.dynamics.kernel_rule import has_rule
from eomsym.dynamics.kernel_series import slow_memory
from eomsym.dynamics.loop_kernel import loop_kernel
from eomsym.dynamics.motion import LoopMotion, Motion, Seen, SlowMotion
from eomsym.dynamics.runs import StateMap, Tally, kernel_state, loop_state
from eomsym.errors import InputError, IntegrationError
from eomsym.optimizers.tracing import trace
from eomsym.result import Result
from eomsym.verification.training import Training

Rows = Callable[[np.ndarray, int], np.ndarray]


#: Errors allowed in a step of the integrator, relative to what moves in a step of the run, tried in turn until its own
#: error is a hundredth of the distance that is shown.  A larger first one would save gradients where the distance is
#: large, and cost a second attempt where it is small.
TOLERANCES = (1e-5, 1e-9, 1e-13)
#: The integrator's share of a distance that is shown.
LARGEST_FLOOR = 0.01


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


@dataclass(frozen=True, eq=False, repr=False)
class Compared(Result):
    """One order: its ``path``, θ or the change of what is observed, (marks, …); None where it left the numbers.

    ``error`` is the distance to the run at the last mark, ``floor`` what of it the integrator may owe, measured;
    ``gradients`` is what the path took, and ``reason`` says where it left the numbers.
    """

    order: int
    path: np.ndarray | None
    error: float
    floor: float
    gradients: int
    reason: str = ""

    told = ("order", "error", "floor", "gradients", "reason")


@dataclass(frozen=True, eq=False)
class Run:
    """A run that was made: its ``states`` (steps + 1, m), and what of it is compared, ``measured`` (marks, …).

    ``marks`` are steps, all where there are none; ``round_off`` is how far rounding may have moved the last of what was
    measured; an error that is less than it is not worth a more exact path.  Errors are in units of ``unit``.
    """

    states: np.ndarray
    measured: np.ndarray
    tally: Tally
    marks: np.ndarray | None = None
    seen: Seen | None = None
    round_off: float = 0.0
    unit: float = 1.0


def compare(motion: Motion, run: Run, order: int) -> Compared:
    """Returns the record of an order, more exact where the integrator's own error would be seen."""
    begin = run.tally.count
    for tolerance in TOLERANCES:
        try:
            path = motion.path(order, run.states, tolerance, run.marks, run.seen)
        except IntegrationError as fault:
            return Compared(order, None, np.nan, np.nan, run.tally.count - begin, str(fault))
        values, floor = path.states.reshape(run.measured.shape), path.error_estimate
        error = float(np.linalg.norm(values[-1] - run.measured[-1]))
        if floor <= max(LARGEST_FLOOR * error, run.round_off):
            break
    return Compared(order, values, error / run.unit, floor / run.unit, run.tally.count - begin)
