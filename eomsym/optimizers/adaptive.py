"""Adam, AdamW and RMSProp: steps divided componentwise by the root of a moving average of squared gradients.

``m⁺ = β₁ m + (1 − β₁) g``, ``v⁺ = β₂ v + (1 − β₂) g²``, then ``θ⁺ = θ − η m⁺/√(v⁺ + ε)`` (ε inside the root) or
``θ⁺ = θ − η m⁺/(√v⁺ + ε)`` (outside, as PyTorch has it).  Bias correction is left out: it is 1 after the transient
``β^k``, and the equation of motion is the flow on the slow manifold.

With ε outside, √v is not smooth where a component of g is zero: there the series in η does not exist, and it needs η
small against |g_j/ġ_j|.  With ε inside it needs η small against √ε/|ġ_j|.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from eomsym.optimizers._base import Optimizer, Parameter
from eomsym.optimizers._stepping import sqrt
from eomsym.optimizers.decoupled_decay import DECAY

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


def adamw_step(
    gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any, decay: Any, **others: Any
) -> tuple[Any, ...]:
    """One step, ε outside the root, decay outside of both averages."""
    moved, mean, square = ADAM_OUTSIDE.step(gradient, state, eta, **others)
    return moved - eta * (decay * state[0]), mean, square


_ADAM = (
    "Kingma & Ba, Adam: a method for stochastic optimization, ICLR 2015; first counter term: "
    "Cattaneo, Klusowski & Shigida, On the implicit bias of Adam, ICML 2024"
)
_ROUGH = "not smooth where a component of g vanishes; holds after the transient, without bias correction"
_SLOW = "holds after the transient, without bias correction; η must be small against √ε/|dg/dt|"

ADAM = Optimizer(
    name="adam",
    aliases=("adam-inside",),
    summary="m⁺ = β₁ m + (1−β₁) g, v⁺ = β₂ v + (1−β₂) g², θ⁺ = θ − η m⁺/√(v⁺ + ε)",
    source=_ADAM,
    parameters=(BETA1, BETA2, EPSILON),
    step=_adam_step(_inside),
    memory=("mean", "square"),
    limits=_SLOW,
)
ADAM_OUTSIDE = Optimizer(
    name="adam-outside",
    aliases=("adam-pytorch",),
    summary="as adam, θ⁺ = θ − η m⁺/(√v⁺ + ε)",
    source=_ADAM,
    parameters=(BETA1, BETA2, EPSILON),
    step=_adam_step(_outside),
    memory=("mean", "square"),
    limits=_ROUGH,
)
ADAMW = Optimizer(
    name="adamw",
    aliases=(),
    summary="as adam-outside, θ⁺ = θ − η (m⁺/(√v⁺ + ε) + λ θ)",
    source="Loshchilov & Hutter, Decoupled weight decay regularization, ICLR 2019",
    parameters=(BETA1, BETA2, EPSILON, DECAY),
    step=adamw_step,
    memory=("mean", "square"),
    limits=_ROUGH,
)
RMSPROP = Optimizer(
    name="rmsprop",
    aliases=("rmsprop-inside",),
    summary="v⁺ = β₂ v + (1−β₂) g², θ⁺ = θ − η g/√(v⁺ + ε)",
    source="Tieleman & Hinton, Lecture 6.5: RMSProp, COURSERA 2012",
    parameters=(RHO, EPSILON),
    step=_rmsprop_step(_inside),
    memory=("square",),
    limits=_SLOW,
)
RMSPROP_OUTSIDE = Optimizer(
    name="rmsprop-outside",
    aliases=("rmsprop-pytorch",),
    summary="as rmsprop, θ⁺ = θ − η g/(√v⁺ + ε)",
    source="Tieleman & Hinton, Lecture 6.5: RMSProp, COURSERA 2012",
    parameters=(RHO, EPSILON),
    step=_rmsprop_step(_outside),
    memory=("square",),
    limits=_ROUGH,
)
