"""Heavy ball with decoupled weight decay (SGDW): ``v⁺ = β v + g(θ)``, ``θ⁺ = θ − η (v⁺ + λ θ)``.

Coupled decay, where ``λ θ`` is part of the gradient and passes through the momentum, is ``heavy-ball`` with
``MLP(..., weight_decay=λ)``; without momentum (β = 0) the two are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from eomsym.optimizers._base import Optimizer, Parameter
from eomsym.optimizers.heavy_ball import MOMENTUM

DECAY = Parameter(
    "decay",
    "λ",
    "weight decay, outside of the gradient",
    Fraction(0),
    None,
    default=Fraction(1, 100),
    trial=Fraction(1, 10),
    reason="weights that decay must not grow",
)


def step(gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any, beta: Any, decay: Any) -> tuple[Any, ...]:
    """One step."""
    theta, velocity = state
    velocity = beta * velocity + gradient(theta)
    return theta - eta * (velocity + decay * theta), velocity


OPTIMIZER = Optimizer(
    name="sgdw",
    aliases=("decoupled-weight-decay",),
    summary="v⁺ = β v + g(θ), θ⁺ = θ − η (v⁺ + λ θ)",
    source="Loshchilov & Hutter, Decoupled weight decay regularization, ICLR 2019",
    parameters=(MOMENTUM, DECAY),
    step=step,
    memory=("velocity",),
    limits="holds after the transient β^k; a schedule of eta multiplies the decay too",
)
