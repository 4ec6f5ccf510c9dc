"""What the PyTorch peers share: the network, and rows in the order of θ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.cases import Case
from benchmarks.timing import once

Parameters = tuple[torch.Tensor, ...]


def network(case: Case) -> tuple[Callable[[Parameters], torch.Tensor], Parameters]:
    """The loss as a function of parameters W, b, W, b, …, and those."""
    torch.set_num_threads(1)
    inputs, targets = torch.from_numpy(case.inputs), torch.from_numpy(case.targets)
    widths = list(zip(case.model.layers, case.model.layers[1:], strict=False))

    def loss(parameters: Parameters) -> torch.Tensor:
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
    return loss, tuple(piece.reshape(shape) for piece, shape in zip(pieces, shapes, strict=True))


def called(function: Callable[[], list[Any]]) -> tuple[float, Callable[[], list[Any]], Callable[[], np.ndarray]]:
    """Seconds of the first call, which stands for compiling; a call, its rows (terms, d)."""

    def rows() -> np.ndarray:
        return np.array([np.concatenate([leaf.numpy().ravel() for leaf in row]) for row in function()])

    return once(function), function, rows
