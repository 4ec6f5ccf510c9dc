"""Two players, each with half of the parameters, one descends the loss and the other ascends: gradient descent-ascent.

``simultaneous``: both move at once, gradient descent for a vector field that is no gradient; its trees are those of
gradient descent.  ``alternating``: the second player answers the first one's move.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eomsym.optimizers import gradient_descent
from eomsym.optimizers._base import Field, Optimizer
from eomsym.optimizers.batches import epoch

_SOURCE = "Rosca, Wu, Dherin & Barrett, Discretization drift in two-player games, ICML 2021"


def step_alternating(gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any) -> tuple[Any, ...]:
    """One step of the first player, then one of the second."""
    return (epoch(gradient, state[0], eta, (0, 1)),)


SIMULTANEOUS = Optimizer(
    name="simultaneous-players",
    aliases=("gradient-descent-ascent", "gda"),
    summary="θ⁺ = θ − η g(θ), g = (∇_x L, −∇_y L)",
    source=_SOURCE,
    parameters=(),
    step=gradient_descent.step,
    fields=lambda: (Field("game"),),
    limits="equal step sizes; g is not a gradient, so no counter term has a loss",
)
ALTERNATING = Optimizer(
    name="alternating-players",
    aliases=("alternating-gda",),
    summary="x⁺ = x − η ∇_x L(x, y), y⁺ = y + η ∇_y L(x⁺, y)",
    source=_SOURCE,
    parameters=(),
    step=step_alternating,
    fields=lambda: (Field("player", 0, 2), Field("player", 1, 2)),
    limits="equal step sizes, the first player moves first",
)
