"""The modified equation of gradient descent by the levels of ``series.levels`` on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eomsym.array_series.machine import Backend, Machine
from eomsym.array_series.program import FlatProgram
from eomsym.series.levels import nodes, slope_weights, sum_weights


def descend(program: FlatProgram, arguments: Sequence[Any], order: int, backend: Backend) -> list[list[Any]]:
    """``[g, ξ_0, …, ξ_{order−1}]`` where the program computes g from θ, each a list of arrays; see ``levels.py``."""
    machine = Machine(program, arguments, max(order, 1), backend)
    rows = [machine.outputs(0)]
    steps = nodes(machine.rows)
    for level in range(1, order + 1):
        weights = [[-float(weight) for weight in sum_weights(level - 1, step)] for step in steps]
        before = [_of_nodes(value, level - 1) for value in machine.outputs(level - 1)]
        machine.advance(level, [backend.combine(weights, value) for value in before])
        slopes = [[float(weight) for weight in slope_weights(level)]]
        rows.append([backend.combine(slopes, _of_nodes(value, level))[0] for value in machine.outputs(level)])
    return rows


def _of_nodes(value: Any, level: int) -> Any:
    """The iterates that determine this level; at level 0 there is no such axis yet."""
    return value[None] if level == 0 else value[:level]
