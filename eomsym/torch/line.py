"""A loss of PyTorch along a line: first gradients, PyTorch's nested derivatives, and what the series are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from eomsym.arrays import line
from eomsym.arrays.line import weighed
from eomsym.arrays.program import FlatProgram
from eomsym.torch.library import LIBRARY
from eomsym.torch.rules import BACKEND
from eomsym.torch.tracing import flatten_loss, plainly


class Line(line.Line):
    """Derivatives of derivatives are each taken backward."""

    framework, library = f"PyTorch {torch.__version__.partition('+')[0]}", LIBRARY

    def nested(self, order: int) -> list[np.ndarray]:
        found = []
        with plainly(), torch.enable_grad():
            moving = [value.requires_grad_() for value in map(torch.clone, self.point)]
            along = self.loss(moving)
            for k in range(order + 1):
                parts = _derivatives(along, moving)
                found.append(self.library.vector(parts) / math.factorial(k))
                along = sum((part * by).sum() for part, by in zip(parts, self.direction, strict=True))
        return found

    def program(self) -> FlatProgram:
        return flatten_loss(self.loss, self.point)


def module_line(model: Any, params: Any, data: Any) -> Line:
    """Of a module, whose parameters are its own where none are given, or of a loss ``model(params[, data])``.

    Raises ``InputError`` for what is no loss, or has no parameters.
    """
    if not isinstance(model, torch.nn.Module):
        return Line.of_loss(lambda p: model(p) if data is None else model(p, data), params)
    params = {name: p for name, p in model.named_parameters() if p.requires_grad} if params is None else params
    given = data if isinstance(data, tuple) else () if data is None else (data,)

    def loss(p: Any) -> Any:
        made = torch.func.functional_call(model, p, given)
        single = isinstance(made, torch.Tensor) and made.numel() == 1
        return made if single else weighed(pytree.tree_leaves(made), BACKEND)

    return Line.of_loss(loss, params)


def _derivatives(of: Any, moving: Sequence[Any]) -> list[Any]:
    if not of.requires_grad:
        return [torch.zeros_like(value) for value in moving]
    return list(torch.autograd.grad(of, moving, create_graph=True, allow_unused=True, materialize_grads=True))
