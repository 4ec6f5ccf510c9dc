"""Nesterov's accelerated gradient with constant momentum: ``θ⁺ = y − η g(y)``, ``y = (1 + β) θ − β θ₋``.

Written with the velocity ``v = (θ₋ − θ)/η``.  The equation of motion is the flow on the slow manifold.  Not to be
confused with Nesterov's scheme whose momentum grows towards 1, which has no slow manifold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eomsym.optimizers._base import Optimizer
from eomsym.optimizers.heavy_ball import MOMENTUM


def step(gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any, beta: Any) -> tuple[Any, ...]:
    """One step."""
    theta, velocity = state
    velocity = beta * velocity + gradient(theta - eta * beta * velocity)
    return theta - eta * velocity, velocity


OPTIMIZER = Optimizer(
    name="nesterov",
    aliases=("accelerated-gradient", "nag"),
    summary="v⁺ = β v + g(θ − η β v), θ⁺ = θ − η v⁺: the textbook's θ; PyTorch and optax have nesterov-lookahead",
    source="Nesterov, Introductory Lectures on Convex Optimization, 2004, section 2.2 (constant step scheme)",
    parameters=(MOMENTUM,),
    step=step,
    memory=("velocity",),
    limits=(
        "holds after the transient β^k; on a quadratic the series converges for η λ < ((1 − β)/(1 + β))²; not the "
        "sequence of PyTorch and optax, which is nesterov-lookahead"
    ),
)
