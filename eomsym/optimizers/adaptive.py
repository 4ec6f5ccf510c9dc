"""What methods share that divide a step by the root of a moving average of squared gradients: RMSProp, Adam and kin.

With ε outside the root, as PyTorch has it, √v is not smooth where a component of g is zero: there the series in η does
not exist, and it needs η small against |g_j/ġ_j|.  With ε inside it needs η small against √ε/|ġ_j|.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from eomsym.optimizers._base import Parameter
from eomsym.optimizers._stepping import sqrt

ROUGH = "not smooth where a component of g vanishes; holds after the transient"
SLOW = "holds after the transient; η must be small against √ε/|dg/dt|"


def _average(name: str, symbol: str, meaning: str, default: Fraction, trial: Fraction) -> Parameter:
    reason = "the memory β^k must fade, else there is no slow manifold"
    return Parameter(name, symbol, meaning, Fraction(0), Fraction(1), default, trial, reason=reason, share=True)


BETA1 = _average("beta1", "β₁", "memory of the mean of g", Fraction(9, 10), Fraction(1, 3))
BETA2 = _average("beta2", "β₂", "memory of the mean of g²", Fraction(999, 1000), Fraction(2, 5))
RHO = replace(BETA2, default=Fraction(99, 100))
EPSILON = Parameter(
    "epsilon",
    "ε",
    "added to the denominator",
    Fraction(0),
    None,
    default=Fraction(1, 10**8),
    trial=Fraction(1, 10),
    open_minimum=True,
    reason="at ε = 0 the step is the sign of g, which has no derivative where g = 0",
)


def divided(value: Any, square: Any, epsilon: Any, inside: bool = False) -> Any:
    """``value/(√square + ε)``, or ``value/√(square + ε)`` with ε inside the root."""
    return value / sqrt(square + epsilon) if inside else value / (sqrt(square) + epsilon)


def ones(theta: Any) -> Any:
    """The number 1 as an array of shape (1,), of the library that θ is of."""
    return 0 * theta[:1] + 1
