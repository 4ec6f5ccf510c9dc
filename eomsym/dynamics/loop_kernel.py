"""The equation of motion of a run as it is made, as a kernel: schedules and batches, with (θ, τ) for θ.

Time is a slow state like any other, ``τ⁺ = τ + η``; so the field does not depend on time, and what integrates, predicts
and verifies a field of θ does so for this one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count, pairwise
from typing import Any

import numpy as np

from eomsym.dynamics.differentials import SeriesKernel
from eomsym.dynamics.eta_series import gradient_of_series, series_of_schedules
from eomsym.dynamics.kernel import Data, TermsKernel, blocks_of, check_order, check_theta
from eomsym.dynamics.kernel_series import kernel_counterterms, slow_memory
from eomsym.dynamics.runs import OptimizerEnd, field_gradient, run_twice
from eomsym.dynamics.shadow_start import hand_over
from eomsym.errors import InputError
from eomsym.optimizers.loop import Loop
from eomsym.schedules.schedule import reached
from eomsym.series.array_series import ArraySeries
from eomsym.step_index.lookahead import map_logarithm

#: Steps of a round from which on whole rounds are the cheaper nodes.
MANY_STEPS = 8
#: They lose digits with the order, ten of sixteen are left here.
MOST_FORWARD = 3


def loop_kernel(kernel: SeriesKernel, loop: Loop) -> LoopKernel:
    """The kernel of a loop: that of the mean over all orders where its batches are reshuffled."""
    if loop.batches is None or not loop.batches.reshuffled:
        return LoopKernel(kernel, loop)
    from eomsym.dynamics.reshuffled import ReshuffledKernel

    return ReshuffledKernel(kernel, loop)


class LoopKernel(TermsKernel):
    """``d(θ, τ)/dt = Σ_k η^k F_k`` of a loop on the loss of any kernel that gives its gradient along a curve.

    The last component is τ; where ``pieces`` are given, the schedules are continued from those pieces smoothly.
    """

    def __init__(self, kernel: SeriesKernel, loop: Loop, pieces: Mapping[str, int] | None = None) -> None:
        self.inner, self.pieces = kernel, pieces
        self.loop = replace(loop, optimizer=loop.optimizer.on(blocks_of(kernel)))
        self.order, self.size = kernel.order, kernel.size + 1

    def at(self, pieces: Mapping[str, int]) -> LoopKernel:
        """The same with other pieces."""
        return type(self)(self.inner, self.loop, pieces)

    def counterterms(self, state: np.ndarray, *data: np.ndarray, order: int | None = None) -> np.ndarray:
        """``−F_0, …, −F_order`` (order + 1, d + 1), in units of time: a round takes ``loop.steps`` step sizes."""
        rows = self._rows(state, self.order if order is None else order, data)
        time = np.zeros((len(rows), 1))
        time[0] = -1
        return np.hstack([rows, time])

    def _rows(self, state: np.ndarray, order: int, data: Data) -> np.ndarray:
        """The same of θ alone, (order + 1, d)."""
        if self.loop.steps >= MANY_STEPS and order <= MOST_FORWARD and not self.loop.optimizer.memory:
            return self._forward(state, order, data) / self.loop.steps
        rule = self.loop.rule_at(float(state[-1]), order + 1, self.pieces)
        return kernel_counterterms(self.inner, rule, state[:-1], order, data, self.loop.fields) / self.loop.steps

    def _forward(self, state: np.ndarray, order: int, data: Data) -> np.ndarray:
        """``−f̃_0, …, −f̃_order`` a round, from rounds 0 … order one after the other, all coefficients in one call.

        Without memory what is known at s = 0 is all that is to be known, and whole rounds serve as nodes; one call of
        the kernel for each step of a round where small nodes take one for each coefficient.
        """
        check_order(self.inner, order, "the gradient along a curve")
        loop, tau = self.loop, float(state[-1])
        gradient = gradient_of_series(self.inner, data, loop.fields)
        at, numbers = series_of_schedules(loop.schedules, tau, order + 2, self.pieces), count()

        def step(states: tuple[ArraySeries]) -> tuple[ArraySeries]:
            (after,) = loop.round(gradient, states, ArraySeries.eta(order + 2), at, next(numbers) * loop.steps)
            return (after,)

        start = (ArraySeries.constant(check_theta(self.inner, state[:-1]), order + 2),)
        (moved,) = map_logarithm(step, start, order, lambda function, *parts: (function(*(part[0] for part in parts)),))
        return -moved.rows[1:]

    def hessian_vector(self, state: np.ndarray, vector: np.ndarray, *data: np.ndarray) -> np.ndarray:
        """−F_0 is no gradient.  Raises ``InputError``."""
        raise InputError("hessian_vector: the field of (theta, tau) is no gradient; ask the loss's own kernel")

    def memory(self, state: np.ndarray, eta: float, order: int, data: Data) -> list[np.ndarray]:
        """What the optimiser remembers on the slow manifold above (θ, τ), to η^order: all its states."""
        rule = self.loop.rule_at(float(state[-1]), order + 1, self.pieces, complete=True)
        return slow_memory(self.inner, rule, state[:-1], eta, order, data, self.loop.fields)

    def check_run(self) -> None:
        """Raises ``InputError`` where rounds cannot be run, before anything is computed with them."""

    def step(self, gradient: Callable[..., Any], state: tuple[Any, ...], eta: float, first: float) -> tuple[Any, ...]:
        """A round of the optimiser itself, see ``Loop.step``."""
        return self.loop.step(gradient, state, eta, first)

    def run(
        self,
        state: np.ndarray,
        eta: float,
        rounds: int,
        data: Data,
        memory: list[np.ndarray] | None = None,
    ) -> OptimizerEnd:
        """Where the optimiser itself arrives from (θ, τ), with ``memory`` or its own; as ``run_optimizer``."""
        gradient, loop = field_gradient(self.inner, data, self.loop.fields), self.loop
        start = np.array(state, dtype=np.float64)
        first = round(float(start[-1]) / eta)
        if not math.isclose(first * eta, float(start[-1]), abs_tol=1e-9 * eta):
            raise InputError(f"tau {start[-1]:g}: no whole number of steps of eta = {eta:g}; begin at one")
        own = loop.initial_state(start[:-1], gradient, float(start[-1]))
        begun = own if memory is None else (own[0], *memory)

        def step(states: tuple[Any, ...]) -> tuple[Any, ...]:
            place, *rest = states
            number = round(float(place[-1]) / eta)
            after = self.step(gradient, (place[:-1], *rest), eta, number)
            return (np.append(after[0], (number + loop.steps) * eta), *after[1:])

        (end, *_), error = run_twice(step, (start, *begun[1:]), rounds, eta)
        return OptimizerEnd(end, error, start)


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
