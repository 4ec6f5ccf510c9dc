"""Optimistic gradient descent (past extragradient): ``θ⁺ = θ − η (2 g(θ) − g(θ₋))``.

The memory is one gradient old, so the transient is short but not zero: the slow manifold attracts like (ηλ)^k.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eomsym.optimizers._base import Optimizer


def step(gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any) -> tuple[Any, ...]:
    """One step."""
    theta, last = state
    slope = gradient(theta)
    return theta - eta * (2 * slope - last), slope


OPTIMIZER = Optimizer(
    name="optimistic",
    aliases=("past-extragradient", "ogd"),
    summary="θ⁺ = θ − η (2 g(θ) − g(θ₋))",
    source="Popov, A modification of the Arrow-Hurwicz method for search of saddle points, 1980",
    parameters=(),
    step=step,
    memory=("last gradient",),
    limits="holds after a transient that fades like (ηλ)^k",
)
