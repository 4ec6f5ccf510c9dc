"""Heavy ball: ``v⁺ = β v + g(θ)``, ``θ⁺ = θ − η v⁺``: Polyak's momentum, as PyTorch's ``SGD(momentum=β)`` has it.

The equation of motion is the flow on the slow manifold, which is reached once ``β^k`` has died out.  The effective step
size is η/(1 − β).  Not to be confused with the dampened form ``v⁺ = β v + (1 − β) g``, which is this one with η(1 − β).
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from eomsym.optimizers._base import Optimizer, Parameter

MOMENTUM = Parameter(
    "beta",
    "β",
    "share of the last velocity that is kept",
    Fraction(0),
    Fraction(1),
    default=Fraction(9, 10),
    trial=Fraction(1, 2),
    reason="the memory β^k must fade, else there is no slow manifold",
    share=True,
)


def step(gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any, beta: Any) -> tuple[Any, ...]:
    """One step."""
    theta, velocity = state
    velocity = beta * velocity + gradient(theta)
    return theta - eta * velocity, velocity


OPTIMIZER = Optimizer(
    name="heavy-ball",
    aliases=("momentum", "polyak"),
    summary="v⁺ = β v + g(θ), θ⁺ = θ − η v⁺",
    source=(
        "Polyak, Some methods of speeding up the convergence of iteration methods, 1964; first counter term: "
        "Kovachki & Stuart, Continuous time analysis of momentum methods, JMLR 2021"
    ),
    parameters=(MOMENTUM,),
    step=step,
    memory=("velocity",),
    limits="holds after the transient β^k; on a quadratic the series converges for η λ < (1 − √β)²",
)
