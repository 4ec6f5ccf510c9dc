"""Implicit Euler: ``θ_{k+1} = θ_k − η g(θ_{k+1})``, the proximal point method ``θ⁺ = argmin L(x) + ‖x − θ‖²/(2η)``.

The adjoint of gradient descent: its counter terms are those of gradient descent with η replaced by −η.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eomsym.optimizers._base import Optimizer
from eomsym.optimizers._stepping import solve


def step(gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any) -> tuple[Any, ...]:
    """One step."""
    (theta,) = state
    return solve(lambda point: (theta - eta * gradient(point[0]),), (theta,))


OPTIMIZER = Optimizer(
    name="implicit-euler",
    aliases=("proximal-point", "backward-euler"),
    summary="θ⁺ = θ − η g(θ⁺)",
    source="Hairer, Lubich & Wanner, Geometric Numerical Integration, 2nd ed. 2006, sections II.3 and IX.1",
    parameters=(),
    step=step,
    limits="the step in floating point is solved by fixed-point iteration, which needs η λ_max < 1",
)
