"""Discretization error as a tool: how large it will be, which step size an accuracy allows, where the series turns.

The predictions are those of ``eomsym.dynamics.error_prediction``, to leading order in η; every function
here that recommends something also tries it, and returns what was measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from eomsym.checks import check_orders, check_positive
from eomsym.dynamics import integrate_equation_of_motion
from eomsym.dynamics.error_prediction import predict_discretization_error
from eomsym.dynamics.kernel import Data, FieldKernel
from eomsym.dynamics.kernel_rule import DESCENT
from eomsym.dynamics.motion import WholeMotion
from eomsym.dynamics.runs import StateMap, run_optimizer, run_states
from eomsym.dynamics.setting import OfTraining, Setting
from eomsym.dynamics.spectrum import spectral_radius
from eomsym.errors import InputError, IntegrationError
from eomsym.optimizers import get
from eomsym.result import Result, Table, plain, small
from eomsym.verification.compare import Run, compare, map_of
from eomsym.verification.posing import Progress, counted, step_warnings
from eomsym.verification.training import Training

#: Relative error allowed in one step of the integration of a prediction; it was far smaller where it was measured.
PREDICTION_ACCURACY = 1e-4
#: A motion is integrated this much more exactly than the error that it is measured for.
MARGIN = 1e-4
#: At most so many numbers of steps are tried for a recommendation, and no number above the second.
MOST_TRIALS, MOST_STEPS = 40, 100_000
#: Where no error is predicted the first trial takes so many steps.
FIRST_STEPS = 64
#: A generated kernel judges orders below this one.
HIGHEST = 5


@dataclass(frozen=True, repr=False)
class StepAdvice(Result):
    """The largest step size η = time/steps whose measured error is at most ``accuracy``, both ‖·‖₂.

    ``suggested`` is what the prediction alone gave; ``predicted_error`` and ``measured_error`` are those of ``eta``;
    ``trials`` are all pairs of steps and measured error, infinite where a path left the numbers.  ``distance`` is how
    far ``unit`` moves in this time, what a relative accuracy is of; ``curvature`` is max|λ| at the start.  Where no
    error is predicted it is NaN.
    """

    order: int
    time: float
    accuracy: float
    suggested: float
    eta: float
    steps: int
    predicted_error: float
    measured_error: float
    trials: tuple[tuple[int, float], ...]
    distance: float
    curvature: float
    unit: str = "gradient flow"

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence where ηλ is so large that the series in η diverges."""
        if self.unit != "gradient flow":
            return ()
        return step_warnings(get(DESCENT), {}, [self.eta], self.curvature)

    @property
    def product(self) -> float:
        """η times the curvature."""
        return self.eta * self.curvature

    @property
    def summary(self) -> str:
        """The order, its step size and its error."""
        return f"order {self.order}, eta {self.eta:.4g}, {self.steps} steps, error {small(self.measured_error)}"

    def to_dict(self) -> dict[str, Any]:
        """Everything but the trials, as plain values."""
        return {name: plain(value) for name, value in asdict(self).items() if name not in ("trials", "unit")}

    def column_values(self) -> dict[str, Any]:
        """One row a trial, most steps first."""
        steps, errors = zip(*sorted(self.trials, reverse=True), strict=True)
        return {"eta": [self.time / count for count in steps], "steps": steps, "measured_error": errors}


@dataclass(frozen=True, repr=False)
class Recommendation(OfTraining):
    """What ``recommend`` advises for several orders: ``advice`` has one for each."""

    training: Setting
    relative: bool
    advice: tuple[StepAdvice, ...]

    passed = True

    @property
    def warnings(self) -> tuple[str, ...]:
        """Those of each order."""
        return tuple(f"order {advice.order}: {warning}" for advice in self.advice for warning in advice.warnings)

    @property
    def summary(self) -> str:
        """The training and the step size of each order."""
        etas = ", ".join(f"{advice.order} eta {advice.eta:.3g}" for advice in self.advice)
        return f"{self.training}, order {etas}"

    rows_of = "advice"
    told = ("optimizer", "parameters", "model", "dataset", "seed", "relative", "advice", "warnings")

    def report(self) -> list[str | Table]:
        """On what, and a row for each order."""
        first = self.advice[0]
        columns = {
            **{"order": "order", "largest\neta": "eta:.6g", "steps": "steps", "eta times\ncurvature": "product:.3f"},
            **{"measured\nerror": "measured_error:.2e", "predicted": "predicted_error:.2e"},
        }
        return [
            f"{self.training}, time {first.time:g}\n"
            f"{first.unit} moves {first.distance:.4g}; error allowed {first.accuracy:.3g}",
            Table.of(self.advice, columns, boxed=True),
        ]


@dataclass(frozen=True, repr=False)
class OrderAdvice(Result):
    """Where the series in η turns at a point: ``defects[N]`` is ``η^{N+2}‖ξ_N‖``, what order N leaves out in one step.

    ``order`` has the smallest.  ``turns`` says whether larger ones follow; if not, a higher order may be better still.
    ``measured[N]`` is the error of order N after one step, infinite where the path left the numbers.  Where η times the
    sharpness is above 1 it keeps falling a little beyond ``order``, but not to 0: gradient descent multiplies the
    sharpest component by 1 − ηλ < 0, every flow by a positive number, so |1 − ηλ| of that component stays.
    """

    eta: float
    order: int
    turns: bool
    defects: tuple[float, ...]
    measured: tuple[float, ...]

    def column_values(self) -> dict[str, Any]:
        """One row for each order."""
        return {"order": list(range(len(self.defects))), "defect": self.defects, "measured": self.measured}


def recommend(
    training: Training,
    accuracy: float,
    time: float,
    orders: Iterable[int] = range(4),
    *,
    relative: bool = False,
    progress: Progress | None = None,
) -> Recommendation:
    """Recommend the largest η with which the motion of each order keeps within ``accuracy`` of the run until ``time``.

    The step sizes are those of which a whole number fit into the time; the number of steps is bracketed by the power
    law of the order and halved, each time measured.  ``accuracy`` is in ‖·‖₂ at ``time``; with ``relative``, in units
    of the distance moved until then.  Of gradient descent the motion is that of θ, the prediction of its error gives
    the first try, and the distance is that of gradient flow; of other rules it is the look-ahead field of the whole
    state beside the run from its real start, and the distance is that of a run of 64 steps.  The advice warns where
    the series in η of gradient descent diverges.
    Raises ``InputError`` for a bad value, or if 100000 steps are not enough.
    """
    listed, time = tuple(sorted(check_orders(orders))), check_positive("time", time)
    accuracy = check_positive("accuracy", accuracy)
    with threadpool_limits(limits=1, user_api="blas"):
        measure = _Descent(training, time, listed) if training.is_descent else _OfMap(training, time, listed)
        allowed = accuracy * (measure.distance if relative else 1.0)
        advice = tuple(_largest(measure, time, allowed, order) for order in counted(listed, progress))
    return Recommendation(replace(training.setting, eta=None), relative, advice)


def recommend_order(training: Training) -> OrderAdvice:
    """Recommend the order at which to stop for this η, from the terms at the start, and measure each after one step.

    The highest order that a kernel given has is judged by the term above; of a generated one it is 4.
    Raises ``InputError`` for a bad value, another rule than gradient descent or a kernel of order 0.
    """
    training.check_descent("where the series turns")
    eta, point, data = training.rate("where the series turns"), training.theta, training.data
    kernel = training.kernel(max(1, training.highest(HIGHEST)), "judging where the series turns")
    rows = kernel.counterterms(point, *data)
    defects = [float(eta ** (n + 2) * np.linalg.norm(row)) for n, row in enumerate(rows[1:])]
    best = int(np.argmin(defects))
    measured = [_measured_error(kernel, point, eta, 1, order, defect, data) for order, defect in enumerate(defects)]
    return OrderAdvice(eta, best, best < len(defects) - 1, tuple(defects), tuple(measured))


class _Descent:
    """Gradient descent of a kernel beside its equation of motion, whose errors are predicted."""

    unit = "gradient flow"

    def __init__(self, training: Training, time: float, orders: Sequence[int]) -> None:
        training.check_doubles("a recommendation")
        kernel, theta, data = training.kernel(max(orders) + 1, "a recommendation"), training.theta, training.data
        flow = integrate_equation_of_motion(kernel, theta, time, time, data, order=0).theta
        self.distance, self.curvature = float(np.linalg.norm(flow - theta)), spectral_radius(kernel, theta, data)
        self._known = kernel, theta, time, data
        prediction = predict_discretization_error(kernel, theta, time, orders, data, accuracy=PREDICTION_ACCURACY)
        self.predicted = prediction.error

    def error(self, order: int, steps: int) -> float:
        """The measured one; infinite if a path leaves the numbers."""
        kernel, theta, time, data = self._known
        return _measured_error(kernel, theta, time, steps, order, self.predicted(order, time / steps), data)


class _OfMap:
    """Any rule from its real start beside the look-ahead field of its map, whose errors are not predicted."""

    unit = f"a run of {FIRST_STEPS} steps"

    def __init__(self, training: Training, time: float, orders: Sequence[int]) -> None:
        self._training, self._time = training, time
        entry, values = training.rule
        self._pace = entry.steps(**values) if training.loop is None else training.loop.steps
        whole, states = self._run(FIRST_STEPS)
        self.distance = float(np.linalg.norm((states[-1] - states[0])[: whole.size]))
        kernel = training.kernel(training.within(1), "a recommendation")
        self.curvature = spectral_radius(kernel, training.theta, training.data)

    def predicted(self, order: int, eta: float) -> float:
        """Not known."""
        return math.nan

    def error(self, order: int, steps: int) -> float:
        """The measured one; infinite if a path leaves the numbers."""
        try:
            whole, states = self._run(steps)
        except IntegrationError:
            return math.inf
        record = compare(WholeMotion(whole), Run(states, states[:, : whole.size], whole.tally), order)
        return record.error if math.isfinite(record.error) else math.inf

    def _run(self, steps: int) -> tuple[StateMap, np.ndarray]:
        whole = map_of(self._training.with_(eta=self._time / (steps * self._pace)), "a recommendation")
        return whole, run_states(whole, steps, whole.first)


def _largest(measure: _Descent | _OfMap, time: float, accuracy: float, order: int) -> StepAdvice:
    size = measure.predicted(order, 1.0)
    first = time / FIRST_STEPS if math.isnan(size) else (accuracy / size) ** (1 / (order + 1)) if size else time
    trials: dict[int, float] = {}

    def error(steps: int) -> float:
        if steps > MOST_STEPS:
            raise InputError(f"accuracy {accuracy!r}: not met with {MOST_STEPS} steps; give a larger one or more order")
        if steps not in trials:
            trials[steps] = measure.error(order, steps)
        return trials[steps]

    best = _fewest_steps(error, max(1, math.ceil(time / first)), accuracy, order)
    eta = time / best
    return StepAdvice(
        order,
        time,
        accuracy,
        first,
        eta,
        best,
        measure.predicted(order, eta),
        trials[best],
        tuple(sorted(trials.items())),
        measure.distance,
        measure.curvature,
        measure.unit,
    )


def _fewest_steps(error: Callable[[int], float], first: int, accuracy: float, order: int) -> int:
    """The smallest number of steps that holds next to one that does not: bracketed by the power law, then halved."""
    low, high = 0, first
    while error(high) > accuracy:
        low, growth = high, (error(high) / accuracy) ** (1 / (order + 1))
        high = max(high + 1, math.ceil(high * min(growth, 2) * 1.02) if math.isfinite(growth) else 2 * high)
    if low == 0:
        below = max(1, math.floor(0.98 * high * (error(high) / accuracy) ** (1 / (order + 1))))
        while below < high and error(below) <= accuracy:
            high, below = below, max(1, min(below - 1, math.floor(0.95 * below)))
        low = below if below < high else high - 1
    for _ in range(MOST_TRIALS):
        if high - low <= 1:
            break
        middle = (low + high) // 2
        low, high = (low, middle) if error(middle) <= accuracy else (middle, high)
    return high


def _measured_error(
    kernel: FieldKernel, theta: np.ndarray, time: float, steps: int, order: int, expected: float, data: Data
) -> float:
    """‖θ_EoM(time) − θ_steps‖₂; infinite if a path leaves the numbers."""
    eta = time / steps
    accuracy = max(MARGIN * expected, 1e-15 * float(np.linalg.norm(theta)), np.finfo(np.float64).tiny)
    try:
        descended = run_optimizer(kernel, theta, eta, steps, data).theta
        moved = integrate_equation_of_motion(kernel, theta, eta, time, data, order=order, accuracy=accuracy).theta
    except IntegrationError:
        return math.inf
    return float(np.linalg.norm(moved - descended))
