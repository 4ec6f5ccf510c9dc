"""Discretization error as a tool: how large it will be, which step size an accuracy allows, where the series turns.

The predictions are those of ``eomsym.dynamics.predict_discretization_error``, to leading order in η; every function
here that recommends something also tries it, and returns what was measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from eomsym.checks import check_positive
from eomsym.dynamics import (
    FieldKernel,
    integrate_equation_of_motion,
    predict_discretization_error,
    run_optimizer,
    spectral_radius,
)
from eomsym.dynamics.kernel import Data, check_order, check_theta
from eomsym.dynamics.kernel_rule import check_descent
from eomsym.errors import InputError, IntegrationError
from eomsym.optimizers import get
from eomsym.result import Result, Table
from eomsym.verification.posing import step_warnings

#: Relative error allowed in one step of the integration of a prediction; it was far smaller where it was measured.
PREDICTION_ACCURACY = 1e-4
#: A motion is integrated this much more exactly than the error that it is measured for.
MARGIN = 1e-4
#: At most so many numbers of steps are tried for a recommendation, and no number above the second.
MOST_TRIALS, MOST_STEPS = 40, 100_000


@dataclass(frozen=True, repr=False)
class StepAdvice(Result):
    """The largest step size η = time/steps whose measured error is at most ``accuracy``, both ‖·‖₂.

    ``suggested`` is what the prediction alone gave; ``predicted_error`` and ``measured_error`` are those of ``eta``;
    ``trials`` are all pairs of steps and measured error, infinite where a path left the numbers.  ``distance`` is how
    far gradient flow moves in this time, what a relative accuracy is of; ``curvature`` is max|λ| at the start.
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

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence where ηλ is so large that the series in η diverges."""
        return step_warnings(get("gradient-descent"), {}, [self.eta], self.curvature)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the trials, as plain values."""
        return {name: value for name, value in asdict(self).items() if name != "trials"}

    def column_values(self) -> dict[str, Any]:
        """One row a trial, most steps first."""
        steps, errors = zip(*sorted(self.trials, reverse=True), strict=True)
        return {"eta": [self.time / count for count in steps], "steps": steps, "measured_error": errors}


@dataclass(frozen=True, repr=False)
class Recommendation(Result):
    """What ``recommend_step`` advises for several orders on one network: ``advice`` has one for each."""

    dataset: str
    layers: tuple[int, ...]
    seed: int
    relative: bool
    advice: tuple[StepAdvice, ...]

    told = ("dataset", "layers", "seed", "relative", "advice", "warnings")
    passed = True

    @property
    def warnings(self) -> tuple[str, ...]:
        """Those of each order."""
        return tuple(f"order {advice.order}: {warning}" for advice in self.advice for warning in advice.warnings)

    @property
    def summary(self) -> str:
        """The network and the step size of each order."""
        etas = ", ".join(f"{advice.order} eta {advice.eta:.3g}" for advice in self.advice)
        return f"{'-'.join(map(str, self.layers))} on {self.dataset}, order {etas}"

    def records(self) -> list[dict[str, Any]]:
        """One row for each order."""
        return [advice.to_dict() for advice in self.advice]

    def report(self) -> list[str | Table]:
        """On what, and a row for each order."""
        first = self.advice[0]
        head = ["order", "largest\neta", "steps", "eta times\ncurvature", "measured\nerror", "predicted"]
        rows = [
            [
                *(str(advice.order), f"{advice.eta:.6g}", str(advice.steps), f"{advice.eta * advice.curvature:.3f}"),
                *(f"{error:.2e}" for error in (advice.measured_error, advice.predicted_error)),
            ]
            for advice in self.advice
        ]
        layers = "-".join(map(str, self.layers))
        return [
            f"gradient-descent on {self.dataset}: {layers}, seed {self.seed}, time {first.time:g}\n"
            f"gradient flow moves {first.distance:.4g}; error allowed {first.accuracy:.3g}",
            Table(head, rows, boxed=True),
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

    @property
    def best_measured(self) -> int:
        """The order with the smallest measured error."""
        return int(np.argmin(self.measured))

    def column_values(self) -> dict[str, Any]:
        """One row for each order."""
        return {"order": list(range(len(self.defects))), "defect": self.defects, "measured": self.measured}


def recommend_step(
    kernel: FieldKernel,
    theta: np.ndarray,
    time: float,
    accuracy: float,
    order: int = 0,
    data: Data = (),
    *,
    relative: bool = False,
) -> StepAdvice:
    """The largest η = time/n with which the motion of ``order`` keeps within ``accuracy`` of gradient descent.

    The prediction gives the first try, ``(accuracy/‖E_N‖)^{1/(N+1)}``; from there on the number of steps n is bracketed
    and halved, each time measured.  ``accuracy`` is in ‖·‖₂ at ``time``; with ``relative``, in
    units of the distance that gradient flow moves until then.  The advice warns where the series in η diverges.
    Raises ``InputError`` for a bad value, for the kernel of another rule, or if 100000 steps are not enough.
    """
    check_descent(kernel, "run")
    point, time = check_theta(kernel, theta), check_positive("time", time)
    accuracy = check_positive("accuracy", accuracy)
    flow = integrate_equation_of_motion(kernel, point, time, time, data, order=0).theta
    distance = float(np.linalg.norm(flow - point))
    accuracy *= distance if relative else 1.0
    prediction = predict_discretization_error(kernel, point, time, [order], data, accuracy=PREDICTION_ACCURACY)
    size = prediction.error(order, 1.0)
    suggested = (accuracy / size) ** (1 / (order + 1)) if size else time
    trials: dict[int, float] = {}

    def error(steps: int) -> float:
        if steps > MOST_STEPS:
            raise InputError(f"accuracy {accuracy!r}: not met with {MOST_STEPS} steps; give a larger one or more order")
        if steps not in trials:
            trials[steps] = _measured_error(
                kernel, point, time, steps, order, prediction.error(order, time / steps), data
            )
        return trials[steps]

    best = _fewest_steps(error, max(1, math.ceil(time / suggested)), accuracy, order)
    eta = time / best
    return StepAdvice(
        order,
        time,
        accuracy,
        suggested,
        eta,
        best,
        prediction.error(order, eta),
        trials[best],
        tuple(sorted(trials.items())),
        distance,
        spectral_radius(kernel, point, data),
    )


def recommend_order(kernel: FieldKernel, theta: np.ndarray, eta: float, data: Data = ()) -> OrderAdvice:
    """The order at which to stop for this η, from the terms at one point, and every order's error after one step.

    A kernel of order K judges orders 0 … K − 1: order N is judged by ξ_N, the first term that it leaves out.
    Raises ``InputError`` for a bad value, the kernel of another rule or one of order 0.
    """
    check_descent(kernel, "run")
    point, eta = check_theta(kernel, theta), check_positive("eta", eta)
    check_order(kernel, 1, "judging where the series turns")
    rows = kernel.counterterms(point, *data)
    defects = [float(eta ** (n + 2) * np.linalg.norm(row)) for n, row in enumerate(rows[1:])]
    best = int(np.argmin(defects))
    measured = [_measured_error(kernel, point, eta, 1, order, defect, data) for order, defect in enumerate(defects)]
    return OrderAdvice(eta, best, best < len(defects) - 1, tuple(defects), tuple(measured))


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
