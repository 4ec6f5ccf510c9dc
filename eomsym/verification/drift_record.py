"""What an observable does along a run: rows of its equation of motion, and its change, measured and predicted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from eomsym.dynamics.setting import OfTraining, Setting
from eomsym.result import Table, finite, plain
from eomsym.verification.compare import Compared


@dataclass(frozen=True, eq=False, repr=False)
class Drift(OfTraining):
    """``φ̇ = Σ_k η^k φ_k`` at the start, and the change of φ in ``steps`` steps.

    ``rows`` (order + 1, …) are φ_0, φ_1, …, each of the observable's shape; ``step`` (…) its exact change in one step
    of the optimiser; ``value`` (…) what it is at the start.  ``measured`` (m, …) is the change at the steps ``marks``
    (m,), ``compared`` the prediction of each order beside it; ``round_off`` is what of the measurement rounding may
    owe, ‖·‖₂.  ``vanishing`` says of each row whether it vanishes identically, as far as random points tell; it is
    empty for a whole state, and where no point is in the domain.  ``pace`` is the time of one step.
    """

    training: Setting
    observable: str
    exact_derivative: bool
    steps: int
    after: int
    state: str
    pace: float
    value: np.ndarray
    rows: np.ndarray
    step: np.ndarray
    marks: np.ndarray
    measured: np.ndarray
    compared: tuple[Compared, ...]
    round_off: float = 0.0
    vanishing: tuple[bool, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def change(self) -> np.ndarray:
        """What φ has changed by at the last step, (…)."""
        return np.asarray(self.measured[-1])

    @property
    def predicted(self) -> dict[int, np.ndarray]:
        """The predicted change at the marks, (m, …), by order; without those whose path left the numbers."""
        return {record.order: record.path for record in self.compared if record.path is not None}

    @property
    def floors(self) -> dict[int, float]:
        """What of each prediction at the last step the integrator may owe, ‖·‖₂."""
        return {record.order: record.floor for record in self.compared if record.path is not None}

    @property
    def reasons(self) -> dict[int, str]:
        """Why the path of an order did not reach the end."""
        return {record.order: record.reason for record in self.compared if record.reason}

    @property
    def errors(self) -> dict[int, float]:
        """Distance of the predicted change from the measured one at the last step, ‖·‖₂, by order."""
        return {record.order: record.error for record in self.compared if record.path is not None}

    @property
    def ratios(self) -> dict[int, float]:
        """Predicted over measured change at the last step, by order; of arrays, the share along the measured one."""
        square = float(np.vdot(self.change, self.change))
        return {
            order: float(np.vdot(path[-1], self.change)) / square if square else math.nan
            for order, path in self.predicted.items()
        }

    @property
    def at_floor(self) -> dict[int, bool]:
        """Whether the error of an order is lost in round-off and integration."""
        return {order: error < 5 * (self.floors[order] + self.round_off) for order, error in self.errors.items()}

    @property
    def broken_at(self) -> int | None:
        """The first k whose φ_k does not vanish identically; None where all do, or where it is not known."""
        return next((k for k, vanishes in enumerate(self.vanishing) if not vanishes), None)

    @property
    def passed(self) -> bool:
        """Whether every order's path stayed in the numbers."""
        return not self.reasons

    drawn_by = "eomsym.verification.figures.drift_figure"

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of ``drift`` as plain values."""
        errors, ratios, lost = self.errors, self.ratios, self.at_floor
        return {
            **self.entries("observable", "exact_derivative", "optimizer", "parameters"),
            **self.entries("model", "dataset", "seed", "eta", "steps", "after", "state"),
            "shape": list(self.value.shape),
            **self.entries("value", "rows", "vanishing", "broken_at", "step", "change", "round_off"),
            "predictions": [
                {
                    "order": order,
                    "change": path[-1].tolist(),
                    "error": errors[order],
                    "ratio": finite(ratios[order]),
                    "floor": self.floors[order],
                    "at_floor": lost[order],
                }
                for order, path in self.predicted.items()
            ],
            "path": plain({"steps": self.marks, "measured": self.measured}),
            **self.entries("warnings", "reasons", "passed"),
        }

    def records(self) -> list[dict[str, Any]]:
        """One row for each order that was predicted."""
        return list(self.to_dict()["predictions"])

    @property
    def summary(self) -> str:
        """The observable, what moves it, and where."""
        return f"{self.observable}: {self.training}, eta {self.eta:g}"

    def report(self) -> list[str | Table]:
        """The rows and what each order predicts, then what was measured."""
        lines = []
        for order, row in enumerate(self.rows):
            size = "0 (identically)" if self.vanishing and self.vanishing[order] else shown(row)
            told = ["", "", "", self.reasons.get(order, "")]
            if order in self.predicted:
                nothing = bool(self.vanishing) and all(self.vanishing[: order + 1])
                change = "0" if nothing else shown(self.predicted[order][-1])
                lost = "round-off" if self.at_floor[order] else ""
                told = [change, f"{self.errors[order]:.2e}", six(self.ratios[order]), lost]
            lines.append([str(order), size, *told])
        head = ["order", "row k", "predicted change", "error", "predicted / measured", ""]
        what = "change in 1 step" if self.steps == 1 else f"change in {self.steps} steps"
        return [self.summary, "", Table(head, lines, words=(-1,)), f"{what}, measured: {shown(self.change)}"]


def shown(value: np.ndarray) -> str:
    """A number; of an array its norm."""
    return f"{float(value):.6g}" if np.ndim(value) == 0 else f"|{float(np.linalg.norm(value)):.6g}|"


def six(ratio: float) -> str:
    """A ratio to six decimals, without the sign of a zero."""
    return f"{round(ratio, 6) + 0.0:.6f}"
