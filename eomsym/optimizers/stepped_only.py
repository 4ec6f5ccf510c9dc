"""Methods without a slow manifold: sums that never forget, averages that feed back, momentum that follows a clock.

They can be stepped, and the whole state has an equation of motion; there is no equation of motion of θ alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from eomsym.optimizers._base import Optimizer, Parameter
from eomsym.optimizers._stepping import sqrt
from eomsym.optimizers.adaptive import BETA1, BETA2, EPSILON, RHO, divided, ones

INITIAL_SUM = Parameter(
    "initial_sum",
    "V₀",
    "what the sum of g² starts with",
    Fraction(0),
    None,
    default=Fraction(0),
    reason="it stands below a root",
)
RATE_DECAY = Parameter(
    "rate_decay",
    "κ",
    "the step size of step n is η/(1 + κ n)",
    Fraction(0),
    None,
    default=Fraction(0),
    reason="it must not become negative",
)
MOMENTUM_DECAY = Parameter(
    "momentum_decay",
    "ψ",
    "speed at which the momentum rises",
    Fraction(0),
    None,
    default=Fraction(4, 1000),
    reason="the momentum must not fall below zero",
)
_SUM = "since its sum of squares never forgets; its equation is that of adagrad-slow-time, for eta = rate squared"
_FEEDBACK = "since its mean of squared steps feeds on itself and settles like 1 − ε/(g² + ε) only"
_CLOCK = "since its momentum rises like 1 − 0.96^(ψ n)/2, over thousands of steps whatever eta is"


def _adagrad_step(inside: bool = False, slow_time: bool = False) -> Callable[..., tuple[Any, ...]]:
    """``clock`` is there where the step size falls with the number of the step."""

    def step(
        gradient: Callable[..., Any],
        state: tuple[Any, ...],
        eta: Any,
        epsilon: Any,
        initial_sum: Any,
        rate_decay: Any = 0,
    ) -> tuple[Any, ...]:
        theta, total, *clock = state
        slope = gradient(theta)
        total = total + (eta * slope**2 if slow_time else slope**2)
        move = divided(slope, total, epsilon, inside)
        for ticks in clock:
            move = move / ticks
        return theta - eta * move, total, *(ticks + rate_decay for ticks in clock)

    return step


def _adagrad_start(gradient: Callable[..., Any], theta: Any, initial_sum: Any, **others: Any) -> tuple[Any, ...]:
    return 0 * theta + initial_sum, *((ones(theta),) if "rate_decay" in others else ())


def _step_adadelta(
    gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any, beta2: Any, epsilon: Any
) -> tuple[Any, ...]:
    theta, square, moves = state
    slope = gradient(theta)
    square = beta2 * square + (1 - beta2) * slope**2
    move = sqrt(moves + epsilon) / sqrt(square + epsilon) * slope
    return theta - eta * move, square, beta2 * moves + (1 - beta2) * move**2


def _step_nadam(
    gradient: Callable[..., Any],
    state: tuple[Any, ...],
    eta: Any,
    beta1: Any,
    beta2: Any,
    epsilon: Any,
    momentum_decay: Any,
) -> tuple[Any, ...]:
    theta, mean, square, faded, clock, kept = state
    slope, tick = gradient(theta), 0.96**momentum_decay
    clock = tick * clock
    momentum, following = beta1 * (1 - clock / 2), beta1 * (1 - tick * clock / 2)
    kept, faded = momentum * kept, beta2 * faded
    mean = beta1 * mean + (1 - beta1) * slope
    square = beta2 * square + (1 - beta2) * slope**2
    ahead = (1 - momentum) / (1 - kept) * slope + following / (1 - following * kept) * mean
    return theta - eta * divided(ahead, square / (1 - faded), epsilon), mean, square, faded, clock, kept


ADAGRAD = Optimizer(
    name="adagrad-outside",
    aliases=(),
    summary="V⁺ = V + g², θ⁺ = θ − η/(1 + κ n) g/(√V⁺ + ε)",
    source="Duchi, Hazan & Singer, Adaptive subgradient methods, JMLR 2011",
    parameters=(replace(EPSILON, default=Fraction(1, 10**10)), INITIAL_SUM, RATE_DECAY),
    step=_adagrad_step(),
    memory=("sum", "clock"),
    limits="no slow manifold",
    initial=_adagrad_start,
    numeric_only=_SUM,
)
ADAGRAD_INSIDE = replace(
    ADAGRAD,
    name="adagrad-inside",
    summary="V⁺ = V + g², θ⁺ = θ − η g/√(V⁺ + ε)",
    parameters=(replace(EPSILON, default=Fraction(1, 10**7)), INITIAL_SUM),
    step=_adagrad_step(inside=True),
    memory=("sum",),
)
ADAGRAD_IN_SLOW_TIME = replace(
    ADAGRAD,
    name="adagrad-slow-time",
    summary="V⁺ = V + η g², θ⁺ = θ − η g/(√V⁺ + ε): Adagrad at the rate α = √η, whose sum is V/η and its ε is ε/α",
    parameters=(
        replace(EPSILON, default=Fraction(1, 10**10)),
        replace(INITIAL_SUM, default=Fraction(1, 10), open_minimum=True),
    ),
    step=_adagrad_step(slow_time=True),
    memory=("sum",),
    limits="the equation of motion is that of (θ, V), state='whole'; V₀ > 0",
    numeric_only="since its sum is a slow state like θ: ask for its whole state",
)
ADADELTA = Optimizer(
    name="adadelta",
    aliases=(),
    summary="v⁺ = β₂ v + (1−β₂) g², δ = √(D + ε)/√(v⁺ + ε) g, D⁺ = β₂ D + (1−β₂) δ², θ⁺ = θ − η δ",
    source="Zeiler, ADADELTA: an adaptive learning rate method, 2012",
    parameters=(replace(RHO, default=Fraction(9, 10)), replace(EPSILON, default=Fraction(1, 10**6))),
    step=_step_adadelta,
    memory=("square", "moves"),
    limits="no slow manifold",
    numeric_only=_FEEDBACK,
)
NADAM = Optimizer(
    name="nadam-clocked",
    aliases=(),
    summary=(
        "μₙ = β₁ (1 − 0.96^(ψ n)/2), θ⁺ = θ − η ((1−μₙ)/(1−μ₁⋯μₙ) g + μₙ₊₁/(1−μ₁⋯μₙ₊₁) m⁺)/(√v̂ + ε), "
        "v̂ = v⁺/(1−β₂ⁿ), m and v as in adam"
    ),
    source="Dozat, Incorporating Nesterov momentum into Adam, ICLR workshop 2016",
    parameters=(BETA1, BETA2, EPSILON, MOMENTUM_DECAY),
    step=_step_nadam,
    memory=("mean", "square", "share of the start in the square", "clock", "product of the momenta"),
    limits="no slow manifold",
    initial=lambda gradient, theta, **others: (0 * theta, 0 * theta, *(ones(theta),) * 3),
    numeric_only=_CLOCK,
)
RULES = (ADAGRAD, ADAGRAD_INSIDE, ADAGRAD_IN_SLOW_TIME, ADADELTA, NADAM)
