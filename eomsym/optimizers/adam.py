"""Adam and its kin, with bias correction, as PyTorch and optax have them, and without.

``m⁺ = β₁ m + (1 − β₁) g``, ``v⁺ = β₂ v + (1 − β₂) g²``, then ``θ⁺ = θ − η m⁺/(√v⁺ + ε)``.  With the correction the
moments are divided by ``1 − β^n``; ``β^n`` is a state of its own, one number, which starts at 1.  After the
transient it is zero, so that the equation of motion is that of the method without correction, to all orders.  ``adam``
and ``adamw`` are those of ``torch.Adam`` and ``torch.AdamW``.  The
Nesterov form looks one step ahead with the mean: ``β₁ m⁺/(1 − β₁^{n+1}) + (1 − β₁) g/(1 − β₁^n)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

from eomsym.optimizers._base import Optimizer
from eomsym.optimizers.adaptive import BETA1, BETA2, EPSILON, ROUGH, SLOW, divided, ones
from eomsym.optimizers.library_momentum import ALPHA, BETA
from eomsym.optimizers.variants import decoupled_decay

ROOT_EPSILON = replace(EPSILON, name="root_epsilon", symbol="ε₂", meaning="added below the root")
OUTER_EPSILON = replace(EPSILON, open_minimum=False, meaning="added to the root", reason="a distance from zero")

_SOURCE = (
    "Kingma & Ba, Adam: a method for stochastic optimization, ICLR 2015; first counter term: "
    "Cattaneo, Klusowski & Shigida, On the implicit bias of Adam, ICML 2024"
)
_LIMITS = "the equation of motion holds after the transient, where the bias correction is 1"
_INSIDE = f"{_LIMITS}; η must be small against √ε₂/|dg/dt|"
_UNCORRECTED = "; without bias correction"


def _start(averages: int, numbers: int) -> Callable[..., tuple[Any, ...]]:
    return lambda gradient, theta, **parameters: (*(0 * theta,) * averages, *(ones(theta),) * numbers)


def corrected_mean(nesterov: bool, mean: Any, slope: Any, faded: Any, beta: Any) -> Any:
    """The mean of the gradients without its bias, ``faded`` being β^n."""
    if not nesterov:
        return mean / (1 - faded)
    return beta * (mean / (1 - beta * faded)) + (1 - beta) * (slope / (1 - faded))


def _adam_direction(
    nesterov: bool = False, belief: bool = False, corrected: bool = True, inside: bool = False
) -> Callable[..., tuple[Any, ...]]:
    def direction(
        gradient: Callable[..., Any],
        state: tuple[Any, ...],
        beta1: Any,
        beta2: Any,
        epsilon: Any,
        root_epsilon: Any = 0,
    ) -> tuple[Any, ...]:
        theta, mean, square, *faded = state
        slope = gradient(theta)
        mean = beta1 * mean + (1 - beta1) * slope
        what = slope - mean if belief else slope
        square = beta2 * square + (1 - beta2) * what**2 + (root_epsilon if belief else 0)
        if not corrected:
            return divided(mean, square, epsilon, inside), mean, square
        faded1, faded2 = beta1 * faded[0], beta2 * faded[1]
        under = square / (1 - faded2) + (0 if belief else root_epsilon)
        ahead = corrected_mean(nesterov, mean, slope, faded1, beta1)
        return divided(ahead, under, epsilon), mean, square, faded1, faded2

    return direction


def _adam_step(**form: bool) -> Callable[..., tuple[Any, ...]]:
    along = _adam_direction(**form)

    def step(gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any, **values: Any) -> tuple[Any, ...]:
        direction, *memory = along(gradient, state, **values)
        return state[0] - eta * direction, *memory

    return step


def _optimistic_step(nesterov: bool) -> Callable[..., tuple[Any, ...]]:
    along = _adam_direction(nesterov)

    def step(
        gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any, alpha: Any, beta: Any, **values: Any
    ) -> tuple[Any, ...]:
        theta, *memory, last = state
        direction, *memory = along(gradient, (theta, *memory), **values)
        return theta - eta * ((alpha + beta) * direction - beta * last), *memory, direction

    return step


def _optimistic_start(nesterov: bool) -> Callable[..., tuple[Any, ...]]:
    along, start = _adam_direction(nesterov), _start(2, 2)

    def initial(gradient: Callable[..., Any], theta: Any, alpha: Any, beta: Any, **values: Any) -> tuple[Any, ...]:
        memory = start(gradient, theta)
        return *memory, along(gradient, (theta, *memory), **values)[0]

    return initial


def _adan_step(
    gradient: Callable[..., Any],
    state: tuple[Any, ...],
    eta: Any,
    beta1: Any,
    beta2: Any,
    beta3: Any,
    epsilon: Any,
    root_epsilon: Any,
) -> tuple[Any, ...]:
    theta, mean, change, square, last, *faded = state
    slope = gradient(theta)
    mean = beta1 * mean + (1 - beta1) * slope
    change = beta2 * change + (1 - beta2) * (slope - last)
    square = beta3 * square + (1 - beta3) * (slope + (1 - beta2) * (slope - last)) ** 2
    one, two, three = (beta * part for beta, part in zip((beta1, beta2, beta3), faded, strict=True))
    ahead = mean / (1 - one) + (1 - beta2) * (change / (1 - two))
    moved = theta - eta * divided(ahead, square / (1 - three) + root_epsilon, epsilon)
    return moved, mean, change, square, slope, one, two, three


def _adams() -> Iterator[Optimizer]:
    for nesterov, roots in product((False, True), (False, True)):
        yield Optimizer(
            name=f"adam{'-nesterov' * nesterov}{'-two-epsilons' * roots}",
            aliases=() if nesterov or roots else ("adam-corrected",),
            summary=(
                f"m⁺ = β₁ m + (1−β₁) g, v⁺ = β₂ v + (1−β₂) g², θ⁺ = θ − η "
                f"{'(β₁ m⁺/(1−β₁ⁿ⁺¹) + (1−β₁) g/(1−β₁ⁿ))' if nesterov else 'm⁺/(1−β₁ⁿ)'}"
                f"/(√(v⁺/(1−β₂ⁿ){' + ε₂' * roots}) + ε)" + ("" if nesterov or roots else ": PyTorch's, in step n")
            ),
            source=_SOURCE + ("; Dozat, Incorporating Nesterov momentum into Adam, 2016" * nesterov),
            parameters=(BETA1, BETA2, OUTER_EPSILON, ROOT_EPSILON) if roots else (BETA1, BETA2, EPSILON),
            step=_adam_step(nesterov=nesterov),
            memory=("mean", "square", "share of the start in the mean", "share of the start in the square"),
            limits=_INSIDE if roots else f"not smooth where a component of g vanishes; {_LIMITS}",
            initial=_start(2, 2),
        )


def _optimists() -> Iterator[Optimizer]:
    for nesterov, roots in product((False, True), (False, True)):
        plain = ADAMS[f"adam{'-nesterov' * nesterov}{'-two-epsilons' * roots}"]
        yield replace(
            plain,
            name=f"{plain.name}-optimistic",
            aliases=(),
            summary=f"θ⁺ = θ − η ((α + β) r − β r₋), r what {plain.name} steps along, the first r₋ is r",
            source=f"{plain.source}; Daskalakis et al., Training GANs with optimism, ICLR 2018",
            parameters=(*plain.parameters, ALPHA, BETA),
            step=_optimistic_step(nesterov),
            memory=(*plain.memory, "last direction"),
            initial=_optimistic_start(nesterov),
        )


def _beliefs() -> Iterator[Optimizer]:
    for nesterov in (False, True):
        yield Optimizer(
            name=f"adabelief{'-nesterov' * nesterov}",
            aliases=(),
            summary=(
                f"as adam{'-nesterov' * nesterov}, v⁺ = β₂ v + (1−β₂) (g − m⁺)² + ε₂: the distrust in g, not its size"
            ),
            source="Zhuang et al., AdaBelief optimizer, NeurIPS 2020",
            parameters=(BETA1, BETA2, OUTER_EPSILON, ROOT_EPSILON),
            step=_adam_step(nesterov=nesterov, belief=True),
            memory=("mean", "distrust", "share of the start in the mean", "share of the start in the distrust"),
            limits=_INSIDE,
            initial=_start(2, 2),
        )


def _adan_start(gradient: Callable[..., Any], theta: Any, **parameters: Any) -> tuple[Any, ...]:
    return (*(0 * theta,) * 3, gradient(theta), *(ones(theta),) * 3)


ADAM_INSIDE = Optimizer(
    name="adam-inside",
    aliases=(),
    summary="m⁺ = β₁ m + (1−β₁) g, v⁺ = β₂ v + (1−β₂) g², θ⁺ = θ − η m⁺/√(v⁺ + ε)",
    source=_SOURCE,
    parameters=(BETA1, BETA2, EPSILON),
    step=_adam_step(corrected=False, inside=True),
    memory=("mean", "square"),
    limits=SLOW + _UNCORRECTED,
)
ADAM_OUTSIDE = replace(
    ADAM_INSIDE,
    name="adam-outside",
    summary="as adam-inside, θ⁺ = θ − η m⁺/(√v⁺ + ε)",
    step=_adam_step(corrected=False),
    limits=ROUGH + _UNCORRECTED,
)
ADAMW_UNCORRECTED = replace(
    decoupled_decay(ADAM_OUTSIDE),
    name="adamw-uncorrected",
    summary="as adam-outside, θ⁺ = θ − η (m⁺/(√v⁺ + ε) + λ θ)",
)
BETA3 = replace(BETA2, name="beta3", symbol="β₃", default=Fraction(99, 100))
ADAMS = {entry.name: entry for entry in _adams()}
OPTIMISTS = {entry.name: entry for entry in _optimists()}
BELIEFS = {entry.name: entry for entry in _beliefs()}
ADAN = Optimizer(
    name="adan",
    aliases=(),
    summary=(
        "m⁺ = β₁ m + (1−β₁) g, d⁺ = β₂ d + (1−β₂)(g − g₋), v⁺ = β₃ v + (1−β₃)(g + (1−β₂)(g − g₋))², "
        "θ⁺ = θ − η (m̂ + (1−β₂) d̂)/(√(v̂ + ε₂) + ε), all corrected"
    ),
    source="Xie, Zhou, Li, Lin & Yan, Adan: adaptive Nesterov momentum algorithm, 2022",
    parameters=(
        replace(BETA1, default=Fraction(98, 100)),
        replace(BETA2, default=Fraction(92, 100), meaning="memory of the mean of the change of g"),
        BETA3,
        OUTER_EPSILON,
        ROOT_EPSILON,
    ),
    step=_adan_step,
    memory=("mean", "change", "square", "last gradient", *(f"share of the start {index}" for index in (1, 2, 3))),
    limits=_INSIDE,
    initial=_adan_start,
)
ADAM = ADAMS["adam"]
ADAMW = decoupled_decay(ADAM)
RULES = (*ADAMS.values(), *OPTIMISTS.values(), *BELIEFS.values(), ADAN)
