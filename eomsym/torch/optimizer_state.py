"""The whole state of a real ``torch.optim`` object: the object itself, copied, is the map that is followed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from eomsym.dynamics import StateMap, Tally
from eomsym.errors import InputError

#: Classes whose step is no smooth function of the state, and why.
ROUGH = {
    "Rprop": "its step takes the sign of the gradient",
    "LBFGS": "a step is a search along a line, with a history that starts anew",
    "Adamax": "it keeps the maximum of two numbers",
    "ASGD": "it keeps the maximum of two numbers",
    "RAdam": "it changes its rule once enough steps are taken",
    "Adafactor": "it clips its steps",
    "Muon": "it computes in half precision",
    "SparseAdam": "it is for sparse gradients",
}
#: What a state begins with that does not begin at zero.
ONES = frozenset({"mu_product"})


def torch_state(loss_fn: Callable[[Any], Any], params: Any, optimizer: torch.optim.Optimizer) -> StateMap:
    """The map of ``optimizer`` on its whole state, θ = ``params`` in the order of their leaves, all in float64.

    ``loss_fn`` maps ``params``, any pytree of tensors, to a scalar.  ``optimizer`` is one on these very tensors, or on
    tensors of these shapes in this order; it is copied and not touched.  What it has gathered already is the start; if
    it has made no step, its state before the first is zero where the object itself gives the same first step from
    there, and the run begins after the first step otherwise (``first`` is 1).
    Raises ``InputError`` for parameters that do not fit, for a class or option whose step is not smooth, and for a loss
    that gives another step each time.
    """
    _check_smooth(optimizer)
    leaves, structure = pytree.tree_flatten(params)
    places = _places(leaves, optimizer)
    moving = [leaf.detach().to("cpu", torch.float64, copy=True).requires_grad_() for leaf in leaves]
    own = _copied(optimizer, [moving[place] for place in places])
    machine = _Machine(own, moving, lambda: loss_fn(pytree.tree_unflatten(moving, structure)))
    first = 0 if any(own.state.values()) else machine.prepare()
    start, tally = machine.read(), Tally()
    _check_repeatable(machine.step, start)
    return StateMap(tally.counting(machine.step), start, sum(map(torch.numel, moving)), first, tally)


def learning_rates(optimizer: torch.optim.Optimizer) -> set[float]:
    """The learning rates of all groups."""
    return {float(group["lr"]) for group in optimizer.param_groups}


def _check_repeatable(step: Callable[[np.ndarray], np.ndarray], start: np.ndarray) -> None:
    """A step that is drawn anew is no map: neither the run nor its equation of motion would be one."""
    once, again = step(start), step(start)
    # Sums in another sequence, by several threads, differ in their last digits.
    if np.linalg.norm(again - once) > 1e-6 * np.linalg.norm(once - start):
        raise InputError(
            "loss_fn: two steps from one state differ, so the loss is random, by dropout or by the samples drawn; "
            "call eval() on the model, and give all samples or the same ones"
        )


def _check_smooth(optimizer: torch.optim.Optimizer) -> None:
    name = type(optimizer).__name__
    reason = next((ROUGH[kind.__name__] for kind in type(optimizer).__mro__ if kind.__name__ in ROUGH), None)
    if reason is None and any(group.get("amsgrad") for group in optimizer.param_groups):
        reason = "amsgrad keeps the maximum of two numbers"
    if reason is not None:
        raise InputError(f"optimizer torch.{name}: no equation of motion, {reason}; take Adam or SGD, say")
    for group in optimizer.param_groups:
        for key in ("momentum", "betas", "alpha"):
            for value in np.atleast_1d(group.get(key, 0.0)) if key in group else ():
                if not 0 <= float(value) < 1:
                    raise InputError(f"optimizer torch.{name}: {key} = {float(value):g}; give 0 <= {key} < 1")


def _places(leaves: Sequence[Any], optimizer: torch.optim.Optimizer) -> list[int]:
    """Which leaf each of the optimiser's parameters is."""
    for leaf in leaves:
        if not isinstance(leaf, torch.Tensor) or not leaf.is_floating_point():
            kind = leaf.dtype if isinstance(leaf, torch.Tensor) else type(leaf).__name__
            raise InputError(f"params: a leaf is {kind}; give floating-point tensors only")
    theirs = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    numbers = {id(leaf): number for number, leaf in enumerate(leaves)}
    if all(id(parameter) in numbers for parameter in theirs) and len(theirs) == len(leaves):
        return [numbers[id(parameter)] for parameter in theirs]
    shapes, wanted = ([tuple(part.shape) for part in parts] for parts in (theirs, leaves))
    if shapes != wanted:
        raise InputError(f"optimizer: its parameters have shapes {shapes}, params {wanted}; make it for these params")
    return list(range(len(leaves)))


def _copied(optimizer: torch.optim.Optimizer, tensors: Sequence[torch.Tensor]) -> Any:
    """A copy on other tensors, of doubles, a tensor at a time."""
    groups, after = [], iter(tensors)
    theirs: dict[torch.Tensor, torch.Tensor] = {}
    for group in optimizer.param_groups:
        made = {key: copy.deepcopy(value) for key, value in group.items() if key != "params"}
        made["params"] = [next(after) for _ in group["params"]]
        theirs.update(zip(group["params"], made["params"], strict=True))
        made |= {key: value for key, value in _PLAIN.items() if key in made}
        groups.append(made)
    own = copy.copy(optimizer)
    own.param_groups = groups
    own.state = type(optimizer.state)(dict)
    for parameter, entries in optimizer.state.items():
        own.state[theirs[parameter]] = {key: _double(value) for key, value in entries.items()}
    return own


_PLAIN = {"foreach": False, "fused": None, "capturable": False, "differentiable": False}


def _double(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", torch.float64, copy=True)
    return float(value) if _is_number(value) else copy.deepcopy(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class _Machine:
    """An optimiser whose tensors are written from a vector before a step, and read into one after it."""

    def __init__(self, optimizer: Any, tensors: Sequence[torch.Tensor], loss: Callable[[], Any]) -> None:
        self._optimizer, self._tensors, self._loss = optimizer, tensors, loss

    def prepare(self) -> int:
        """Makes the state that the first step would; returns the step at which it is then."""
        theta = self.read()
        self._move()
        after = self.read()
        begun = np.concatenate([theta, *(self._begin(*place) for place in self._entries())])
        # Not equal to the last bit: PyTorch makes its counters in single precision.
        if np.allclose(self.step(begun), after, rtol=1e-6, atol=0):
            self._write(begun)
            return 0
        self._write(after)
        return 1

    def _begin(self, entries: dict[str, Any], key: str) -> np.ndarray:
        """What an entry of the state begins with, if it begins with the same for all optimisers."""
        return np.full(_flat(entries[key]).size, float(key in ONES))

    def step(self, vector: np.ndarray) -> np.ndarray:
        """The next state."""
        self._write(vector)
        self._move()
        following = self.read()
        if following.shape != vector.shape:
            raise InputError(f"optimizer: its state went from {vector.size} numbers to {following.size} in a step")
        return following

    def _move(self) -> None:
        try:
            gradients = torch.autograd.grad(self._loss(), self._tensors)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"loss_fn: fails on parameters in float64 ({reason}); give it data in float64") from error
        for tensor, gradient in zip(self._tensors, gradients, strict=True):
            tensor.grad = gradient
        self._optimizer.step()

    def read(self) -> np.ndarray:
        """Parameters and state as one new vector."""
        state = [_flat(entries[key]) for entries, key in self._entries()]
        return np.concatenate([*(_flat(tensor) for tensor in self._tensors), *state])

    def _entries(self) -> Iterator[tuple[dict[str, Any], str]]:
        """All numbers of the state, those of a parameter together."""
        for tensor in self._tensors:
            entries = self._optimizer.state.get(tensor, {})
            for key in sorted(entries):
                if isinstance(entries[key], torch.Tensor):
                    entries[key] = entries[key].to(torch.float64)
                if isinstance(entries[key], torch.Tensor) or _is_number(entries[key]):
                    yield entries, key

    @torch.no_grad()
    def _write(self, vector: np.ndarray) -> None:
        state = list(self._entries())
        sizes = [tensor.numel() for tensor in self._tensors]
        sizes += [_flat(entries[key]).size for entries, key in state]
        parts = [torch.from_numpy(vector[i:j].copy()) for i, j in pairwise(np.cumsum([0, *sizes]))]
        for tensor, part in zip(self._tensors, parts, strict=False):
            tensor.copy_(part.reshape(tensor.shape))
        for (entries, key), part in zip(state, parts[len(self._tensors) :], strict=True):
            was = entries[key]
            entries[key] = part.reshape(was.shape) if isinstance(was, torch.Tensor) else float(part)


def _flat(value: Any) -> np.ndarray:
    return value.detach().reshape(-1).numpy() if isinstance(value, torch.Tensor) else np.array([float(value)])
