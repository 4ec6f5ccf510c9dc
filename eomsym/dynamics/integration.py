"""Integration of an ordinary differential equation to its end point, with an error that is measured.

The method is DOP853, the explicit Runge–Kutta method of order 8 of Dormand & Prince in SciPy (Hairer, Nørsett & Wanner,
Solving Ordinary Differential Equations I, ch. II.5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.integrate import DOP853

from eomsym.errors import IntegrationError

Rate = Callable[[np.ndarray], np.ndarray]

#: The smallest relative tolerance that SciPy takes is 100 machine epsilons.
RELATIVE_FLOOR = 2.3e-14
#: Halving all steps divides the error by 2^8 in the limit; the estimate counts on 17 only.
CONVERGENCE = 17


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
        coarse, mesh = _adaptive_run(counted, start, time, absolute)
        fine = start
        for left, right in pairwise(mesh):
            middle = (left + right) / 2
            fine = _single_step(counted, _single_step(counted, fine, left, middle), middle, right)
    rounding = np.finfo(np.float64).eps * np.sqrt(2 * len(mesh)) * np.abs(fine)
    return Endpoint(fine, np.abs(fine - coarse) / (CONVERGENCE - 1) + rounding, counted.evaluations)


class _Counted:
    """The right-hand side as SciPy calls it, counting calls and refusing states that are not finite.

    The last value is kept: a step ends with the evaluation that the next one begins with.
    """

    def __init__(self, rate: Rate, time: float) -> None:
        self.rate, self.time, self.evaluations = rate, time, 0
        self._state, self._value = np.empty(0), np.empty(0)

    def __call__(self, now: float, state: np.ndarray) -> np.ndarray:
        if not np.isfinite(state).all():
            raise IntegrationError(f"path: not finite at time {now:g} of {self.time:g}; take less time")
        if not np.array_equal(state, self._state):
            self._state, self._value = state.copy(), self.rate(state)
            self.evaluations += 1
        return self._value


def _adaptive_run(
    rate: _Counted, start: np.ndarray, time: float, absolute: np.ndarray | float
) -> tuple[np.ndarray, list[float]]:
    """State at the end, and the times between the steps."""
    solver = DOP853(rate, 0.0, start, time, rtol=RELATIVE_FLOOR, atol=absolute)
    mesh = [0.0]
    while solver.status == "running":
        message = solver.step()
        mesh.append(solver.t)
    if solver.status == "failed":
        raise IntegrationError(f"path: stopped at time {solver.t:g} of {time:g}: {message}")
    return solver.y, mesh


def _single_step(rate: _Counted, state: np.ndarray, left: float, right: float) -> np.ndarray:
    """One step of the method, whatever its own error estimate says."""
    solver = DOP853(rate, left, state, right, first_step=right - left, atol=np.inf)
    while solver.status == "running":
        solver.step()
    return solver.y
