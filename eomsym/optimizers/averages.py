"""Methods of today that live on averages: of gradients (AdEMAMix, Lion with a smoothed sign), of the path itself.

Schedule-free methods descend with z, average it to x, and take the gradient at y between the two, which is θ here: what
the libraries train.  In step n the average moves by 1/n of its way.  With the time ``T = ηn`` as a state that is η/T⁺,
so that z, the place of y and T are slow states like θ: the whole state has an equation of motion, from the first step
on that has T > 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from eomsym.optimizers.adaptive import BETA1, BETA2, EPSILON, OUTER_EPSILON, ROOT_EPSILON, divided, ones
from eomsym.optimizers.optimizer import AVERAGING_TIME, Arrays, Optimizer, Parameter, Slope, flag, from_zero, share
from eomsym.optimizers.variants import DECAY, NEVER

MIX = from_zero("alpha", "α", "weight of the slow mean of g", Fraction(5))
INTERPOLATION = Parameter(
    "beta1",
    "β₁",
    "share of the average in the point of the gradient",
    Fraction(0),
    Fraction(1),
    Fraction(9, 10),
    trial=Fraction(1, 3),
    open_minimum=True,
    reason="the average is read off that point",
)
SMOOTHING = replace(
    EPSILON,
    default=Fraction(1, 1000),
    meaning="width of the smoothed sign",
    reason="at ε = 0 it is the sign, which jumps, so that the step has no derivative",
)
AT_Y = replace(DECAY, default=Fraction(0), meaning="weight decay, at y beside the step of z")
_GROWS = "terms grow like (η/ε)^k: η must be small against ε/|dg/dt|"


def _step_ademamix(
    gradient: Slope,
    state: Arrays,
    eta: Any,
    beta1: Any,
    beta2: Any,
    beta3: Any,
    alpha: Any,
    epsilon: Any,
    root_epsilon: Any = 0,
    two_epsilons: bool = False,
) -> Arrays:
    """m⁺ = β₁ m + (1−β₁) g, M⁺ = β₃ M + (1−β₃) g, v⁺ = β₂ v + (1−β₂) g²,
    θ⁺ = θ − η (m⁺/(1−β₁ⁿ) + α M⁺)/(√(v⁺/(1−β₂ⁿ)) + ε)

    Source: Pagliardini, Ablin & Grangier, The AdEMAMix optimizer: better, faster, older, ICLR 2025

    Limits: not smooth where a component of g vanishes; holds after the transient; α and β₃ are constant, not warmed up
    """
    theta, fast, slow, square, *faded = state
    slope = gradient(theta)
    fast = beta1 * fast + (1 - beta1) * slope
    slow = beta3 * slow + (1 - beta3) * slope
    square = beta2 * square + (1 - beta2) * slope**2
    one, two = beta1 * faded[0], beta2 * faded[1]
    mixed = fast / (1 - one) + alpha * slow
    return theta - eta * divided(mixed, square / (1 - two) + root_epsilon, epsilon), fast, slow, square, one, two


def _averaged(state: Arrays, eta: Any, beta1: Any, direction: Any) -> Arrays:
    """y, z and T after a step of z along the direction."""
    theta, base, time = state
    average = (theta - (1 - beta1) * base) / beta1
    base, time = base - eta * direction, time + eta
    average = average + eta * ((base - average) / time)
    return beta1 * average + (1 - beta1) * base, base, time


def _step_schedule_free(gradient: Slope, state: Arrays, eta: Any, beta1: Any) -> Arrays:
    """z⁺ = z − η g(y), x⁺ = x + (z⁺ − x)/n in step n, y⁺ = (1−β₁) z⁺ + β₁ x⁺; θ is y

    Source: Defazio, Yang, Khaled, Mishchenko, Mehta & Cutkosky, The road less scheduled, NeurIPS 2024

    Limits: the equation of motion is that of (y, z, T), state='whole', T = ηn > 0; a constant rate
    """
    return _averaged(state, eta, beta1, gradient(state[0]))


def _start_schedule_free(gradient: Slope, theta: Any, **parameters: Any) -> Arrays:
    return theta + 0, 0 * theta[:1]


def _step_schedule_free_adamw(
    gradient: Slope, state: Arrays, eta: Any, beta1: Any, beta2: Any, epsilon: Any, decay: Any
) -> Arrays:
    """v⁺ = β₂ v + (1−β₂) g(y)², z⁺ = z − η (g(y)/(√(v⁺/(1−β₂ⁿ)) + ε) + λ y), x and y as in schedule-free-sgd

    Source: Defazio, Yang, Khaled, Mishchenko, Mehta & Cutkosky, The road less scheduled, NeurIPS 2024

    Limits: the equation of motion is that of the whole state, T = ηn > 0; a constant rate; not smooth where a
    component of g vanishes
    """
    *means, square, faded = state
    slope = gradient(state[0])
    square, faded = beta2 * square + (1 - beta2) * slope**2, beta2 * faded
    direction = divided(slope, square / (1 - faded), epsilon) + decay * state[0]
    return *_averaged(tuple(means), eta, beta1, direction), square, faded


def _start_schedule_free_adamw(gradient: Slope, theta: Any, **parameters: Any) -> Arrays:
    return *_start_schedule_free(gradient, theta), 0 * theta, ones(theta)


def _step_smoothed_sign(gradient: Slope, state: Arrays, eta: Any, epsilon: Any) -> Arrays:
    """θ⁺ = θ − η g/√(g² + ε²)

    Source: Bernstein, Wang, Azizzadenesheli & Anandkumar, signSGD, ICML 2018 (its sign smoothed)
    """
    slope = gradient(state[0])
    return (state[0] - eta * divided(slope, slope**2, epsilon**2, inside=True),)


def _step_smoothed_lion(gradient: Slope, state: Arrays, eta: Any, beta1: Any, beta2: Any, epsilon: Any) -> Arrays:
    """c = β₁ m + (1−β₁) g, θ⁺ = θ − η c/√(c² + ε²), m⁺ = β₂ m + (1−β₂) g

    Source: Chen et al., Symbolic discovery of optimization algorithms, NeurIPS 2023 (its sign smoothed)
    """
    theta, mean = state
    slope = gradient(theta)
    mixed = beta1 * mean + (1 - beta1) * slope
    moved = theta - eta * divided(mixed, mixed**2, epsilon**2, inside=True)
    return moved, beta2 * mean + (1 - beta2) * slope


ADEMAMIX = Optimizer(
    "ademamix",
    _step_ademamix,
    (
        BETA1,
        BETA2,
        share("beta3", "β₃", "memory of the slow mean of g", Fraction(9999, 10000), Fraction(1, 2)),
        MIX,
        EPSILON,
    ),
    ("mean", "slow mean", "square", "share of the start in the mean", "share of the start in the square"),
    lambda gradient, theta, **others: (*(0 * theta,) * 3, *(ones(theta),) * 2),
    options=(
        flag("two_epsilons", "one inside of the root as well: √(v⁺ + ε₂) + ε, optax's eps_root"),
        replace(OUTER_EPSILON, brought_by=("two_epsilons",)),
        replace(ROOT_EPSILON, brought_by=("two_epsilons",)),
    ),
)
SCHEDULE_FREE_SGD = Optimizer(
    "schedule-free-sgd",
    _step_schedule_free,
    (INTERPOLATION,),
    ("base", AVERAGING_TIME),
    _start_schedule_free,
    numeric_only=NEVER,
)
SCHEDULE_FREE_ADAMW = Optimizer(
    "schedule-free-adamw",
    _step_schedule_free_adamw,
    (
        INTERPOLATION,
        BETA2,
        EPSILON,
        AT_Y,
    ),
    ("base", AVERAGING_TIME, "square", "share of the start in the square"),
    _start_schedule_free_adamw,
    numeric_only=NEVER,
)
SMOOTHED_SIGN = Optimizer("smoothed-sign", _step_smoothed_sign, (SMOOTHING,), limits=_GROWS)
SMOOTHED_LION = Optimizer(
    "smoothed-lion",
    _step_smoothed_lion,
    (
        replace(INTERPOLATION, meaning="share of the memory in the direction", open_minimum=False, reason="a mean"),
        share("beta2", "β₂", "memory of the mean of g", Fraction(99, 100), Fraction(1, 2)),
        SMOOTHING,
    ),
    ("mean",),
    limits=f"{_GROWS}; holds after the transient β₂^k",
)


def sign_width(entry: Optimizer, values: Mapping[str, Fraction]) -> Fraction | None:
    """Returns the ε of a rule with a smoothed sign; None of other rules."""
    return values.get(SMOOTHING.name) if SMOOTHING in entry.parameters else None


RULES = (ADEMAMIX, SCHEDULE_FREE_SGD, SCHEDULE_FREE_ADAMW, SMOOTHED_SIGN, SMOOTHED_LION)
