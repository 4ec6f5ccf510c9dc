"""Gradient descent without its counter term, with a part of it, or with more of it, as a PyTorch optimiser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from eomsym.checks import shown
from eomsym.derivation import corrected_step
from eomsym.errors import InputError


class Corrected(torch.optim.Optimizer):  # type: ignore[misc, unused-ignore]
    """Steps of a ``torch.optim.SGD`` whose equation of motion is ``θ̇ = −g − (1 − strength) η ξ`` to η^order.

    Strength 1 follows gradient flow, 0 is SGD itself, −1 doubles the counter term; a step takes 1, 2, 3, 5 calls of the
    closure at orders 0 … 3 (``eomsym.derivation.corrected_step``).  The closure clears the gradients, evaluates the
    loss, calls ``backward()`` and returns the loss, *on the same batch at each call of a step*, without random numbers.
    The groups are those of ``optimizer``, with their learning rates, weight decay (a part of the loss) and
    ``maximize``; schedulers and ``state_dict`` work as usual.
    Raises ``InputError`` for another optimiser, one with momentum, and what ``corrected_step`` refuses.
    """

    def __init__(self, optimizer: torch.optim.SGD, order: int = 1, strength: object = 1) -> None:
        if type(optimizer) is not torch.optim.SGD:
            raise InputError(
                f"optimizer {shown(optimizer)}: the counter term left out is descent's; give torch.optim.SGD"
            )
        if any(group["momentum"] for group in optimizer.param_groups):
            raise InputError(
                "optimizer: has momentum, and the counter term left out is plain descent's; give momentum 0"
            )
        self.corrected = corrected_step(order, strength)
        super().__init__(optimizer.param_groups, optimizer.defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override, unused-ignore]
        """One step; returns the loss before it.  If the closure raises, the parameters are as before."""
        if closure is None:
            raise InputError("closure None: a step looks at several points; give a function that evaluates the loss")
        places = [(part, group) for group in self.param_groups for part in group["params"]]
        start = [part.clone() for part, _ in places]
        slopes: list[list[torch.Tensor | None]] = []
        losses = []
        try:
            for row in self.corrected.matrix:
                _move(places, start, slopes, row)
                with torch.enable_grad():
                    losses.append(closure())
                slopes.append([_slope(part, group) for part, group in places])
        except BaseException:
            _move(places, start, [], ())
            raise
        _move(places, start, slopes, self.corrected.weights)
        return losses[0]


def _slope(part: torch.Tensor, group: dict[str, Any]) -> torch.Tensor | None:
    if part.grad is None:
        return None
    slope = -part.grad if group["maximize"] else part.grad.clone()
    return slope.add(part, alpha=group["weight_decay"]) if group["weight_decay"] else slope


def _move(
    places: Sequence[tuple[torch.Tensor, dict[str, Any]]],
    start: Sequence[torch.Tensor],
    slopes: Sequence[Sequence[torch.Tensor | None]],
    shares: Sequence[Any],
) -> None:
    """``θ − η Σ_j shares[j] slopes[j]``, from what stands in ``start``."""
    for index, (part, group) in enumerate(places):
        part.copy_(start[index])
        known = [(share, row[index]) for share, row in zip(shares, slopes, strict=True) if share]
        moves = [slope if share == 1 else float(share) * slope for share, slope in known if slope is not None]
        if moves:
            part.add_(sum(moves[1:], moves[0]), alpha=-float(group["lr"]))
