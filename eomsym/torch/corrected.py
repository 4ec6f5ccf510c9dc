"""Steps without the discretization error of an optimiser, or of descent with a share of it, as a PyTorch optimiser."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import torch

from eomsym.blocks import Blocks
from eomsym.derivation import corrected_step
from eomsym.errors import InputError, ResummationWarning
from eomsym.optimizers import Optimizer
from eomsym.optimizers.leading_field import LeadingField, leading_field
from eomsym.optimizers.registry import from_torch

#: What divides by a memory, as Adam does, has no flow from where that is 0: its first steps are the optimiser's own.
OWN_STEPS = 5
#: Where the last order is worth more than this share of the steps, it is told.
LARGEST_SHARE = 0.1
#: A mean over the steps before, of which each keeps this share: the first steps from rest are short.
KEPT = 0.9


class Corrected(torch.optim.Optimizer):  # type: ignore[misc, unused-ignore]
    """Steps of a ``torch.optim`` optimiser without its discretization error, to η^order.

    Of ``torch.optim.SGD`` without momentum the equation of motion is ``θ̇ = −g − (1 − strength) η ξ``: strength 1
    follows gradient flow, 0 is SGD itself, −1 doubles the counter term.  Of an optimiser with a memory (SGD with
    momentum, Adam, AdamW, NAdam, RMSprop, Muon) a step follows the flow of order 0 of its whole state, strength 1
    alone: for momentum ``θ' = −η v, v' = g − (1 − β) v`` per step.  Where a memory is divided by, which is 0 at
    first, the first 5 steps are the optimiser's own; so is one at learning rate 0.

    A step takes 1, 2, 3, 5 calls of the closure at orders 0 … 3 (``eomsym.derivation.corrected_step``), times
    ``substeps``.  The closure clears the gradients, evaluates the loss, calls ``backward()`` and returns the loss, *on
    the same batch at each call of a step*, without random numbers.  ``share`` is by how much a step differs from
    one of one order less, over its length, a mean over the last ten or so: where that is above 10 %, a
    ``ResummationWarning`` says so, once, and more ``substeps`` make it less.
    The groups are those of ``optimizer``, with their learning rates, weight decay and ``maximize``; schedulers and
    ``state_dict`` work as usual.
    Raises ``InputError`` for an optimiser that has made steps, that has no rule here, or no field of order 0, for
    another strength with a memory, and for what ``corrected_step`` refuses.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, order: int = 1, strength: object = 1, substeps: int = 1
    ) -> None:
        self.corrected = corrected_step(order, strength, substeps)
        self.share = math.nan
        self._steps, self._way, self._less, self._told = 0, 0.0, 0.0, False
        self._like = copy.copy(optimizer)
        if optimizer.state:
            raise InputError("optimizer: has made steps, and its memory is not taken over; give it before the first")
        for group in optimizer.param_groups:
            if self._rule(group).entry.memory and self.corrected.strength != 1:
                raise InputError(
                    f"strength {strength}: the share of a counter term is one of plain descent's; with a memory give 1"
                )
        super().__init__(optimizer.param_groups, optimizer.defaults)

    def _rule(self, group: dict[str, Any]) -> _Rule:
        self._like.param_groups = [{**group, **({"maximize": False} if "maximize" in group else {})}]
        entry, values = from_torch(self._like)
        return _rule(entry, tuple(sorted(entry.complete(values).items())))

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override, unused-ignore]
        """One step; returns the loss before it.  If the closure raises, the parameters are as before."""
        if closure is None:
            raise InputError("closure None: a step looks at several points; give a function that evaluates the loss")
        parts = [
            _Part(array, group, rule, self.state)
            for group, rule in ((group, self._rule(group)) for group in self.param_groups)
            for array in group["params"]
        ]
        losses: list[Any] = []
        try:
            for _ in range(self.corrected.substeps):
                self._substep(parts, closure, losses)
        except BaseException:
            for part in parts:
                part.undo()
            raise
        for part in parts:
            part.keep()
        self._tell(parts)
        return losses[0]

    def _substep(self, parts: Sequence[_Part], closure: Callable[[], Any], losses: list[Any]) -> None:
        made, size = self.corrected, 1 / self.corrected.substeps
        for part in parts:
            part.rates = []
        for row in made.matrix:
            for part in parts:
                part.move(row, size)
            with torch.enable_grad():
                losses.append(closure())
            for part in parts:
                part.look()
        for part in parts:
            part.settle(made.weights, made.embedded, size)

    def _tell(self, parts: Sequence[_Part]) -> None:
        if not self.corrected.embedded:
            return
        way, less = (math.hypot(*(getattr(part, name) for part in parts)) for name in ("way", "less"))
        self._way, self._less = KEPT * self._way + way, KEPT * self._less + less
        self.share = self._less / self._way if self._way else math.nan
        self._steps += 1
        if self.share > LARGEST_SHARE and self._steps >= 1 / (1 - KEPT) and not self._told:
            self._told = True
            warnings.warn(
                f"Corrected: order {self.corrected.order} is {self.share:.0%} of the steps, so they do not follow the "
                "flow to a few per cent; give more substeps, or a smaller learning rate",
                ResummationWarning,
                stacklevel=3,
            )


@dataclass(frozen=True)
class _Rule:
    """What moves a parameter: its own step, and the field of order 0."""

    entry: Optimizer
    values: dict[str, float]
    field: LeadingField


@lru_cache(maxsize=64)
def _rule(entry: Optimizer, values: tuple[tuple[str, Fraction], ...]) -> _Rule:
    return _Rule(entry, {name: float(value) for name, value in values}, leading_field(entry, values))


class _Part:
    """One parameter during a step: its state at the start and now, and the rates at the stages."""

    def __init__(self, array: torch.Tensor, group: dict[str, Any], rule: _Rule, state: Any) -> None:
        self.array, self._group, self._rule, self._state = array, group, rule, state
        self.start, self.rates = array.clone(), list[list[torch.Tensor] | None]()
        self._begin: list[torch.Tensor] = []
        self._now: list[torch.Tensor] = []
        self._own: list[torch.Tensor] | None = None
        self.way = self.less = 0.0

    def undo(self) -> None:
        """Back to where the step began."""
        self.array.copy_(self.start)

    def move(self, shares: Sequence[Fraction], size: float) -> None:
        """To a stage, from where the substep began."""
        if not self._begin or not self.rates:
            return
        self._now = self._moved(shares, size)
        self.array.copy_(self._now[0].view_as(self.array))

    def look(self) -> None:
        """Take the rates of all states here; what has no gradient stays."""
        slope = self.array.grad
        if slope is None or (self.rates and self.rates[0] is None):
            self.rates.append(None)
            return
        slope = (-slope if self._group.get("maximize") else slope).reshape(-1)
        if not self._begin:
            self._begin = self._now = self._stored(slope)
        self.rates.append(self._rate(slope))

    def _stored(self, slope: torch.Tensor) -> list[torch.Tensor]:
        entry, kept = self._rule.entry, self._state.get(self.array, {})
        theta = self.array.detach().clone().reshape(-1)
        if "step" in kept:
            return [theta, *(kept[name].reshape(-1) for name in entry.memory)]
        return list(entry.initial_state(theta, lambda point, field=0: slope, **self._rule.values))

    def _rate(self, slope: torch.Tensor) -> list[torch.Tensor]:
        """Of θ over η, as PyTorch adds it: at strength 0 a step of descent is PyTorch's to the last bit."""
        rule, blocks = self._rule, Blocks((tuple(self.array.shape),))
        if not rule.entry.memory:
            decay = self._group["weight_decay"]
            return [-slope.add(self._now[0], alpha=decay) if decay else -slope]
        eta, made = float(self._group["lr"]), self._state.get(self.array, {}).get("step", 0)
        if eta and not (made < OWN_STEPS and rule.field.divides):
            return rule.field(slope, self._now, 1, blocks)
        if self._own is None:  # of the whole step, whatever its stages
            entry, at = rule.entry.on(blocks), tuple(self._begin)
            after = entry.run(lambda point, field=0: slope, at, eta, **rule.values)
            self._own = [there - here for there, here in zip(after, at, strict=True)]
        return self._own

    def _moved(self, shares: Sequence[Fraction], size: float) -> list[torch.Tensor]:
        rows = [(float(share), rates) for share, rates in zip(shares, self.rates, strict=True) if share and rates]
        if not rows:
            return self._begin
        rate = 1.0 if self._own else float(self._group["lr"])
        parts = [[row[i] if share == 1 else share * row[i] for share, row in rows] for i in range(len(self._begin))]
        scales = [rate * size, *(size,) * (len(parts) - 1)]
        ways = [sum(part[1:], part[0]) for part in parts]
        return [begin.add(way, alpha=scale) for begin, way, scale in zip(self._begin, ways, scales, strict=True)]

    def settle(self, weights: Sequence[Fraction], embedded: Sequence[Fraction], size: float) -> None:
        """The end of a substep, where the next begins."""
        if not self._begin:
            return
        end = self._moved(weights, size)
        if embedded:
            self.less += float(torch.linalg.vector_norm(end[0] - self._moved(embedded, size)[0]))
        self._begin = self._now = end
        self.array.copy_(end[0].view_as(self.array))

    def keep(self) -> None:
        """Store the memory, and how far θ came."""
        self.way = float(torch.linalg.vector_norm(self.array - self.start))
        if not self._begin or not self._rule.entry.memory:
            return
        kept = self._state[self.array]
        kept["step"] = kept.get("step", torch.zeros(())) + 1
        for name, part in zip(self._rule.entry.memory, self._begin[1:], strict=True):
            kept[name] = part.reshape(self.array.shape) if part.numel() == self.array.numel() else part
