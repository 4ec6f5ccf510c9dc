"""Adam and its kin, with bias correction, as PyTorch and optax have them, and without.

``m⁺ = β₁ m + (1 − β₁) g``, ``v⁺ = β₂ v + (1 − β₂) g²``, then ``θ⁺ = θ − η m⁺/(√v⁺ + ε)``.  With the correction the
moments are divided by ``1 − β^n``; ``β^n`` is a state of its own, one number, which starts at 1.  After the
transient it is zero, so that the equation of motion is that of the method without correction, to all orders.  ``adam``
and ``adamw`` are those of ``torch.Adam`` and ``torch.AdamW``.  The
Nesterov form looks one step ahead with the mean: ``β₁ m⁺/(1 − β₁^{n+1}) + (1 − β₁) g/(1 − β₁^n)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from eomsym.errors import InputError
from eomsym.optimizers.adaptive import BETA1, BETA2, EPSILON, ROUGH, SLOW, divided, ones
from eomsym.optimizers.descent import rates
from eomsym.optimizers.optimizer import Arrays, Optimizer, Slope, flag
from eomsym.optimizers.variants import decoupled_decay

ROOT_EPSILON = replace(EPSILON, name="root_epsilon", symbol="ε₂", meaning="added below the root")
OUTER_EPSILON = replace(EPSILON, open_minimum=False, meaning="added to the root", reason="a distance from zero")
BETA3 = replace(BETA2, name="beta3", symbol="β₃", default=Fraction(99, 100))

_LIMITS = "the equation of motion holds after the transient, where the bias correction is 1"
_INSIDE = f"{_LIMITS}; η must be small against √ε₂/|dg/dt|"
_NESTEROV = flag("nesterov", "looks one step ahead: (β₁ m⁺/(1−β₁ⁿ⁺¹) + (1−β₁) g/(1−β₁ⁿ)) in place of m⁺/(1−β₁ⁿ)")


def _direction(
    gradient: Slope,
    state: Arrays,
    beta1: Any,
    beta2: Any,
    epsilon: Any,
    root_epsilon: Any = 0,
    *,
    corrected: bool = True,
    inside: bool = False,
    nesterov: bool = False,
    belief: bool = False,
    **flags: bool,
) -> Arrays:
    """What a step goes along, and the memory after it."""
    theta, mean, square, *faded = state
    slope = gradient(theta)
    mean = beta1 * mean + (1 - beta1) * slope
    what = slope - mean if belief else slope
    square = beta2 * square + (1 - beta2) * what**2 + (root_epsilon if belief else 0)
    faded = [beta1 * faded[0], beta2 * faded[1]] if corrected else []
    of_mean, of_square = faded if corrected else (0, 0)
    under = square / (1 - of_square) + (0 if belief else root_epsilon)
    ahead = _mean_ahead(mean, slope, beta1, of_mean, nesterov)
    return divided(ahead, under, epsilon, inside), mean, square, *faded


def _mean_ahead(mean: Any, slope: Any, beta: Any, faded: Any, nesterov: bool) -> Any:
    """The mean of the gradients without its bias, ``faded`` being β^n, and a step ahead if so."""
    if not nesterov:
        return mean / (1 - faded)
    return beta * (mean / (1 - beta * faded)) + (1 - beta) * (slope / (1 - faded))


def _step_adam(
    gradient: Slope, state: Arrays, eta: Any, alpha: Any = 1, beta: Any = 1, *, optimistic: bool = False, **values: Any
) -> Arrays:
    """m⁺ = β₁ m + (1−β₁) g, v⁺ = β₂ v + (1−β₂) g², θ⁺ = θ − η m⁺/(1−β₁ⁿ)/(√(v⁺/(1−β₂ⁿ)) + ε): PyTorch's, in step n

    Source: Kingma & Ba, Adam: a method for stochastic optimization, ICLR 2015; first counter term: Cattaneo, Klusowski
    & Shigida, On the implicit bias of Adam, ICML 2024; Dozat, Incorporating Nesterov momentum into Adam, 2016
    (nesterov); Daskalakis et al., Training GANs with optimism, ICLR 2018 (optimistic)
    """
    if not optimistic:
        direction, *memory = _direction(gradient, state, **values)
        return state[0] - eta * direction, *memory
    *state_of_adam, last = state
    direction, *memory = _direction(gradient, tuple(state_of_adam), **values)
    return state[0] - eta * ((alpha + beta) * direction - beta * last), *memory, direction


def _start_adam(
    gradient: Slope, theta: Any, alpha: Any = 1, beta: Any = 1, *, optimistic: bool = False, **values: Any
) -> Arrays:
    memory = (*(0 * theta,) * 2, *((ones(theta),) * 2 if values.get("corrected", True) else ()))
    return (*memory, _direction(gradient, (theta, *memory), **values)[0]) if optimistic else memory


def _form_of_adam(
    corrected: bool, inside: bool, two_epsilons: bool, optimistic: bool, nesterov: bool
) -> Mapping[str, Any]:
    if inside and two_epsilons:
        raise InputError("optimizer 'adam': of two_epsilons one is inside of the root already; leave inside=no")
    faded = ADAM.memory[2:] if corrected else ()
    limits = _INSIDE if two_epsilons else SLOW if inside else ADAM.limits
    if not corrected:
        limits = f"{SLOW if inside or two_epsilons else ROUGH}; without bias correction"
    return {"memory": ("mean", "square", *faded, *("last direction",) * optimistic), "limits": limits}


def _step_adabelief(gradient: Slope, state: Arrays, eta: Any, **values: Any) -> Arrays:
    """as adam, v⁺ = β₂ v + (1−β₂) (g − m⁺)² + ε₂: the distrust in g, not its size

    Source: Zhuang et al., AdaBelief optimizer, NeurIPS 2020
    """
    direction, *memory = _direction(gradient, state, belief=True, **values)
    return state[0] - eta * direction, *memory


def _step_adan(
    gradient: Slope, state: Arrays, eta: Any, beta1: Any, beta2: Any, beta3: Any, epsilon: Any, root_epsilon: Any
) -> Arrays:
    """m⁺ = β₁ m + (1−β₁) g, d⁺ = β₂ d + (1−β₂)(g − g₋), v⁺ = β₃ v + (1−β₃)(g + (1−β₂)(g − g₋))²,
    θ⁺ = θ − η (m̂ + (1−β₂) d̂)/(√(v̂ + ε₂) + ε), all corrected

    Source: Xie, Zhou, Li, Lin & Yan, Adan: adaptive Nesterov momentum algorithm, 2022
    """
    theta, mean, change, square, last, *faded = state
    slope = gradient(theta)
    mean = beta1 * mean + (1 - beta1) * slope
    change = beta2 * change + (1 - beta2) * (slope - last)
    square = beta3 * square + (1 - beta3) * (slope + (1 - beta2) * (slope - last)) ** 2
    one, two, three = (beta * part for beta, part in zip((beta1, beta2, beta3), faded, strict=True))
    ahead = mean / (1 - one) + (1 - beta2) * (change / (1 - two))
    moved = theta - eta * divided(ahead, square / (1 - three) + root_epsilon, epsilon)
    return moved, mean, change, square, slope, one, two, three


def _start_adan(gradient: Slope, theta: Any, **parameters: Any) -> Arrays:
    return (*(0 * theta,) * 3, gradient(theta), *(ones(theta),) * 3)


ADAM = Optimizer(
    "adam",
    _step_adam,
    (BETA1, BETA2, EPSILON),
    ("mean", "square", "share of the start in the mean", "share of the start in the square"),
    _start_adam,
    options=(
        flag("inside", "ε inside of the root: m⁺/√(v⁺ + ε)"),
        flag("two_epsilons", "one inside of the root as well: m⁺/(√(v⁺ + ε₂) + ε), optax's eps_root"),
        replace(OUTER_EPSILON, brought_by=("two_epsilons",)),
        replace(ROOT_EPSILON, brought_by=("two_epsilons",)),
        _NESTEROV,
        flag("optimistic", "θ⁺ = θ − η ((α + β) r − β r₋), r what it steps along otherwise, the first r₋ is r"),
        *rates("optimistic"),
        flag("corrected", "bias correction, the division by 1−βⁿ", default=True),
    ),
    form=_form_of_adam,
    limits=f"not smooth where a component of g vanishes; {_LIMITS}",
)
ADAMW = replace(decoupled_decay(ADAM), name="adamw", summary="as adam, with − η λ θ beside it: as PyTorch has it")
ADABELIEF = Optimizer(
    "adabelief",
    _step_adabelief,
    (BETA1, BETA2, OUTER_EPSILON, ROOT_EPSILON),
    ("mean", "distrust", "share of the start in the mean", "share of the start in the distrust"),
    _start_adam,
    options=(_NESTEROV,),
    limits=_INSIDE,
)
ADAN = Optimizer(
    "adan",
    _step_adan,
    (
        replace(BETA1, default=Fraction(98, 100)),
        replace(BETA2, default=Fraction(92, 100), meaning="memory of the mean of the change of g"),
        BETA3,
        OUTER_EPSILON,
        ROOT_EPSILON,
    ),
    ("mean", "change", "square", "last gradient", *(f"share of the start {index}" for index in (1, 2, 3))),
    _start_adan,
    limits=_INSIDE,
)
RULES = (ADAM, ADAMW, ADABELIEF, ADAN)
