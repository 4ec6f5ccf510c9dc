"""From piece to piece of a loop's schedules: when a new one begins for a step size, and where the flow goes on."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from eomsym.dynamics.kernel import Data
from eomsym.dynamics.loop_kernel import LoopKernel
from eomsym.dynamics.shadow_start import hand_over
from eomsym.errors import InputError
from eomsym.schedules.schedule import reached


def pieces_between(
    kernel: LoopKernel, begin: float, time: float, eta: float | None
) -> list[tuple[LoopKernel, float, float]]:
    """Each piece of the schedules with its kernel, its begin and its end; for a step size at whole rounds.

    A new piece holds from the first step at which its time has come; one that ends before that is left out.  Raises
    ``InputError`` if that is within a round.
    """
    loop, stop = kernel.loop, begin + time
    inside = [each for each in loop.breaks if begin < each < stop * (1 - 1e-12)]
    pieces = [loop.pieces_at(each) for each in (begin, *inside)]
    times = [begin, *(each if eta is None else _at_a_step(each, eta, loop.steps) for each in inside), stop]
    parts = zip(pieces, pairwise(times), strict=True)
    return [(kernel.at(piece), first, min(last, stop)) for piece, (first, last) in parts if min(last, stop) > first]


def entered_from(kernel: LoopKernel, begin: float, eta: float) -> LoopKernel | None:
    """The kernel of the pieces before ``begin``, where new ones begin just then; None if none does."""
    before, after = (kernel.loop.pieces_at(max(tau, 0.0)) for tau in (begin - eta / 2, begin))
    return None if before == after else kernel.at(before)


def handed_over(
    before: LoopKernel, after: LoopKernel, state: np.ndarray, eta: float, order: int, data: Data
) -> np.ndarray:
    """(θ, τ) on the slow manifold of a new piece, to η^order: the memory is still that of the old one."""
    if not after.loop.optimizer.memory:
        return state
    memory = before.memory(state, eta, order, data)
    start = hand_over(after.inner, after.loop, state, order, data, memory, after.pieces)
    return np.append(start.at(eta), state[-1])


def _at_a_step(time: float, eta: float, steps: int) -> float:
    number = math.ceil(time / eta)
    if reached((number - 1) * eta) >= time:  # it is but for rounding
        number -= 1
    if number % steps:
        raise InputError(
            f"schedule: a piece begins at tau = {time:g}, within a round of {steps} steps of eta = {eta:g}; let it "
            f"begin at a multiple of {steps * eta:g}"
        )
    return number * eta
