"""Runs that go to the edge of stability and through it, and flows beside them, their gradients counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from eomsym import optimizers
from eomsym.codegen import KernelSpec, kernel_for
from eomsym.dynamics.runs import StateMap, kernel_state, run_states
from eomsym.models import MLP, dataset

#: A path is given up that takes more gradients for a step of the run.
MOST_GRADIENTS = 20
#: Relative error allowed in a step of the integrator; absolute a tenth of it.
TOLERANCE = 1e-5
Rate = Callable[[np.ndarray], np.ndarray]


class GivenUp(Exception):
    """A path takes too long, or leaves the numbers."""


@dataclass
class Counter:
    """A gradient that counts its calls and stops at the most."""

    gradient: Rate
    most: float = np.inf
    count: int = 0

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        self.count += 1
        if self.count > self.most:
            raise GivenUp("too many gradients")
        return self.gradient(theta)


@dataclass(frozen=True, eq=False)
class Problem:
    """A network, where it begins, and the optimiser that trains it; ``begin`` steps are run before."""

    name: str
    model: MLP
    data: Sequence[np.ndarray]
    theta: np.ndarray
    eta: float
    steps: int
    optimizer: str = "gradient-descent"
    settings: Mapping[str, object] = field(default_factory=dict)
    begin: int = 0

    @cached_property
    def kernel(self) -> Any:
        return kernel_for(KernelSpec(self.model, 2))

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        return np.asarray(self.kernel.gradient(theta, *self.data))

    def whole(self, counter: Rate | None = None) -> StateMap:
        """Its map on the whole state, from where it begins to be followed."""
        entry, given = optimizers.chosen(self.optimizer, dict(self.settings))
        values = entry.complete(given)
        numbers = {name: float(value) for name, value in values.items()}
        begun = kernel_state(self.kernel, self.theta, self.eta, self.data, entry, values)
        state = run_states(begun, max(self.begin, 1))[self.begin] if self.begin else begun.start
        ends = np.cumsum([part.size for part in entry.initial_state(self.theta, self.gradient, **numbers)])[:-1]
        gradient = counter or self.gradient

        def step(vector: np.ndarray) -> np.ndarray:
            parts = tuple(np.split(vector, ends))
            return np.concatenate(entry.step(lambda point, _=0: gradient(point), parts, self.eta, **numbers))

        return StateMap(step, state, self.theta.size)

    @cached_property
    def run(self) -> np.ndarray:
        """The iterates themselves, (steps + 3, d)."""
        return run_states(self.whole(), self.steps + 2)[:, : self.theta.size]

    @property
    def times(self) -> list[int]:
        """Ten times, to the end."""
        return [round(self.steps * k / 10) for k in range(1, 11)]

    def midpoint(self, step: int) -> np.ndarray:
        return (self.run[step] + 2 * self.run[step + 1] + self.run[step + 2]) / 4


@dataclass(frozen=True)
class Followed:
    """Distances to the midpoints at ten times, as far as it went; gradients a step; seconds; why it ended."""

    distances: list[float]
    gradients: float
    seconds: float
    ended: str = ""


def flow_states(
    problem: Problem,
    rate_of: Callable[[Rate], Rate],
    times: Iterable[float],
    tolerance: float = TOLERANCE,
    counter: Counter | None = None,
    told: list[str] | None = None,
) -> np.ndarray:
    """The states (k, m) of a flow, ``rate_of(step)`` in time of one step, at those of the times that it reaches."""
    whole = problem.whole(counter or Counter(problem.gradient, MOST_GRADIENTS * problem.steps))
    rate, states, now = rate_of(whole.step), [], 0.0

    def survived(_: float, state: np.ndarray) -> np.ndarray:
        try:
            return rate(state)
        except (ValueError, np.linalg.LinAlgError):
            return np.full_like(state, np.nan)

    state, ended = whole.start, ""
    for stop in times:
        if stop > now:
            try:
                path = solve_ivp(survived, (now, stop), state, rtol=tolerance, atol=tolerance / 10, t_eval=[stop])
            except (GivenUp, ValueError) as error:
                ended = str(error)
                break
            if not path.success or not np.isfinite(path.y).all():
                ended = "leaves the numbers"
                break
            state, now = path.y[:, -1], stop
        states.append(state)
    if told is not None:
        told.append(ended)
    return np.array(states)


def follow_rate(
    problem: Problem,
    rate_of: Callable[[Rate], Rate],
    alternates: bool,
    tolerance: float = TOLERANCE,
    midpoints: bool = True,
    most: float = MOST_GRADIENTS,
) -> Followed:
    """A flow beside the midpoints of the run; if it alternates, its own centre is read.

    Without ``midpoints`` it is compared with the iterates themselves.
    """
    counter, told, begin = Counter(problem.gradient, most * problem.steps), list[str](), time.perf_counter()
    with np.errstate(all="ignore"):
        states = flow_states(problem, rate_of, problem.times, tolerance, counter, told)
        seconds = time.perf_counter() - begin
        reached = max(problem.times[: len(states)], default=1) if told[0] else problem.steps
        whole, distances = problem.whole(), []
        for stop, state in zip(problem.times, states, strict=False):
            centre = state
            if alternates and midpoints:
                after = whole.step(state)
                centre = (state + 2 * after + whole.step(after)) / 4
            aim = problem.midpoint(stop) if midpoints else problem.run[stop]
            distances.append(float(np.linalg.norm(centre[: whole.size] - aim)))
    return Followed(distances, counter.count / reached, seconds, told[0])


def follow_points(problem: Problem, points: Callable[[Counter], Iterator[np.ndarray]]) -> Followed:
    """Anything that yields its centre at steps 0, 1, 2, …"""
    counter, begin, distances = Counter(problem.gradient), time.perf_counter(), []
    for step, centre in enumerate(islice(points(counter), problem.steps + 1)):
        if step and step in problem.times:
            distances.append(float(np.linalg.norm(centre - problem.midpoint(step))))
    return Followed(distances, counter.count / problem.steps, time.perf_counter() - begin)


def minute(seed: int = 0) -> Problem:
    """The one-minute example of central flow's authors; ½ the mean of squares here, so that η is twice theirs."""
    random = np.random.default_rng(seed)
    data = (random.standard_normal((128, 8)), random.standard_normal((128, 1)))
    model = MLP([8, 16, 16, 1], "silu", "mse")
    return Problem(f"one minute, seed {seed}", model, data, model.initial(seed), 0.2, 1000)


def heavy_ball() -> Problem:
    """The same network by heavy ball, β = 9/10, whose edge is ηλ = 3.8."""
    base = minute()
    return Problem("heavy ball", base.model, base.data, base.theta, 0.08, 600, "heavy-ball")


def adam() -> Problem:
    """The same by Adam at PyTorch's defaults but for the rate, from step 5 on."""
    base = minute()
    return Problem("Adam", base.model, base.data, base.theta, 0.01, 400, "torch.Adam()", begin=5)


def digits() -> Problem:
    """Digits with tanh and cross-entropy, from small weights, so that the curvature rises."""
    data, model = dataset("digits"), MLP([64, 32, 10], "tanh", "cross-entropy")
    return Problem("digits", model, data.arrays, DIGITS_SCALE * model.initial(0), DIGITS_ETA, 100)


DIGITS_SCALE, DIGITS_ETA = 0.3, 1.0
