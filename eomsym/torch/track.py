"""A tracker around a real PyTorch loop, through the hook that an optimiser calls after each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from eomsym.blocks import Blocks
from eomsym.checks import check_integer, shown
from eomsym.errors import InputError
from eomsym.optimizers.registry import chosen, from_torch
from eomsym.torch.gradients import Gradients
from eomsym.torch.library import counterterms
from eomsym.torch.moving import moving_of, twin
from eomsym.torch.optimizer_state import learning_rates, step_hooks
from eomsym.torch.shards import Shards
from eomsym.tracking.differences import Differences
from eomsym.tracking.gradient_noise import GradientNoise
from eomsym.tracking.tracker import Callback, Tracker
from eomsym.tracking.verdict import steps_to_forget

if TYPE_CHECKING:
    from eomsym.derivation.thresholds import EdgeThreshold

#: Groups whose thresholds differ by no more than this share have one: those of AdamW with its decay and without.
_ALIKE = 0.01


# Written small as it is used: in a with statement, as a function would be.
class track(Tracker):
    """``with track(optimizer, order=3, every=50) as run:`` around a training loop.

    Options are those of ``eomsym.tracking.Tracker``.  All parameters of all groups are looked at, frozen ones and ones
    on other devices included; a look after a group was added waits for iterates that have it.  The steps that the
    memory takes to forget are read from the optimiser: momentum, β₁, and for RMSprop its α; steps that it made before
    count where it knows their number, and a memory without a number that is there has forgotten its start.  ``step`` is
    how many steps the run has made, to go on counting; else what the optimiser knows.  Where not ``enabled``, as in all
    processes but one, nothing is looked at.  ``processes`` is the process group whose processes hold parts of the
    parameters, as under FSDP: each of them tracks its own part and makes the same calls, a look adds up their products,
    and all tell the same, whatever ``enabled`` is; ``field()`` is that of the own part.
    ``exact`` is the loss as a function of the list of all parameters: then each look has the exact shares of the orders
    beside it, by ``counterterms`` for this optimiser with its groups, in powers of their largest rate, at the price of
    these.
    ``noise`` measures how much of the gradients is noise, of steps of ``batch_size`` samples, from the calls of
    ``backward`` that sum to a step's gradient, ``noise`` ≥ 2 of them on equal parts of the batch: calls for
    different losses cannot be told from that, and make it wrong.  ``batches`` is the number of batches in an epoch that
    is shuffled.  It keeps one gradient more.
    Raises ``InputError`` for what is no optimiser.  The loop's own exceptions pass, and it is never broken by this.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        order: int = 3,
        every: int = 50,
        *,
        steps_per_epoch: int = 1,
        step: int | None = None,
        enabled: bool = True,
        processes: Any = None,
        callback: Callback | None = None,
        exact: Callable[[list[torch.Tensor]], torch.Tensor] | None = None,
        noise: int = 0,
        batch_size: int | None = None,
        batches: int | None = None,
    ) -> None:
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise InputError(f"optimizer {shown(optimizer)}: give a torch.optim.Optimizer")
        groups = optimizer.param_groups
        forgets = steps_to_forget([_memory(group) for group in groups], [_mean_square(group) for group in groups])
        super().__init__(order, every, steps_per_epoch=steps_per_epoch, forgets=forgets, callback=callback)
        self._optimizer, self._exact, self._enabled = optimizer, exact, enabled or processes is not None
        self._shards = Shards(processes)
        self._shards.check(self._parameters)
        if processes is not None and (exact is not None or noise):
            raise InputError("processes: exact= and noise= are not put together from shards; leave them out")
        self._memory = any(_memory(group) > 0 for group in optimizer.param_groups)
        self._thresholds: dict[Any, EdgeThreshold] = {}
        self._hook: Any = None
        own = max((int(state["step"]) for state in optimizer.state.values() if "step" in state), default=0)
        self._made = own if step is None else check_integer("step", step)
        self._born = self._made - (own or (forgets if any(optimizer.state.values()) else 0))
        self._gradients = Gradients(optimizer, noise, batch_size, batches) if noise else None

    def __enter__(self) -> track:
        if not self._enabled:
            return self
        self._hook = self._optimizer.register_step_post_hook(self._stepped)
        if self._gradients is not None:
            self._gradients.watch(self._end_noise)
        return self

    def __exit__(self, *fault: object) -> None:
        if self._hook is not None:
            self._hook.remove()
        if self._gradients is not None:
            self._gradients.leave()

    def _end_noise(self, error: Exception) -> None:
        self._report(self._made, error, "no noise")
        if self._gradients is not None:
            self._gradients.leave()
            self._gradients = None

    def _stepped(self, *call: object) -> None:
        self._made += 1
        if self._gradients is not None:
            try:
                self._gradients.stepped()
            except Exception as error:
                self._end_noise(error)
        rates = [group["lr"] for group in self._optimizer.param_groups for _ in group["params"]]
        self(self._made, [self._shards.own(one) for one in self._parameters], rates)

    @property
    def _parameters(self) -> list[torch.Tensor]:
        return [parameter for group in self._optimizer.param_groups for parameter in group["params"]]

    def _differences(self) -> Differences:
        self._shards.check(self._parameters)  # a group may have come since
        return self._shards.together(super()._differences())

    def _missing(self) -> str:
        return super()._missing() if self._enabled else "track: not enabled; another process has the run"

    def _edge(self) -> EdgeThreshold | None:
        """Of the rule as its groups have it now, at their rates when it is first asked for."""
        found = [self._edge_of(group) for group in self._optimizer.param_groups]
        thresholds = [one for one in found if one is not None]
        first = thresholds[0] if len(thresholds) == len(found) else None
        apart = first is not None and any(abs(one.value - first.value) > _ALIKE * first.value for one in thresholds)
        return None if apart else first

    def _edge_of(self, group: dict[str, Any]) -> EdgeThreshold | None:
        """Made once a rule; None where it has none, or cannot be read."""
        alone = object.__new__(type(self._optimizer))
        alone.param_groups = [group]
        try:
            entry, given = from_torch(alone)
            rule = entry.name, *sorted(given.items())
            if rule not in self._thresholds:
                from eomsym.derivation.thresholds import edge_threshold

                values: dict[str, Any] = dict(given)
                self._thresholds[rule] = edge_threshold(entry, eta=float(group["lr"]), **values)
            return self._thresholds[rule]
        except Exception:  # the multipliers of the run are there without
            return None

    def _noise(self) -> GradientNoise | None:
        return None if self._gradients is None else self._gradients.estimate()

    def _terms(self) -> tuple[float, ...]:
        try:
            return () if self._exact is None else self._exact_shares()
        except Exception as error:  # the shares of the run are there without
            self._report(self._made, error, "no exact terms")
            return ()

    def _exact_shares(self) -> tuple[float, ...]:
        assert self._exact is not None
        for hook in step_hooks(self._optimizer):
            if hook != self._stepped:
                raise InputError("exact: the optimizer has hooks of its step, which no rule has; leave it out")
        moves = moving_of(self._parameters)
        moving = [part for part, one in zip(self._parameters, moves, strict=True) if one]
        blocks = Blocks(tuple(tuple(part.shape) for part in moving))
        eta, (entry, given) = max(learning_rates(self._optimizer)), chosen(self._optimizer, {}, None, blocks, moving)
        values: dict[str, Any] = dict(given)
        point = [twin(parameter) for parameter in self._parameters]
        rows: list[Any] = counterterms(self._exact, point, self.order, optimizer=entry, **values)
        sizes = [float(sum(part.square().sum() for part in row)) ** 0.5 for row in rows]
        return tuple(eta**n * size / sizes[0] for n, size in enumerate(sizes))


def _memory(group: dict[str, Any]) -> float:
    """The share that the memory of the direction keeps of itself."""
    return float(group["betas"][0] if "betas" in group else group.get("momentum", 0))


def _mean_square(group: dict[str, Any]) -> float:
    """The share that a mean square without a correction of its start keeps of itself: RMSprop's α, Adadelta's ρ."""
    return float(group.get("alpha", group.get("rho", 0)))
