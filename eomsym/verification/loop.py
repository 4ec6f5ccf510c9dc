"""Does the equation of motion follow a run with schedules and batches, to each order, at the ends of its rounds?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from eomsym.dynamics import Path, integrate_equation_of_motion
from eomsym.dynamics.error_prediction import ErrorPrediction, predict_discretization_error
from eomsym.dynamics.loop_kernel import LoopKernel, handed_over, loop_kernel, pieces_between
from eomsym.dynamics.runs import OptimizerEnd
from eomsym.dynamics.shadow_start import hand_over
from eomsym.dynamics.spectrum import spectral_radius
from eomsym.dynamics.vectors import Vector
from eomsym.errors import InputError
from eomsym.verification.asked import Asked
from eomsym.verification.measurement import (
    MANIFOLD,
    PREDICTION_ACCURACY,
    SHADOW,
    Problem,
)
from eomsym.verification.posing import (
    LARGEST_STEP,
    LARGEST_STEP_WITH_MEMORY,
    STEPS,
    check_etas,
    default_etas,
    growth_of_terms,
)
from eomsym.verification.verification_record import Verification

#: Where in time the terms are looked at to choose a step size, as parts of the time that is verified.
PLACES = (0.0, 0.25, 0.5, 0.75)
#: Without step sizes given, a piece of a schedule has at least so many rounds.
STEPS_IN_A_PIECE = 4
#: Rounds in which the step size and the time, which depends on it, are fitted to one another.
_FITTINGS = 3


@dataclass(frozen=True, eq=False)
class LoopProblem(Problem):
    """A loop on a kernel of a network: ``kernel`` is a ``LoopKernel``, ``theta`` is (θ, τ)."""

    kernel: LoopKernel

    @property
    def steps(self) -> int:
        return self.kernel.loop.steps

    @property
    def follows_gradient_flow(self) -> bool:
        return False

    @property
    def highest(self) -> int:
        """The power of η to which memories and starts are made: beyond the errors that are measured."""
        return max(self.exponents.values())

    def path(self, eta: float, steps: int) -> OptimizerEnd:
        """The run, and where the equation of motion has to start for it."""
        theta, memory = self.theta, None
        if self.start == MANIFOLD and self.kernel.loop.optimizer.memory:
            memory = self.kernel.memory(theta, eta, self.highest, self.data)
        end = self.kernel.run(theta, eta, steps, self.data, memory)
        if self.start != SHADOW:
            return end
        begun = hand_over(self.kernel.inner, self.kernel.loop, theta, self.highest, self.data).at(eta)
        return OptimizerEnd(end.theta, end.error_estimate, np.append(begun, theta[-1]))

    def flow(self, start: Vector, eta: float, time: Any, order: int, accuracy: float) -> Path:
        """The equation of motion, from piece to piece of the schedules: a new one begins at the first step in it."""
        state, error, evaluations = start, 0.0, 0
        previous = None
        for kernel, begin, end in pieces_between(self.kernel, float(start[-1]), time, eta):
            if previous is not None:
                state = handed_over(previous, kernel, state, eta, self.highest, self.data)
            previous = kernel
            part = integrate_equation_of_motion(
                kernel, state, eta, end - begin, self.data, order=order, accuracy=accuracy
            )
            error, evaluations = error + part.error_estimate, evaluations + part.evaluations
            state = np.append(part.theta[:-1], end)
        return Path.to(time, state, error, evaluations)

    def predict(self, theta: Vector, time: float, orders: Sequence[int]) -> ErrorPrediction:
        """The predicted errors; what the memory does at a new piece is of a higher power of η."""
        found: ErrorPrediction | None = None
        for kernel, begin, end in pieces_between(self.kernel, float(theta[-1]), time, None):
            state = theta if found is None else np.append(found.theta[:-1], begin)
            found = predict_discretization_error(
                kernel,
                state,
                end - begin,
                orders,
                self.data,
                accuracy=PREDICTION_ACCURACY,
                exponents=self.exponents,
                gradient_flow=False,
                begun=None if found is None else found.coefficients,
                places=[np.append(state[:-1], (begin + end) / 2)],
            )
        assert found is not None
        return found


def verify_loop(asked: Asked, start: str = MANIFOLD) -> Verification:
    """``verify`` of a training with schedules or batches.

    Any kernel with ``gradient_series`` will do, whatever optimiser it was generated for.  Paths are compared at the
    ends of rounds, after 8 rounds of the largest step size.  Raises as ``verify`` does.
    """
    training = asked.training
    arrays, inner, made = training.data, asked.kernel(), training.loop
    assert made is not None
    made.check(0.0)
    whole, exponents = loop_kernel(inner, made), {order: order + 1 for order in asked.orders}
    whole.check_run()
    state = np.append(training.theta, 0.0)
    problem = LoopProblem(made.optimizer, whole, state, arrays, made.values, exponents, start)
    with threadpool_limits(limits=1, user_api="blas"):
        radius = spectral_radius(inner, training.theta, arrays)
        steps = _default_steps(problem, radius) if asked.etas is None else check_etas(asked.etas)
        time = STEPS * steps[0] * made.steps
        made.check(time)
        for eta in steps:  # pieces that no path of this size can follow are refused before there is one
            pieces_between(whole, 0.0, time, eta)
        return asked.study(problem, steps, time, radius, start=start if made.optimizer.memory else "")


def _default_steps(problem: LoopProblem, radius: float) -> list[float]:
    """The largest step is a part of what the terms of the equation ask for, at some times of those to be verified."""
    loop = problem.kernel.loop
    plain = loop.steps == 1 and not loop.optimizer.memory
    fraction = LARGEST_STEP if plain else LARGEST_STEP_WITH_MEMORY
    shortest = min((after - before for before, after in pairwise((0.0, *loop.breaks))), default=math.inf)
    eta = fraction / max(radius, np.finfo(float).tiny)
    for _ in range(_FITTINGS):
        time = STEPS * eta * loop.steps
        growth = max(_growth(problem, place * time) for place in PLACES)
        if growth == 0:
            raise InputError("etas: nothing moves, the schedule or the gradient is 0 all along; give another")
        eta = min(fraction / growth, shortest / (STEPS_IN_A_PIECE * loop.steps))
    return default_etas(fraction / eta, fraction)


def _growth(problem: LoopProblem, tau: float) -> float:
    rows = problem.kernel.counterterms(np.append(problem.theta[:-1], tau), *problem.data)
    return growth_of_terms(rows[:, :-1]) if np.linalg.norm(rows[0, :-1]) > 0 else 0.0
