"""RMSProp, and Adam without bias correction: steps divided by the root of a moving average of squared gradients.

``m⁺ = β₁ m + (1 − β₁) g``, ``v⁺ = β₂ v + (1 − β₂) g²``, then ``θ⁺ = θ − η m⁺/√(v⁺ + ε)`` (ε inside the root) or
``θ⁺ = θ − η m⁺/(√v⁺ + ε)`` (outside, as PyTorch has it).  ``adam`` and ``adamw`` themselves, with the bias correction
of PyTorch, are in ``corrected``; after the transient ``β^k`` they have the same equation of motion.

With ε outside, √v is not smooth where a component of g is zero: there the series in η does not exist, and it needs η
small against |g_j/ġ_j|.  With ε inside it needs η small against √ε/|ġ_j|.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from eomsym.optimizers._base import Optimizer, Parameter
from eomsym.optimizers._stepping import sqrt
from eomsym.optimizers.variants import decoupled_decay

_SMOOTH = "at ε = 0 the step is the sign of g, which has no derivative where g = 0"


def _average(name: str, symbol: str, meaning: str, default: Fraction, trial: Fraction) -> Parameter:
    reason = "the memory β^k must fade, else there is no slow manifold"
    return Parameter(name, symbol, meaning, Fraction(0), Fraction(1), default, trial, reason=reason, share=True)


BETA1 = _average("beta1", "β₁", "memory of the mean of g", Fraction(9, 10), Fraction(1, 3))
BETA2 = _average("beta2", "β₂", "memory of the mean of g²", Fraction(999, 1000), Fraction(2, 5))
RHO = _average("beta2", "β₂", "memory of the mean of g²", Fraction(99, 100), Fraction(2, 5))
EPSILON = Parameter(
    "epsilon",
    "ε",
    "added to the denominator",
    Fraction(0),
    None,
    default=Fraction(1, 10**8),
    trial=Fraction(1, 10),
    open_minimum=True,
    reason=_SMOOTH,
)


def _inside(value: Any, square: Any, epsilon: Any) -> Any:
    return value / sqrt(square + epsilon)


def _outside(value: Any, square: Any, epsilon: Any) -> Any:
    return value / (sqrt(square) + epsilon)


def _adam_step(divided: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
    def step(
        gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any, beta1: Any, beta2: Any, epsilon: Any
    ) -> tuple[Any, ...]:
        """One step."""
        theta, mean, square = state
        slope = gradient(theta)
        mean = beta1 * mean + (1 - beta1) * slope
        square = beta2 * square + (1 - beta2) * slope**2
        return theta - eta * divided(mean, square, epsilon), mean, square

    return step


def _rmsprop_step(divided: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
    def step(
        gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any, beta2: Any, epsilon: Any
    ) -> tuple[Any, ...]:
        """One step."""
        theta, square = state
        slope = gradient(theta)
        square = beta2 * square + (1 - beta2) * slope**2
        return theta - eta * divided(slope, square, epsilon), square

    return step


_ADAM = (
    "Kingma & Ba, Adam: a method for stochastic optimization, ICLR 2015; first counter term: "
    "Cattaneo, Klusowski & Shigida, On the implicit bias of Adam, ICML 2024"
)
_ROUGH = "not smooth where a component of g vanishes; holds after the transient"
_SLOW = "holds after the transient; η must be small against √ε/|dg/dt|"
_UNCORRECTED = "; without bias correction"
_RMSPROP = "Tieleman & Hinton, Lecture 6.5: RMSProp, COURSERA 2012"

ADAM_INSIDE = Optimizer(
    name="adam-inside",
    aliases=(),
    summary="m⁺ = β₁ m + (1−β₁) g, v⁺ = β₂ v + (1−β₂) g², θ⁺ = θ − η m⁺/√(v⁺ + ε)",
    source=_ADAM,
    parameters=(BETA1, BETA2, EPSILON),
    step=_adam_step(_inside),
    memory=("mean", "square"),
    limits=_SLOW + _UNCORRECTED,
)
ADAM_OUTSIDE = Optimizer(
    name="adam-outside",
    aliases=(),
    summary="as adam-inside, θ⁺ = θ − η m⁺/(√v⁺ + ε)",
    source=_ADAM,
    parameters=(BETA1, BETA2, EPSILON),
    step=_adam_step(_outside),
    memory=("mean", "square"),
    limits=_ROUGH + _UNCORRECTED,
)
RMSPROP = Optimizer(
    name="rmsprop",
    aliases=("rmsprop-outside", "rmsprop-pytorch"),
    summary="v⁺ = β₂ v + (1−β₂) g², θ⁺ = θ − η g/(√v⁺ + ε): PyTorch's",
    source=_RMSPROP,
    parameters=(RHO, EPSILON),
    step=_rmsprop_step(_outside),
    memory=("square",),
    limits=_ROUGH,
    definition=2,
    formerly="rmsprop-inside",
)
RMSPROP_INSIDE = Optimizer(
    name="rmsprop-inside",
    aliases=(),
    summary="as rmsprop, θ⁺ = θ − η g/√(v⁺ + ε)",
    source=_RMSPROP,
    parameters=(RHO, EPSILON),
    step=_rmsprop_step(_inside),
    memory=("square",),
    limits=_SLOW,
)
ADAMW_UNCORRECTED = replace(
    decoupled_decay(ADAM_OUTSIDE),
    name="adamw-uncorrected",
    summary="as adam-outside, θ⁺ = θ − η (m⁺/(√v⁺ + ε) + λ θ)",
)
