"""The even-step equation: a flow through every second state of an optimiser, up to ηλ = 2 and through it.

Beyond ηλ = 1 the iterates alternate along an eigenvector, which no flow does; every second one does not.  The flow of
``ż = ½ log(F²)(z)``, F the step, passes through them, and what alternates is read off it: with z(t) on the flow,
Fz(t) is beside it.  So it has a centre and an oscillation as functions of time, which is counted in steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from scipy.integrate import RK45
from scipy.interpolate import CubicHermiteSpline

from eomsym.checks import check_choice, check_integer, check_positive
from eomsym.dynamics.integration import Rate
from eomsym.dynamics.kernel import Data, FieldKernel, check_theta
from eomsym.dynamics.kernel_rule import asked_rule
from eomsym.dynamics.runs import StateMap, kernel_state
from eomsym.errors import InputError, IntegrationError, ResummationWarning, warn_outside
from eomsym.optimizers import Optimizer
from eomsym.optimizers.registry import check_one_gradient
from eomsym.result import Result
from eomsym.step_index.lookahead import MAX_LOOKAHEAD_ORDER, check_growth, difference_growth, map_logarithm
from eomsym.step_index.subspace import BELIEVED, far_share, subspace_logarithm

#: A rate as SciPy calls it, with the time before the state.
_TimedRate = Callable[[float, np.ndarray], np.ndarray]
#: How the logarithm is taken: in the span of the leading differences, or as the plain sum of the look-ahead field.
LOGARITHMS = ("subspace", "plain")
#: The error allowed in a step of the integrator, relative to 0.1 + |z| in each component.
TOLERANCE = 1e-5
#: Up to which |μ| each logarithm holds for a rule without memory, and what is to be done beyond.
HOLDS = {
    "subspace": (1 + BELIEVED, "take a smaller eta"),
    "plain": (math.sqrt(2), "take logarithm='subspace' of order 2 or more, or a smaller eta"),
}
#: Such a part of a step may go along directions of which that is not so, or outside of the span of the differences.
MOST_FAR = 0.1
#: Steps of the integrator for a step of the optimiser, beyond which a path is given up; one is usual.
MOST_STEPS, SHORT = 10, 100


@dataclass(frozen=True, eq=False, repr=False)
class EvenSteps(Result):
    """A path of the even-step equation, to be read at times from 0 to ``steps``, in steps of the optimiser.

    ``gradients`` counts those that its integration took; reading costs two more a time.
    """

    steps: int
    gradients: int
    _path: CubicHermiteSpline
    _whole: StateMap

    def state(self, time: float) -> np.ndarray:
        """The flow itself, (m,): at even times what every second state of the optimiser is near."""
        if not 0 <= time <= self.steps:
            raise InputError(f"time {time!r}: the path has times from 0 to {self.steps}; give one of them")
        return np.asarray(self._path(time))

    def centre(self, time: float) -> np.ndarray:
        """``(θ + 2Fθ + F²θ)/4``, (d,): the middle of what alternates, as it is of the run."""
        here, after, last = self._three(time)
        return (here + 2 * after + last) / 4

    def amplitude(self, time: float) -> np.ndarray:
        """``(θ − 2Fθ + F²θ)/4``, (d,): what alternates, as the run's iterates are its centre plus and minus it."""
        here, after, last = self._three(time)
        return (here - 2 * after + last) / 4

    def _three(self, time: float) -> list[np.ndarray]:
        states = [self.state(time)]
        for _ in range(2):
            states.append(self._whole.step(states[-1]))
        return [state[: self._whole.size] for state in states]


def even_steps(
    kernel: FieldKernel,
    theta: np.ndarray,
    eta: float,
    steps: int,
    data: Data = (),
    *,
    order: int = 2,
    optimizer: str | Optimizer | None = None,
    state: Sequence[np.ndarray] | None = None,
    logarithm: str = "subspace",
    tolerance: float = TOLERANCE,
    **parameters: object,
) -> EvenSteps:
    """The even-step equation of an optimiser on a kernel from ``theta`` (d,), followed for so many steps.

    Without an ``optimizer`` it is the kernel's own.  One with a memory has it as ``state``, its parts after θ; it is
    followed together with θ.  Other arguments are those of ``follow_even_steps``.
    Raises ``InputError`` for a bad value, a memory without its state, and where the plain sum diverges;
    ``IntegrationError`` if the path leaves the floating-point numbers.
    """
    entry, given = asked_rule(kernel, optimizer, parameters)
    values = entry.complete(given)
    check_one_gradient(entry, values)
    whole = kernel_state(kernel, check_theta(kernel, theta), check_positive("eta", eta), data, entry, values)
    if entry.memory:
        whole = _with_memory(whole, entry, state)
    return follow_even_steps(whole, steps, order, logarithm=logarithm, tolerance=tolerance, name=entry.name)


def follow_even_steps(
    whole: StateMap,
    steps: int,
    order: int = 2,
    *,
    logarithm: str = "subspace",
    tolerance: float = TOLERANCE,
    name: str = "this rule",
) -> EvenSteps:
    """The even-step equation of any map on a whole state, from ``whole.start``.

    ``logarithm`` is ``subspace`` (``step_index.subspace_logarithm``), for order + 1 gradients a value, or ``plain``,
    the sum of the look-ahead field, for 2(order + 1).
    The integrator is the method of order 5 of Dormand and Prince.  Where a step that it tries leaves the numbers, the
    step is made smaller.  ``ResummationWarning`` tells, once, from when on a tenth of the motion is outside of the span
    of the differences, which has ``order`` directions; and, without memory, beyond what the logarithm holds for: ηλ of
    1 + √2 for the plain sum and order 0, of 2.8 for the subspace.
    """
    steps, tolerance = check_integer("steps", steps, 1), check_positive("tolerance", tolerance)
    check_integer("order", order, 0, MAX_LOOKAHEAD_ORDER)
    plain = (logarithm := check_choice("logarithm", logarithm, LOGARITHMS)) == "plain"
    before, visited = whole.tally.count, [whole.start]
    watch = _Watch(visited, *HOLDS[logarithm if order else "plain"], order, whole.start.size > whole.size)

    def step(state: np.ndarray) -> np.ndarray:
        visited.append(whole.step(state))
        return visited[-1]

    def rate(state: np.ndarray) -> np.ndarray:
        visited[:] = [state]
        if plain:
            return np.asarray(map_logarithm(step, state, order, stride=2))
        logarithm_there = subspace_logarithm(step, state, order, stride=2)
        watch.unspanned = logarithm_there.unspanned
        return logarithm_there.value

    with np.errstate(all="ignore"):
        if plain and order and watch.has_memory:
            states = [whole.start]
            for _ in range(order + 1):
                states.append(whole.step(whole.step(states[-1])))
            check_growth(float(difference_growth([(state,) for state in states])), name)
        path = _integrated(_surviving(rate), whole.start, steps, tolerance, watch.look)
    return EvenSteps(steps, whole.tally.count - before, path, whole)


def _with_memory(whole: StateMap, entry: Optimizer, state: Sequence[np.ndarray] | None) -> StateMap:
    if state is None:
        names = ", ".join(entry.memory)
        raise InputError(f"state: {entry.name} has a memory ({names}); with stride 2 give it, as state")
    parts = [np.asarray(part, dtype=np.float64).ravel() for part in state]
    start = np.concatenate([whole.start[: whole.size], *parts])
    if start.shape != whole.start.shape:
        raise InputError(
            f"state: {start.size - whole.size} numbers; the memory of {entry.name} has {whole.start.size - whole.size}"
        )
    return StateMap(whole.step, start, whole.size, tally=whole.tally)


def _surviving(rate: Rate) -> _TimedRate:
    """NaN where there are no numbers, which makes an integrator's step smaller; kernels refuse to be asked there."""

    def survived(time: float, state: np.ndarray) -> np.ndarray:
        try:
            return rate(state)
        except (InputError, np.linalg.LinAlgError):
            return np.full_like(state, np.nan)

    return survived


@dataclass
class _Watch:
    """Tells, once, from when on a path goes where its logarithm does not hold.

    ``visited`` are the states of which the last value of the field was made: after a step of the integrator, where it
    is, and each step of the optimiser from there; ``unspanned`` is that value's own share, 0 for a plain sum.
    """

    visited: list[np.ndarray]
    limit: float
    remedy: str
    order: int
    has_memory: bool
    unspanned: float = 0.0
    told: bool = False

    def look(self, time: float) -> None:
        """To be called at the start and after each step of the integrator."""
        if self.told:
            return
        if self.unspanned > MOST_FAR:
            self.told = True
            warn_outside(
                f"even-step equation, step {time:.3g}: {self.unspanned:.0%} of the motion there is outside of the "
                f"span of {self.order} difference{'s' * (self.order > 1)}, which is what order {self.order} looks at, "
                "and the path may be far off; take a higher order, or a smaller eta",
                ResummationWarning,
            )
        if self.has_memory or self.told:
            return
        with suppress(np.linalg.LinAlgError):
            share, multiplier = far_share(self.visited, self.limit)
            if share > MOST_FAR:
                self.told = True
                warn_outside(
                    f"even-step equation, step {time:.3g}: {share:.0%} of the motion there is multiplied by up to "
                    f"{multiplier:.3g} in a step (of gradient descent: eta lambda {1 - multiplier:.3g}), and beyond "
                    f"{self.limit:.3g} either way the path is far off; {self.remedy}",
                    ResummationWarning,
                )


def _integrated(
    rate: _TimedRate, start: np.ndarray, steps: int, tolerance: float, look: Callable[[float], None]
) -> CubicHermiteSpline:
    """The path through the integrator's steps, with the rates there: as smooth as the integrator is exact."""
    first = rate(0.0, start)
    if not np.isfinite(first).all():
        raise IntegrationError("even-step equation: its speed is not finite where it begins; take a smaller eta")
    look(0.0)
    solver = RK45(rate, 0.0, start, float(steps), rtol=tolerance, atol=0.1 * tolerance, max_step=steps)
    times, states, rates = [0.0], [start], [first]
    while solver.status == "running":
        message = solver.step()
        if solver.status == "failed" or len(times) > SHORT + MOST_STEPS * solver.t:
            raise IntegrationError(
                f"even-step equation: stopped at step {solver.t:.6g} of {steps}: {message or 'steps are too small'}"
            )
        look(solver.t)
        times.append(solver.t)
        states.append(solver.y)
        rates.append(solver.f)
    return CubicHermiteSpline(times, states, rates)
