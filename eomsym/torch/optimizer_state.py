"""The whole state of a real ``torch.optim`` object: the object itself, copied, is the map that is followed."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks
from torch.utils import _pytree as pytree

from eomsym.dynamics.runs import StateMap, Tally
from eomsym.errors import EomsymError, InputError
from eomsym.optimizers.libraries import LIBRARIES
from eomsym.torch.library import checked_leaf
from eomsym.torch.moving import Hooks, hooks_of, moving_of, passed
from eomsym.torch.sides import Watch

#: What a state begins with that does not begin at zero.
ONES = frozenset({"mu_product"})


def torch_state(loss_fn: Callable[[Any], Any], params: Any, optimizer: torch.optim.Optimizer) -> StateMap:
    """The map of ``optimizer`` on its whole state, θ = ``params`` in the order of their leaves, all in float64.

    ``loss_fn`` maps ``params``, any pytree of tensors, to a scalar.  ``optimizer`` is one on these very tensors or some
    of them, or on tensors of these shapes in this order; it is copied and not touched.  What it does not step is held:
    its parameters that require no gradient beside others that do, or of which the loss is no function, and leaves that
    it does not have.  Hooks of its parameters (``register_hook``) are run.  What it has gathered already is the start;
    if it has made no step, its state before the first is zero where the object itself gives the same first step from
    there, and the run begins after the first step otherwise (``first`` is 1).
    Raises ``InputError`` for parameters that do not fit, for a class or option whose step is not smooth, for a class of
    one's own whose step jumps (a sign) or keeps a maximum, for hooks of the step and a scheduler's, for a state that is
    not in ``state``, and for a loss that gives another step each time.  A step that has a kink (a clip) has ``sides``.
    """
    _check_smooth(optimizer)
    _check_step(optimizer)
    leaves, structure = pytree.tree_flatten(params)
    theirs = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    places = _places(leaves, theirs)
    tensors = [leaf.detach().to("cpu", torch.float64, copy=True) for leaf in leaves]
    hooks: dict[int, Hooks] = {}
    for place, parameter, moves in zip(places, theirs, moving_of(theirs), strict=True):
        tensors[place].requires_grad_(moves)
        hooks[place] = hooks_of(parameter) if moves else ()
    own = _copied(optimizer, theirs, [tensors[place] for place in places])
    machine = _Machine(own, tensors, hooks, lambda: loss_fn(pytree.tree_unflatten(tensors, structure)))
    first = 0 if any(own.state.values()) else machine.prepare()
    start, tally = machine.read(), Tally()
    _check_repeatable(machine, start)
    sides = None
    if any(hooks.values()) or not _is_of_torch(optimizer):  # PyTorch's own are known by their class
        sides = tally.counting(machine.sides)
        machine.sides(start)
    return StateMap(tally.counting(machine.step), start, sum(map(torch.numel, tensors)), first, tally, sides=sides)


def learning_rates(optimizer: torch.optim.Optimizer) -> set[float]:
    """The learning rates of all groups."""
    return {float(group["lr"]) for group in optimizer.param_groups}


def step_hooks(optimizer: torch.optim.Optimizer) -> list[Callable[..., Any]]:
    """What is called before and after each step of an optimiser, of all optimisers included."""
    own = optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks
    every = _global_optimizer_pre_hooks, _global_optimizer_post_hooks
    return [hook for hooks in (*own, *every) for hook in hooks.values()]


def _check_step(optimizer: torch.optim.Optimizer) -> None:
    """Raises ``InputError`` where a step of the object is more than that of its class."""
    for hook in step_hooks(optimizer):
        name = getattr(hook, "__qualname__", type(hook).__name__)
        raise InputError(
            f"optimizer: has a hook of its step, {name}, which acts on the real parameters; remove it, and put what it "
            "does into the loss or into a hook of a parameter"
        )
    if hasattr(vars(optimizer).get("step"), "_wrapped_by_lr_sched"):
        raise InputError(
            "optimizer: has a scheduler of its learning rate, whose steps are not made here; give one without for the "
            "rate as it is, or its name with schedule= on a kernel"
        )
    if "step" in vars(optimizer):
        raise InputError("optimizer: its step was replaced by another function; give one with the step of its class")


def _check_repeatable(machine: _Machine, start: np.ndarray) -> None:
    """A step that is drawn anew is no map: neither the run nor its equation of motion would be one."""
    once, before = machine.step(start), machine.hidden()
    again, after = machine.step(start), machine.hidden()
    for name in before.keys() | after.keys():
        if before.get(name) != after.get(name):
            raise InputError(
                f"optimizer: {name} is another after each step, and no part of its state; keep it in self.state"
            )
    # Sums in another sequence, by several threads, differ in their last digits.
    if np.linalg.norm(again - once) > 1e-6 * np.linalg.norm(once - start):
        raise InputError(
            "loss_fn: two steps from one state differ, so the loss is random, by dropout or by the samples drawn; "
            "call eval() on the model, and give all samples or the same ones"
        )


def _check_smooth(optimizer: torch.optim.Optimizer) -> None:
    name = type(optimizer).__name__
    entries = [LIBRARIES.get(f"torch.{kind.__name__}") for kind in type(optimizer).__mro__]
    reason = next((entry.refused for entry in entries if entry is not None and entry.refused), "")
    if not reason and any(group.get("amsgrad") or "t0" in group for group in optimizer.param_groups):
        reason = "it keeps the maximum of two numbers, which has a kink"
    if reason:
        raise InputError(f"optimizer torch.{name}: no equation of motion, {reason}; take Adam or SGD, say")
    for group in optimizer.param_groups:
        for key in ("momentum", "betas", "alpha"):
            for value in np.atleast_1d(group.get(key, 0.0)) if key in group else ():
                if not 0 <= float(value) < 1:
                    raise InputError(f"optimizer torch.{name}: {key} = {float(value):g}; give 0 <= {key} < 1")


def _is_of_torch(optimizer: torch.optim.Optimizer) -> bool:
    return type(optimizer).__module__.split(".")[:2] == ["torch", "optim"]


def _places(leaves: Sequence[Any], theirs: Sequence[torch.Tensor]) -> list[int]:
    """Which leaf each of the optimiser's parameters is."""
    for leaf in leaves:
        checked_leaf(leaf)
    numbers = {id(leaf): number for number, leaf in enumerate(leaves)}
    if all(id(parameter) in numbers for parameter in theirs):
        return [numbers[id(parameter)] for parameter in theirs]
    shapes, wanted = ([tuple(part.shape) for part in parts] for parts in (theirs, leaves))
    if shapes != wanted:
        raise InputError(f"optimizer: its parameters have shapes {shapes}, params {wanted}; make it for these params")
    return list(range(len(leaves)))


def _copied(optimizer: torch.optim.Optimizer, theirs: Sequence[torch.Tensor], tensors: Sequence[torch.Tensor]) -> Any:
    """A copy on other tensors, of doubles, a tensor at a time."""
    known: dict[int, Any] = {id(parameter): tensor for parameter, tensor in zip(theirs, tensors, strict=True)}
    own = copy.deepcopy(optimizer, {**known})  # by PyTorch's own rule, which leaves out what a class keeps besides
    known[id(optimizer)] = own
    for name in vars(optimizer).keys() - vars(own).keys():
        vars(own)[name] = _deep(name, vars(optimizer)[name], known)
    for group in own.param_groups:
        group.update({key: value for key, value in _PLAIN.items() if key in group})
    for entries in own.state.values():
        entries.update({key: _double(value) for key, value in entries.items()})
    return own


def _deep(name: str, value: Any, known: dict[int, Any]) -> Any:
    try:
        return copy.deepcopy(value, dict(known))
    except Exception as error:  # whatever a class may keep
        reason = f"its attribute {name} cannot be copied ({error})"
        raise InputError(f"optimizer: {reason}; keep it in self.state") from error


_PLAIN = {"foreach": False, "fused": None, "capturable": False, "differentiable": False}


def _double(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", torch.float64, copy=True)
    return float(value) if _is_number(value) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class _Machine:
    """An optimiser whose tensors are written from a vector before a step, and read into one after it."""

    def __init__(
        self, optimizer: Any, tensors: Sequence[torch.Tensor], hooks: Mapping[int, Hooks], loss: Callable[[], Any]
    ) -> None:
        self._optimizer, self._tensors, self._loss = optimizer, tensors, loss
        self._moving = [(tensor, hooks[place]) for place, tensor in enumerate(tensors) if tensor.requires_grad]

    def hidden(self) -> dict[str, Any]:
        """What a step might remember outside of the state, by name, to be compared."""
        kept = {name: value for name, value in vars(self._optimizer).items() if name not in ("state", "param_groups")}
        for number, group in enumerate(self._optimizer.param_groups):
            kept |= {f"{key} of group {number}": value for key, value in group.items() if key != "params"}
        return {name: _picture(value, self._tensors) for name, value in kept.items()}

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

    def sides(self, vector: np.ndarray) -> list[tuple[str, np.ndarray]]:
        """Name and side of each kink that the step from this state meets, hooks of gradients included."""
        self._write(vector)
        gradients = self._gradients()
        slopes = {f"gradient {number}": slope for number, slope in enumerate(gradients) if slope is not None}
        watch = Watch(self._parts() | slopes)
        with watch:
            self._advance(gradients)
        return watch.sides(self._parts())

    def _parts(self) -> dict[str, torch.Tensor]:
        """Parameters that move, and their memories of their shape, which are no counts, by name."""
        parts = {}
        for number, (tensor, _) in enumerate(self._moving):
            parts[f"parameter {number}"] = tensor
            for key, value in self._optimizer.state.get(tensor, {}).items():
                if isinstance(value, torch.Tensor) and value.shape == tensor.shape and key != "step":
                    parts[f"memory {key} {number}"] = value
        return parts

    def _move(self) -> None:
        self._advance(self._gradients())

    def _gradients(self) -> Sequence[torch.Tensor | None]:
        try:
            return torch.autograd.grad(self._loss(), [tensor for tensor, _ in self._moving], allow_unused=True)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"loss_fn: fails on parameters in float64 ({reason}); give it data in float64") from error

    def _advance(self, gradients: Sequence[torch.Tensor | None]) -> None:
        for (tensor, hooks), gradient in zip(self._moving, gradients, strict=True):
            with torch.no_grad():
                tensor.grad = None if gradient is None else passed(hooks, gradient)
        try:
            self._optimizer.step()
        except EomsymError:
            raise
        except Exception as error:  # of a class that we do not know
            reason, name = f"{type(error).__name__}: {error}".splitlines()[0], type(self._optimizer).__name__
            raise InputError(
                f"optimizer {name}: its step fails on a copy ({reason}); give one whose step takes nothing but .grad"
            ) from error

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


def _picture(value: Any, own: Sequence[torch.Tensor], within: frozenset[int] = frozenset()) -> Any:
    """All numbers and words in an object, to be compared; functions and the parameters themselves as they are."""
    inner = partial(_picture, own=own, within=within | {id(value)})
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return repr(value)
    if id(value) in within or any(value is tensor for tensor in own):
        return id(value)
    if isinstance(value, (torch.Tensor, np.ndarray)):
        array = torch.as_tensor(value).detach().cpu()
        return array.shape, (array.double() if array.is_floating_point() else array).numpy().tobytes()
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return tuple(map(inner, value))
    if isinstance(value, dict):
        return tuple((inner(key), inner(entry)) for key, entry in value.items())
    if isinstance(value, MethodType):
        return inner(value.__self__)
    if isinstance(value, (FunctionType, ModuleType, type)) or not hasattr(value, "__dict__"):
        return id(value)
    return inner(vars(value))
