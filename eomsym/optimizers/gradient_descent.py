"""Gradient descent: ``θ_{k+1} = θ_k − η g(θ_k)``, the explicit Euler method for gradient flow.

Its counter terms are those of the modified equation of explicit Euler.  Not to be confused with *stochastic* gradient
descent, where g changes from step to step (``mini-batches``, ``random-reshuffling``); the name ``sgd`` is what
PyTorch and optax call this step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eomsym.optimizers._base import Optimizer


def step(gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any) -> tuple[Any, ...]:
    """One step."""
    (theta,) = state
    return (theta - eta * gradient(theta),)


OPTIMIZER = Optimizer(
    name="gradient-descent",
    aliases=("gd", "sgd", "explicit-euler"),
    summary="θ⁺ = θ − η g(θ)",
    source=(
        "Miyagawa, Toward Equation of Motion for Deep Neural Networks, NeurIPS 2022; "
        "Hairer, Lubich & Wanner, Geometric Numerical Integration, 2nd ed. 2006, ch. IX"
    ),
    parameters=(),
    step=step,
)
