"""Pairs of gradients with independent noise, from what ``backward`` leaves in a loop of PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from eomsym.checks import check_integer
from eomsym.errors import InputError
from eomsym.tracking.gradient_noise import WINDOW, GradientNoise, Pair, Sampling

#: Where the state of a rule has its memory, a sum or mean of gradients; "" for a rule that has none.
MEMORY = {"SGD": "momentum_buffer", "Adam": "exp_avg", "AdamW": "exp_avg", "RMSprop": "", "Adagrad": ""}
#: Where it has mean squares.
SQUARES = ("max_exp_avg_sq", "exp_avg_sq", "square_avg", "sum")


class Gradients:
    """Reads the first two gradients of each step: ``parts`` calls of ``backward`` on equal batches make one.

    Two calls for different losses look the same, and what is told of them is wrong.
    Raises ``InputError`` for numbers that do not go together, and for one call a step, which tells nothing.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, parts: int, batch_size: Any, batches: Any) -> None:
        if parts == 1:
            raise InputError(
                "noise=True: consecutive steps answer to their own noise, so they do not tell it; call "
                "backward for each half of a batch, two calls a step, and give noise=2"
            )
        self._optimizer, self._parts = optimizer, check_integer("noise", parts, 2)
        if batch_size is None:
            raise InputError("noise: in samples of what? give batch_size=, the samples of a step")
        size = check_integer("batch_size", batch_size, 1)
        self._batches = None if batches is None else check_integer("batches", batches, 2)
        self._memory = MEMORY.get(type(optimizer).__name__)
        groups = optimizer.param_groups
        kept = {_kept(group) for group in groups}
        nesterov = {bool(group.get("nesterov")) for group in groups}
        self._kept = max(kept)
        known = self._memory is not None and len(kept) == len(nesterov) == 1 and (self._memory or self._kept == 0)
        averaged = _averaged(self._kept, max(nesterov)) if known else None
        self._sampling = Sampling(size, self._parts, self._batches, averaged)
        self._pairs: list[Any] = []
        self._sums: list[torch.Tensor] = []
        self._last: dict[torch.Tensor, torch.Tensor] = {}
        self._arrived: dict[torch.Tensor, tuple[int, int]] = {}
        self._hooks: list[Any] = []
        self._seen = 0

    def watch(self, report: Callable[[Exception], None]) -> None:
        """From now on; what goes wrong as gradients arrive is reported, and ends it."""

        def arrived(parameter: torch.Tensor, group: dict[str, Any]) -> None:
            try:
                self._take(parameter, group)
            except Exception as error:  # a user's loop is worth more than a measurement
                self.leave()
                report(error)

        for group in self._optimizer.param_groups:
            self._hooks += [
                parameter.register_post_accumulate_grad_hook(partial(arrived, group=group))
                for parameter in group["params"]
                if parameter.requires_grad
            ]

    def leave(self) -> None:
        """Take all hooks away, and give the kept gradient up."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        self._last.clear()
        self._arrived.clear()

    @torch.no_grad()
    def _take(self, parameter: torch.Tensor, group: dict[str, Any]) -> None:
        count, version = self._arrived.get(parameter, (0, parameter._version))
        if version != parameter._version:
            raise InputError("a step has gradients at several points; noise cannot be told from that")
        self._arrived[parameter] = count + 1, version
        if parameter.grad is None or count > 1:
            return
        if count == 0:
            self._last[parameter] = parameter.grad.clone()
            return
        one = self._last.pop(parameter)
        other = parameter.grad - one
        weights = self._weights(parameter, group)
        both = (_squared(one, weights) + _squared(other, weights)) / 2
        product, weighted = _dot(one, other), _dot(one * weights, other * weights)
        plain = (_squared(one, 1.0) + _squared(other, 1.0)) / 2
        self._sums.append(torch.stack([plain, product, both, weighted]))

    def _weights(self, parameter: torch.Tensor, group: dict[str, Any]) -> torch.Tensor | float:
        """What a step multiplies gradients with, up to a factor."""
        rates = [float(group["lr"]) for group in self._optimizer.param_groups]
        rate = float(group["lr"]) / max(rates) if max(rates) > 0 else 1.0
        state = self._optimizer.state.get(parameter, {})
        squares = next((state[name] for name in SQUARES if name in state), None)
        if squares is None or self._memory is None:
            return rate
        corrected = 1 - group["betas"][1] ** float(state["step"]) if "betas" in group else 1.0
        return rate / (squares / corrected).sqrt_().add_(group["eps"])

    def stepped(self) -> None:
        """A step is made.  Raises ``InputError`` where another number of gradients arrived than was told."""
        counts = {count for count, _ in self._arrived.values()} - {self._parts}
        self._arrived.clear()
        self._seen += 1
        sums, self._sums = self._sums, []
        if counts:
            raise InputError(f"noise={self._parts}: a step had {max(counts)} calls of backward; give noise=that number")
        if sums and self._seen > 1:
            self._pairs.append(sum(part.to(sums[0].device) for part in sums))
            del self._pairs[:-WINDOW]

    def estimate(self) -> GradientNoise | None:
        """Of the last pairs."""
        return self._sampling.estimate([Pair(*sums.tolist()) for sums in self._pairs])


def _kept(group: dict[str, Any]) -> float:
    return float(group["betas"][0] if "betas" in group else group.get("momentum", 0))


def _averaged(kept: float, nesterov: bool) -> float:
    """How many gradients a step averages: the square of the sum of their weights over the sum of their squares."""
    if nesterov:
        return 1 / (1 - kept) ** 2 / ((1 + kept) ** 2 + kept**4 / (1 - kept**2))
    return (1 + kept) / (1 - kept)


def _dot(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """In single precision at least."""
    kind = torch.promote_types(one.dtype, torch.float32)
    return torch.dot(one.reshape(-1).to(kind), other.reshape(-1).to(kind)).double()


def _squared(gradient: torch.Tensor, weights: torch.Tensor | float) -> torch.Tensor:
    weighted = gradient if isinstance(weights, float) else gradient * weights
    return _dot(weighted, weighted) * (weights**2 if isinstance(weights, float) else 1.0)
