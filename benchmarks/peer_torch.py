"""Nested ``torch.func.jvp`` with shared subterms, not compiled: "compile" is the first call."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks import lie_recursion
from benchmarks.cases import Case
from benchmarks.timing import once


def prepare(case: Case, terms: int):
    """Seconds of the first call, a call, its rows (terms, d)."""
    torch.set_num_threads(1)
    inputs, targets = torch.from_numpy(case.inputs), torch.from_numpy(case.targets)
    widths = list(zip(case.model.layers, case.model.layers[1:], strict=False))

    def loss(parameters: tuple[torch.Tensor, ...]) -> torch.Tensor:
        value = inputs
        for depth in range(len(widths)):
            value = value @ parameters[2 * depth] + parameters[2 * depth + 1]
            if depth < len(widths) - 1:
                value = torch.tanh(value)
        if case.model.loss == "mse":
            return 0.5 * ((value - targets) ** 2).sum(dim=1).mean()
        return torch.nn.functional.cross_entropy(value, targets)

    sizes = [size for rows, columns in widths for size in (rows * columns, columns)]
    shapes = [shape for rows, columns in widths for shape in ((rows, columns), (columns,))]
    pieces = torch.from_numpy(case.theta.copy()).split(sizes)
    parameters = tuple(piece.reshape(shape) for piece, shape in zip(pieces, shapes, strict=True))
    fields = lie_recursion.fields(torch.func.grad(loss), _derivative, _combine, terms)

    def call() -> list[Any]:
        return [field(parameters) for field in fields]

    def rows() -> np.ndarray:
        return np.array([-np.concatenate([leaf.numpy().ravel() for leaf in row]) for row in call()])

    return once(call), call, rows


def _derivative(function: Any, place: Any, direction: Any) -> Any:
    return torch.func.jvp(function, (place,), (direction,))[1]


def _combine(parts: list[tuple[float, Any]]) -> Any:
    return tuple(
        sum(weight * leaf for (weight, _), leaf in zip(parts, leaves, strict=True))
        for leaves in zip(*(value for _, value in parts), strict=True)
    )
