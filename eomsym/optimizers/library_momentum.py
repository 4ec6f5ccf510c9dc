"""Momentum as PyTorch and optax have it, where that is not ``heavy-ball``, ``nesterov`` or ``optimistic``.

Their Nesterov keeps the look-ahead point ``y = θ − η β v``: ``v⁺ = β v + g(y)``, ``y⁺ = y − η (g(y) + β v⁺)``.  It is
another sequence than the textbook's θ, with another equation of motion from ξ_1 on.  PyTorch's buffer starts with the
first gradient, whatever the dampening; optax's optimistic method with the first gradient as the last one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from eomsym.optimizers import optimistic
from eomsym.optimizers._base import Optimizer, Parameter
from eomsym.optimizers.heavy_ball import MOMENTUM

DAMPENING = Parameter(
    "dampening",
    "d",
    "share of the gradient that the velocity does not take up",
    Fraction(0),
    Fraction(1),
    default=Fraction(0),
    reason="at 1 the velocity takes up no gradient but the first",
)
INNER_RATE = Parameter(
    "rate",
    "r",
    "rate of the gradient, a schedule's place",
    Fraction(0),
    None,
    default=Fraction(1),
    reason="it is a rate",
)
ALPHA, BETA = (
    Parameter(name, symbol, meaning, Fraction(0), None, default=Fraction(1), reason="both are rates")
    for name, symbol, meaning in (("alpha", "α", "rate of the gradient"), ("beta", "β", "rate of its change"))
)


def _step_lookahead(gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any, beta: Any) -> tuple[Any, ...]:
    theta, velocity = state
    slope = gradient(theta)
    velocity = beta * velocity + slope
    return theta - eta * (slope + beta * velocity), velocity


def _heavy_ball_of(share: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
    """Heavy ball whose velocity takes up a share of the gradient, which the parameters beside β say."""

    def step(
        gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any, beta: Any, **others: Any
    ) -> tuple[Any, ...]:
        theta, velocity = state
        velocity = beta * velocity + share(**others) * gradient(theta)
        return theta - eta * velocity, velocity

    return step


def _undampened_start(gradient: Callable[..., Any], theta: Any, beta: Any, dampening: Any) -> tuple[Any, ...]:
    """The velocity from which the first step makes the first gradient, undampened; at β = 0 there is none."""
    return ((dampening / beta) * gradient(theta) if beta else 0 * theta,)


def _step_optimistic(
    gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any, alpha: Any, beta: Any
) -> tuple[Any, ...]:
    theta, last = state
    slope = gradient(theta)
    return theta - eta * ((alpha + beta) * slope - beta * last), slope


NESTEROV_LOOKAHEAD = Optimizer(
    name="nesterov-lookahead",
    aliases=(),
    summary="v⁺ = β v + g(y), y⁺ = y − η (g(y) + β v⁺): Nesterov's look-ahead point, which PyTorch and optax keep",
    source="Sutskever, Martens, Dahl & Hinton, On the importance of initialization and momentum, ICML 2013",
    parameters=(MOMENTUM,),
    step=_step_lookahead,
    memory=("velocity",),
    limits="holds after the transient β^k",
)
RATE_INSIDE = replace(
    NESTEROV_LOOKAHEAD,
    name="heavy-ball-rate-inside",
    summary="v⁺ = β v + r g(θ), θ⁺ = θ − η v⁺: a rate r that depends on time acts on what enters the velocity",
    source="Chollet et al., Keras, 2015: keras.optimizers.SGD, whose velocity is −η v",
    parameters=(MOMENTUM, INNER_RATE),
    step=_heavy_ball_of(lambda rate: rate),
)
DAMPENED = replace(
    NESTEROV_LOOKAHEAD,
    name="heavy-ball-dampened",
    summary="v⁺ = β v + (1−d) g(θ), θ⁺ = θ − η v⁺, the first v⁺ is g",
    source="Paszke et al., PyTorch, NeurIPS 2019: torch.optim.SGD",
    parameters=(MOMENTUM, DAMPENING),
    step=_heavy_ball_of(lambda dampening: 1 - dampening),
    initial=_undampened_start,
)
OPTIMISTIC = Optimizer(
    name="optimistic-generalized",
    aliases=(),
    summary="θ⁺ = θ − η ((α + β) g(θ) − β g(θ₋)), the first g(θ₋) is g(θ)",
    source="Mokhtari, Ozdaglar & Pattathil, A unified analysis of extra-gradient and optimistic gradient methods, 2020",
    parameters=(ALPHA, BETA),
    step=_step_optimistic,
    memory=("last gradient",),
    limits=optimistic.OPTIMIZER.limits,
    initial=lambda gradient, theta, alpha, beta: (gradient(theta),),
)
RULES = (NESTEROV_LOOKAHEAD, RATE_INSIDE, DAMPENED, OPTIMISTIC)
