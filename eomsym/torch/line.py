"""A loss of PyTorch along a line: first gradients, PyTorch's nested derivatives, and what the series are made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from eomsym.arrays.line import along_line, operations
from eomsym.arrays.machine import Machine
from eomsym.errors import InputError
from eomsym.torch.library import checked_leaf
from eomsym.torch.rules import BACKEND
from eomsym.torch.tracing import evaluated, flatten, flatten_loss, gradient_function, plainly

FRAMEWORK = f"PyTorch {torch.__version__.partition('+')[0]}"


class Line:
    """``loss(leaves)`` at ``point + t · direction``; descent where no direction is given.  Vectors are NumPy's."""

    framework = FRAMEWORK

    def __init__(
        self, loss: Callable[[list[Any]], Any], point: Sequence[Any], direction: Sequence[Any] | None = None
    ) -> None:
        self._loss, self._point = loss, [value.detach() for value in point]
        self._gradient = gradient_function(loss, None, pytree.tree_structure(list(self._point)))
        start = evaluated(self._gradient, self._point)
        self._direction = [-part for part in start] if direction is None else [part.detach() for part in direction]
        self.precision = max(map(BACKEND.precision, self._point))

    def along(self, t: float) -> np.ndarray:
        """The gradient there, by PyTorch's first derivatives."""
        moved = [value + t * part for value, part in zip(self._point, self._direction, strict=True)]
        return flat(evaluated(self._gradient, moved))

    def anew(self) -> np.ndarray:
        """The gradient where the line begins, evaluated once more."""
        return self.along(0.0)

    def nested(self, order: int) -> list[np.ndarray]:
        """Its coefficients in t by derivatives of derivatives, each taken backward."""
        found = []
        with plainly(), torch.enable_grad():
            moving = [value.requires_grad_() for value in map(torch.clone, self._point)]
            along = self._loss(moving)
            for k in range(order + 1):
                parts = _derivatives(along, moving)
                found.append(flat(parts) / math.factorial(k))
                along = sum((part * by).sum() for part, by in zip(parts, self._direction, strict=True))
        return found

    def machine(self, order: int) -> Machine:
        """The same by series.  Raises ``InputError`` for what has none."""
        with torch.no_grad():
            return along_line(flatten(self._gradient, self._point), self._point, self._direction, order, BACKEND)

    def series(self, machine: Machine, order: int) -> list[np.ndarray]:
        """The coefficients that a machine has found."""
        with torch.no_grad():
            higher = [flat([part[0] for part in machine.outputs(k)]) for k in range(1, order + 1)]
            return [flat(machine.outputs(0)), *higher]

    def operations(self) -> Iterator[tuple[str, Line]]:
        """The operations of the loss as losses of their own, each along the line of its inputs."""
        with torch.no_grad():
            parts = list(operations(flatten_loss(self._loss, self._point), self._point, self._direction, BACKEND))
        for name, apply, point, direction in parts:
            known = name.removeprefix("native_").removesuffix("_interface")
            yield known, Line(partial(_alone, apply), point, direction)


def module_line(model: Any, params: Any, data: Any) -> Line:
    """Of a module, whose parameters are its own where none are given, or of a loss ``model(params[, data])``.

    Raises ``InputError`` for what is no loss, or has no parameters.
    """
    if isinstance(model, torch.nn.Module):
        params = {name: p for name, p in model.named_parameters() if p.requires_grad} if params is None else params
        given = data if isinstance(data, tuple) else () if data is None else (data,)

        def loss(p: Any) -> Any:
            made = torch.func.functional_call(model, p, given)
            return made if isinstance(made, torch.Tensor) and made.numel() == 1 else weighed(pytree.tree_leaves(made))
    else:

        def loss(p: Any) -> Any:
            return model(p) if data is None else model(p, data)

    leaves, structure = pytree.tree_flatten(params)
    if not leaves:
        raise InputError("params: no tensors are in there; give those that the loss is a function of")
    return Line(lambda values: loss(pytree.tree_unflatten(values, structure)), list(map(checked_leaf, leaves)))


def weighed(parts: Sequence[Any]) -> Any:
    """One number of many: a sum with weights that are all different, and of squares."""
    total = torch.zeros(())
    for part in parts:
        if isinstance(part, torch.Tensor) and part.is_floating_point():
            weights = torch.cos(torch.arange(part.numel(), dtype=torch.float64, device=part.device)).to(part.dtype)
            total = total + (part.reshape(-1) * (weights + part.reshape(-1) / 2)).sum()
    return total


def _alone(apply: Callable[..., list[Any]], values: Sequence[Any]) -> Any:
    return weighed(apply(*values))


def flat(parts: Sequence[Any]) -> np.ndarray:
    """All numbers as one vector."""
    return np.concatenate([part.detach().to("cpu", torch.float64).reshape(-1).numpy() for part in parts])


def _derivatives(of: Any, moving: Sequence[Any]) -> list[Any]:
    if not of.requires_grad:
        return [torch.zeros_like(value) for value in moving]
    return list(torch.autograd.grad(of, moving, create_graph=True, allow_unused=True, materialize_grads=True))
