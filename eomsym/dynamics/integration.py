"""Integration of an ordinary differential equation to its end point, with an error that is measured.

The method is DOP853, the explicit Runge–Kutta method of order 8 of Dormand & Prince in SciPy (Hairer, Nørsett & Wanner,
Solving Ordinary Differential Equations I, ch. II.5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.integrate import DOP853, DenseOutput, OdeSolution, solve_ivp

from eomsym.dynamics.vectors import Vector, is_finite, stack
from eomsym.errors import InputError, IntegrationError, OverflowInKernelError
from eomsym.result import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rate = Callable[[np.ndarray], np.ndarray]
#: What looks at a solver after each of its steps.
_Reading = Callable[[DOP853], None]
#: How many steps there may be to a time.
_Most = Callable[[float], float]

#: The smallest relative tolerance that SciPy takes is 100 machine epsilons.
RELATIVE_FLOOR = 2.3e-14
#: Halving all steps divides the error by 2^8 in the limit; the estimate counts on 17 only.
CONVERGENCE = 17
#: Fifty steps are usual.
LARGEST_NUMBER_OF_STEPS = 20_000


@dataclass(frozen=True, eq=False)
class Endpoint:
    """State at the end, (n,); the estimated size of its error, (n,); evaluations of the right-hand side, all told."""

    state: np.ndarray
    error_estimate: np.ndarray
    evaluations: int


def integrate(rate: Rate, start: np.ndarray, time: float, absolute: np.ndarray | float) -> Endpoint:
    """``y(time)`` for ``y' = rate(y)``, ``y(0) = start`` (n,); ``absolute`` is the error allowed per step, (n,) or one.

    A first run chooses its steps; a second takes each of them as two halves, and is the result.  Where the error of the
    second is at most 1/17 of that of the first, their difference is at least 16 times the error of the second: a
    sixteenth of it is the estimate, plus one rounding a step, added up as independent ones do.  Two runs that choose
    their steps by two tolerances would not do: their errors can cancel in the looser one, and the difference is then
    less than the error (seen in the tests).
    Raises ``IntegrationError`` naming the time if the state leaves the floating-point numbers.
    """
    if time == 0:
        return Endpoint(start.copy(), np.zeros_like(start), 0)
    counted = _Counted(rate, time)
    with np.errstate(over="ignore", invalid="ignore"):
        coarse, fine, rounding = _twice(counted, start, time, absolute)
    error = np.abs(fine - coarse) / (CONVERGENCE - 1) + rounding * np.abs(fine)
    return Endpoint(fine, error, counted.evaluations)


def integrate_vector(rate: Rate, start: np.ndarray, time: float, tolerance: float, precision: float) -> np.ndarray:
    """``y(time)`` for a field of another library, in its precision, with this relative and absolute tolerance.

    ``precision`` is the machine epsilon of the rate's own arithmetic: a smaller tolerance would chase its round-off for
    ever and is raised to 100 times this.  Raises ``IntegrationError`` if the path leaves the floating-point numbers.
    """
    allowed = max(tolerance, 100 * precision)
    if not np.isfinite(rate(start)).all():
        raise IntegrationError("path: its speed is not finite where it begins")
    # A step that is tried may leave the field's domain: what is not finite there makes SciPy's step smaller.
    with np.errstate(over="ignore", invalid="ignore"):
        path = solve_ivp(lambda _, state: rate(state), (0.0, time), start, "DOP853", [time], rtol=allowed, atol=allowed)
    if not path.success:
        raise IntegrationError(f"path: stopped before time {time:g}: {path.message}")
    return path.y[:, -1]


@dataclass(frozen=True, eq=False, repr=False)
class Path(Result):
    """``states`` at ``times``, (times, kept); the size of their errors, ‖·‖₂, (times,); evaluations, all told.

    ``sol`` is a function of time, or of several, None unless it was asked for.
    """

    times: np.ndarray
    states: Vector
    error_estimates: np.ndarray
    evaluations: int
    sol: OdeSolution | None = None

    @classmethod
    def to(cls, time: Any, state: Vector, error: float, evaluations: int) -> Path:
        """Its end alone."""
        return cls(np.array([float(time)]), stack([state]), np.array([error]), evaluations)

    @property
    def theta(self) -> Vector:
        """The last state, (kept,)."""
        return self.states[-1]

    @property
    def error_estimate(self) -> float:
        """The size of its error, ‖·‖₂."""
        return float(self.error_estimates[-1])

    @property
    def summary(self) -> str:
        """How much there is, and the largest error."""
        error = f"error at most {self.error_estimates.max():.1e}"
        return f"{len(self.times)} times to {self.times[-1]:g}, {self.states.shape[1]} numbers, {error}"

    def column_values(self) -> dict[str, Any]:
        """One row a time: its error and the numbers of its state."""
        thetas = {f"theta_{i}": self.states[:, i] for i in range(self.states.shape[1])}
        return {"time": self.times, "error_estimate": self.error_estimates, **thetas}

    told = ("times", "states", "error_estimates", "evaluations")  # all but the function of time

    def plot(self, coordinates: tuple[int, int] | None = None) -> Figure:
        """The path in the plane of two coordinates, or of its two largest principal components."""
        from eomsym.dynamics.trajectory_figure import trajectory_figure

        return trajectory_figure({"path": self.states}, coordinates)


def integrate_path(
    rate: Rate,
    start: np.ndarray,
    times: np.ndarray,
    absolute: np.ndarray | float,
    kept: slice = slice(None),
    most: _Most = lambda time: LARGEST_NUMBER_OF_STEPS,
    dense: bool = False,
) -> Path:
    """``y`` at ``times`` (rising, the first that of ``start``, 0) for ``y' = rate(y)``, of it the entries ``kept``.

    As ``integrate``: two runs, the second with halved steps, each read between its steps by the method's own
    interpolation of order 7, whose error is in the difference too; ``dense`` keeps it.  ``absolute`` is the error
    allowed per step, (n,) or one; a run that takes more than ``most(t)`` steps to time t is given up.  A rate that is
    not finite, as where a step that is tried overshoots the zero of a root, makes the step smaller.
    Raises ``IntegrationError`` naming the time if the state leaves the floating-point numbers.
    """
    counted = _Counted(rate, times[-1], lenient=True)
    with np.errstate(all="ignore"):
        if not np.isfinite(counted(times[0], start)).all():  # SciPy would look for a first step for ever
            raise IntegrationError("path: its speed is not finite where it begins")
        coarse, fine = _Reader(times, kept), _Reader(times, kept, dense)
        _, state, rounding = _twice(counted, start, times[-1], absolute, coarse, fine, most)
    if not np.isfinite(state).all():
        raise IntegrationError(f"path: not finite by time {times[-1]:g}; take less time")
    states = np.array([start[kept], *fine.states])
    difference = states - np.array([start[kept], *coarse.states])
    estimates = np.linalg.norm(difference, axis=1) / (CONVERGENCE - 1) + rounding * np.linalg.norm(states, axis=1)
    sol = _Dense(fine.ends, fine.pieces) if dense else None
    return Path(times, states, estimates, counted.evaluations, sol)


class _Dense(OdeSolution):  # type: ignore[misc]
    """SciPy's, which would go on beyond the path with the polynomial of its last step."""

    def __call__(self, t: Any) -> np.ndarray:
        if not np.all((self.t_min <= np.asarray(t)) & (np.asarray(t) <= self.t_max)):
            raise InputError(f"t: the path is known from {self.t_min:g} to {self.t_max:g}; give times between")
        return super().__call__(t)


class _Reader:
    """Reads the states at given times, after the first, as a solver passes them."""

    def __init__(self, times: np.ndarray, kept: slice, dense: bool = False) -> None:
        self.states: list[np.ndarray] = []
        self.ends, self.pieces, self._dense = [float(times[0])], list[DenseOutput](), dense
        self._times, self._kept = times[1:], kept

    def __call__(self, solver: DOP853) -> None:
        if self._dense:
            self.ends.append(solver.t)
            self.pieces.append(solver.dense_output())
        passed = self._times[len(self.states) :]
        passed = passed[passed <= solver.t]
        if not passed.size:
            return
        if passed.size == 1 and passed[0] == solver.t:  # costs no evaluation
            self.states.append(solver.y[self._kept])
            return
        between = self.pieces[-1] if self._dense else solver.dense_output()
        self.states += [(solver.y if time == solver.t else between(time))[self._kept] for time in passed]


class _Counted:
    """The right-hand side as SciPy calls it, counting calls and refusing states that are not finite, unless lenient.

    The last value is kept: a step ends with the evaluation that the next one begins with.
    """

    def __init__(self, rate: Rate, time: float, lenient: bool = False) -> None:
        self.rate, self.time, self.evaluations, self.lenient = rate, time, 0, lenient
        self._state, self._value = np.empty(0), np.empty(0)

    def __call__(self, now: float, state: np.ndarray) -> np.ndarray:
        if not self.lenient and not np.isfinite(state).all():
            raise IntegrationError(f"path: not finite at time {now:g} of {self.time:g}; take less time")
        if state.shape != self._state.shape or not (state == self._state).all():
            value = self.rate(state) if self.lenient else evaluated(self.rate, state, now, self.time)
            self._state, self._value = state.copy(), value
            self.evaluations += 1
        return self._value


def evaluated(rate: Callable[[Any], Any], state: Any, now: float, time: float) -> Any:
    """The right-hand side.  Raises ``IntegrationError`` naming the time where it is not finite."""
    try:
        value = rate(state)
    except OverflowInKernelError as error:
        raise IntegrationError(f"path: stopped at time {now:g} of {time:g}: {error}") from error
    if not is_finite(value):
        raise IntegrationError(f"path: its speed is not finite at time {now:g} of {time:g}; take less time")
    return value


def _unread(solver: DOP853) -> None:
    """Nothing is read between the ends."""


def _twice(
    rate: _Counted,
    start: np.ndarray,
    time: float,
    absolute: np.ndarray | float,
    coarse: _Reading = _unread,
    fine: _Reading = _unread,
    most: _Most = lambda time: LARGEST_NUMBER_OF_STEPS,
) -> tuple[np.ndarray, np.ndarray, float]:
    """The end of a run that chooses its steps, that of one with their halves, and the part that rounding adds up to.

    ``coarse`` and ``fine`` see the solver after each step.  A run that has taken more than ``most(t)`` steps at time t
    is given up.
    """
    solver = DOP853(rate, 0.0, start, time, rtol=RELATIVE_FLOOR, atol=absolute)
    mesh = [0.0]
    while solver.status == "running":
        if len(mesh) > most(solver.t):
            raise IntegrationError(f"path: more than {most(solver.t):.0f} steps by time {solver.t:g} of {time:g}")
        message = solver.step()
        if solver.status == "failed":
            raise IntegrationError(f"path: stopped at time {solver.t:g} of {time:g}: {message}")
        mesh.append(solver.t)
        coarse(solver)
    state = start
    for left, right in pairwise(mesh):
        middle = (left + right) / 2
        state = _single_step(rate, _single_step(rate, state, left, middle, fine), middle, right, fine)
    return solver.y, state, np.finfo(np.float64).eps * np.sqrt(2 * len(mesh))


def _single_step(rate: _Counted, state: np.ndarray, left: float, right: float, read: _Reading) -> np.ndarray:
    """One step of the method, whatever its own error estimate says."""
    solver = DOP853(rate, left, state, right, first_step=right - left, atol=np.inf)
    while solver.status == "running":  # a second one, of round-off, where left + (right − left) is not quite right
        solver.step()
        read(solver)
    return solver.y
