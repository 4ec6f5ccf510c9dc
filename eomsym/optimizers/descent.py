"""Gradient descent, explicit and implicit, with momentum and with optimism.

With momentum or optimism the equation of motion is the flow on the slow manifold, which is reached once the memory has
faded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from eomsym.optimizers.optimizer import Arrays, Optimizer, Parameter, Slope, flag, from_zero, share
from eomsym.optimizers.stepping import solve
from eomsym.optimizers.variants import decoupled_decay

MOMENTUM = share("beta", "β", "share of the last velocity that is kept", Fraction(9, 10), Fraction(1, 2))
DAMPENING = replace(
    from_zero("dampening", "d", "share of the gradient that the velocity does not take up", Fraction(0)),
    supremum=Fraction(1),
    reason="at 1 the velocity takes up no gradient but the first",
    brought_by=("dampened",),
)
INNER_RATE = from_zero(
    "rate", "r", "rate of the gradient, a schedule's place", Fraction(1), "it is a rate", "rate_inside"
)


def rates(brought_by: str) -> tuple[Parameter, Parameter]:
    """α and β of optimistic methods."""
    alpha = from_zero("alpha", "α", "rate of the gradient", Fraction(1), "both are rates", brought_by)
    return alpha, replace(alpha, name="beta", symbol="β", meaning="rate of its change")


def _step(gradient: Slope, state: Arrays, eta: Any) -> Arrays:
    """θ⁺ = θ − η g(θ)

    Source: Miyagawa, Toward Equation of Motion for Deep Neural Networks, NeurIPS 2022; Hairer, Lubich & Wanner,
    Geometric Numerical Integration, 2nd ed. 2006, ch. IX
    """
    (theta,) = state
    return (theta - eta * gradient(theta),)


GRADIENT_DESCENT = Optimizer("gradient-descent", _step, aliases=("gd", "sgd", "explicit-euler"))


def _step_implicit(gradient: Slope, state: Arrays, eta: Any) -> Arrays:
    """θ⁺ = θ − η g(θ⁺)

    Source: Hairer, Lubich & Wanner, Geometric Numerical Integration, 2nd ed. 2006, sections II.3 and IX.1

    Limits: the step in floating point is solved by fixed-point iteration, which needs η λ_max < 1
    """
    (theta,) = state
    return solve(lambda point: (theta - eta * gradient(point[0]),), (theta,))


#: The adjoint of gradient descent: its counter terms are those of gradient descent with η replaced by −η.
IMPLICIT_EULER = Optimizer("implicit-euler", _step_implicit, aliases=("proximal-point", "backward-euler"))


def _step_heavy_ball(
    gradient: Slope,
    state: Arrays,
    eta: Any,
    beta: Any,
    dampening: Any = 0,
    rate: Any = 1,
    dampened: bool = False,
    rate_inside: bool = False,
) -> Arrays:
    """v⁺ = β v + g(θ), θ⁺ = θ − η v⁺

    Source: Polyak, Some methods of speeding up the convergence of iteration methods, 1964; first counter term:
    Kovachki & Stuart, Continuous time analysis of momentum methods, JMLR 2021

    Limits: holds after the transient β^k; on a quadratic the series converges for η λ < (1 − √β)²
    """
    theta, velocity = state
    slope = gradient(theta)
    if dampened:
        slope = (1 - dampening) * slope
    if rate_inside:
        slope = rate * slope
    velocity = beta * velocity + slope
    return theta - eta * velocity, velocity


def _start_heavy_ball(
    gradient: Slope, theta: Any, beta: Any = 0, dampening: Any = 0, dampened: bool = False, **others: Any
) -> Arrays:
    """Dampened, the velocity from which the first step makes the first gradient, undampened; at β = 0 there is none."""
    return ((dampening / beta) * gradient(theta) if dampened and beta else 0 * theta,)


def _form_with_momentum(**flags: bool) -> Mapping[str, Any]:
    """Where the series converges on a quadratic is said of the plain methods only."""
    return {"limits": "holds after the transient β^k"} if any(flags.values()) else {}


#: Polyak's momentum, as PyTorch's ``SGD(momentum=β)`` has it; the effective step size is η/(1 − β).
HEAVY_BALL = Optimizer(
    "heavy-ball",
    _step_heavy_ball,
    (MOMENTUM,),
    ("velocity",),
    _start_heavy_ball,
    options=(
        flag("dampened", "(1−d) g in place of g but in the first step, as PyTorch's dampening"),
        DAMPENING,
        flag("rate_inside", "r g in place of g: a rate that depends on time acts on what enters the velocity (Keras)"),
        INNER_RATE,
    ),
    form=_form_with_momentum,
    aliases=("momentum", "polyak"),
)


def _step_nesterov(gradient: Slope, state: Arrays, eta: Any, beta: Any, lookahead: bool = False) -> Arrays:
    """v⁺ = β v + g(θ − η β v), θ⁺ = θ − η v⁺: the textbook's θ; PyTorch and optax have lookahead=yes

    Source: Nesterov, Introductory Lectures on Convex Optimization, 2004, section 2.2 (constant step scheme);
    Sutskever, Martens, Dahl & Hinton, On the importance of initialization and momentum, ICML 2013 (lookahead)

    Limits: holds after the transient β^k; on a quadratic the series converges for η λ < ((1 − β)/(1 + β))²; not the
    sequence of PyTorch and optax, which has lookahead=yes
    """
    theta, velocity = state
    if lookahead:
        slope = gradient(theta)
        velocity = beta * velocity + slope
        return theta - eta * (slope + beta * velocity), velocity
    velocity = beta * velocity + gradient(theta - eta * beta * velocity)
    return theta - eta * velocity, velocity


#: With the velocity ``v = (θ₋ − θ)/η``.  Not Nesterov's scheme whose momentum grows towards 1: that has no slow
#: manifold.  The look-ahead point ``y = θ − η β v`` is another sequence, with other terms from ξ_1 on.
NESTEROV = Optimizer(
    "nesterov",
    _step_nesterov,
    (MOMENTUM,),
    ("velocity",),
    options=(flag("lookahead", "v⁺ = β v + g(y), y⁺ = y − η (g(y) + β v⁺): the point that PyTorch and optax keep"),),
    form=_form_with_momentum,
    aliases=("accelerated-gradient", "nag"),
)


def _step_optimistic(
    gradient: Slope, state: Arrays, eta: Any, alpha: Any = 1, beta: Any = 1, generalized: bool = False
) -> Arrays:
    """θ⁺ = θ − η (2 g(θ) − g(θ₋))

    Source: Popov, A modification of the Arrow-Hurwicz method for search of saddle points, 1980; Mokhtari, Ozdaglar &
    Pattathil, A unified analysis of extra-gradient and optimistic gradient methods, 2020 (generalized)

    Limits: holds after a transient that fades like (ηλ)^k
    """
    theta, last = state
    slope = gradient(theta)
    move = (alpha + beta) * slope - beta * last if generalized else 2 * slope - last
    return theta - eta * move, slope


def _start_optimistic(gradient: Slope, theta: Any, generalized: bool = False, **rates: Any) -> Arrays:
    return (gradient(theta) if generalized else 0 * theta,)


#: The memory is one gradient old, so that the slow manifold attracts like (ηλ)^k.
OPTIMISTIC = Optimizer(
    "optimistic",
    _step_optimistic,
    memory=("last gradient",),
    initial=_start_optimistic,
    options=(
        flag("generalized", "θ⁺ = θ − η ((α + β) g(θ) − β g(θ₋)), the first g(θ₋) is g(θ)"),
        *rates("generalized"),
    ),
    aliases=("past-extragradient", "ogd"),
)
#: Coupled decay, where ``λ θ`` is part of the gradient and passes through the momentum, is ``heavy-ball`` with
#: ``coupled_decay``; without momentum (β = 0) the two are the same.
SGDW = replace(
    decoupled_decay(HEAVY_BALL),
    name="sgdw",
    aliases=("decoupled-weight-decay",),
    summary="v⁺ = β v + g(θ), θ⁺ = θ − η (v⁺ + λ θ)",
    source="Loshchilov & Hutter, Decoupled weight decay regularization, ICLR 2019",
    limits="holds after the transient β^k; a schedule of eta multiplies the decay too",
)
