"""Schedulers of ``torch.optim.lr_scheduler`` to schedules: read from their attributes, step n at ``tau = n η``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from eomsym.checks import check_positive
from eomsym.errors import InputError
from eomsym.schedules.schedule import (
    RATE,
    Piece,
    Schedule,
    constant,
    cosine,
    exponential,
    joined,
    linear,
    one_cycle,
    one_cycle_momentum,
    polynomial,
    staircase,
)


def from_torch_scheduler(scheduler: Any) -> tuple[float, dict[str, Schedule]]:
    """``(η, schedules)`` of a scheduler that has not been stepped yet.

    η is the rate that the schedule's factor refers to; schedules are by name, ``eta`` and, where momentum is cycled
    too, ``beta``, as ``heavy-ball`` calls it.  Raises ``InputError`` for a class that depends on more than the step,
    for an object that is no scheduler of PyTorch, for one that has been stepped, and where the optimizer does not take
    the rates as they come.
    """
    kind = type(scheduler)
    if kind.__module__.split(".")[:3] != ["torch", "optim", "lr_scheduler"]:
        raise InputError(f"schedule {kind.__module__}.{kind.__name__}: no scheduler of torch.optim.lr_scheduler")
    if getattr(scheduler, "last_epoch", 0) > 0:
        steps = scheduler.last_epoch
        raise InputError(f"schedule {kind.__name__}: has made {steps} step{'s' * (steps > 1)}; give a new one")
    if type(scheduler.optimizer).__name__ == "ASGD":
        raise InputError("schedule: torch.optim.ASGD takes each rate one step late; give the schedule in tau")
    if kind.__name__ == "OneCycleLR":
        return _one_cycle(scheduler)
    _check_kind(kind.__name__)
    rates = {float(rate) for rate in getattr(scheduler, "base_lrs", ())} or {
        float(rate) for inner in scheduler._schedulers for rate in inner.base_lrs
    }
    if len(rates) != 1:
        raise InputError(f"schedule: groups have the rates {sorted(rates)}; give all groups the same")
    eta = check_positive("lr", *rates)
    return eta, {RATE: _factor(scheduler, eta)}


def _factor(scheduler: Any, eta: float) -> Schedule:
    name = type(scheduler).__name__
    _check_kind(name)
    return _READERS[name](scheduler, eta)


def _check_kind(name: str) -> None:
    if name not in _READERS:
        reason = _REASONS.get(name, "it is not one of " + ", ".join((*_READERS, "OneCycleLR")))
        raise InputError(f"schedule {name}: has no equation of motion here, since {reason}")


def _one_cycle(scheduler: Any) -> tuple[float, dict[str, Schedule]]:
    (group,) = scheduler.optimizer.param_groups
    if scheduler._anneal_func_type != "cos" or len(scheduler._schedule_phases) != 2:
        raise InputError("schedule OneCycleLR: read for anneal_strategy='cos' and two phases; write another as pieces")
    eta, total = float(group["max_lr"]), scheduler.total_steps - 1
    turn, time = scheduler._schedule_phases[0]["end_step"] / total, total * eta
    start, end = group["initial_lr"] / eta, group["min_lr"] / eta
    schedules = {RATE: one_cycle(time, turn, start, end)}
    if scheduler.cycle_momentum:
        if "betas" in group:
            raise InputError("schedule OneCycleLR: corrects Adam's bias by the last beta1; give cycle_momentum=False")
        schedules["beta"] = one_cycle_momentum(time, turn, group["max_momentum"], group["base_momentum"])
    return eta, schedules


def _periodic_cosine(scheduler: Any, eta: float) -> Schedule:
    """PyTorch's goes up again after T_max steps."""
    end = float(scheduler.eta_min) / eta
    return Schedule((Piece(0.0, cosine(scheduler.T_max * eta, end).pieces[0].expression),))


def _warm_restarts(scheduler: Any, eta: float) -> Schedule:
    if scheduler.T_mult != 1:
        raise InputError("schedule CosineAnnealingWarmRestarts: read for T_mult=1; write others as pieces")
    time = scheduler.T_0 * eta
    part = Schedule(cosine(time, float(scheduler.eta_min) / eta).pieces[:1])
    undefined = Schedule((Piece(0.0, "log(-1 - tau)"),))
    return joined([*((index * time, part) for index in range(MAX_RESTARTS)), (MAX_RESTARTS * time, undefined)])


def _one_after_another(scheduler: Any, eta: float) -> Schedule:
    starts = [0, *scheduler._milestones]
    return joined(
        [(start * eta, _factor(part, eta)) for start, part in zip(starts, scheduler._schedulers, strict=True)]
    )


def _product(scheduler: Any, eta: float) -> Schedule:
    for part in scheduler._schedulers:
        if type(part).__name__ not in _FACTORS:
            raise InputError(
                f"schedule ChainedScheduler: its {type(part).__name__} is no factor of what the others do; read for "
                f"{', '.join(sorted(_FACTORS))}, or take SequentialLR"
            )
    factors = [_factor(part, eta) for part in scheduler._schedulers]
    starts = sorted({piece.start for factor in factors for piece in factor.pieces})
    texts = [[factor.pieces[factor.piece_at(start)].expression for factor in factors] for start in starts]
    return Schedule(
        tuple(Piece(start, "*".join(f"({part})" for part in parts)) for start, parts in zip(starts, texts, strict=True))
    )


#: What multiplies the rate that it finds; others set or add to it.
_FACTORS = frozenset(("ConstantLR", "ExponentialLR", "LinearLR", "MultiStepLR", "PolynomialLR"))
#: Restarts that are written out; later on the schedule is undefined, and says so.
MAX_RESTARTS = 64

_READERS: dict[str, Callable[[Any, float], Schedule]] = {
    "CosineAnnealingLR": _periodic_cosine,
    "CosineAnnealingWarmRestarts": _warm_restarts,
    "ExponentialLR": lambda s, eta: exponential(-math.log(check_positive("gamma", s.gamma)) / eta),
    "LinearLR": lambda s, eta: linear(s.total_iters * eta, s.start_factor, s.end_factor),
    "ConstantLR": lambda s, eta: Schedule((*constant(s.factor).pieces, Piece(s.total_iters * eta, "1"))),
    "PolynomialLR": lambda s, eta: polynomial(s.total_iters * eta, s.power),
    "MultiStepLR": lambda s, eta: staircase([step * eta for step in sorted(s.milestones.elements())], s.gamma),
    "SequentialLR": _one_after_another,
    "ChainedScheduler": _product,
}

_REASONS = {
    "ReduceLROnPlateau": "it depends on the losses of the run",
    "LambdaLR": "it calls a Python function; write that as an expression in tau",
    "MultiplicativeLR": "it calls a Python function; write that as an expression in tau",
    "StepLR": "it has no last step; give the milestones to MultiStepLR, or staircase(times, gamma)",
    "CyclicLR": "it has a kink at each turn without end; write as many turns as there are as pieces",
}
