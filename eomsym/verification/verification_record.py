"""What a verification measured: raw numbers, and everything that is judged from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from eomsym.dynamics.setting import OfTraining, Setting
from eomsym.result import Result, Table, fixed

#: The local slope of the two smallest step sizes above the floor may be this far from N + 1.
SLOPE_TOLERANCE = 0.1
#: The ratio of measured to predicted error, extrapolated to η = 0, may be this far from 1.
RATIO_TOLERANCE = 0.02
#: An error counts if it is this many times its floor: then the floor moves a local slope by at most 0.03, and the
#: extrapolated ratio 2r(η/2) − r(η) by 3/100 at worst, far less where round-off stands at right angles to the error.
FLOOR_MARGIN = 100
#: Two points have a slope, but only a third says that it has settled.
LEAST_POINTS = 3


@dataclass(frozen=True)
class Floor:
    """How far each source may have moved a measured error, ‖·‖₂, each of them measured and none assumed.

    ``optimizer``: round-off of the optimiser's path, by a second, disturbed run; ``integration``: of the integrator, by
    a second run with half the steps; ``evaluation``: noise of the field's values, by differences of its values at
    neighbouring points, as if it pushed one way all along.
    """

    optimizer: float
    integration: float
    evaluation: float

    @property
    def total(self) -> float:
        """Their sum."""
        return self.optimizer + self.integration + self.evaluation


@dataclass(frozen=True, repr=False)
class OrderRecord(Result):
    """One order N: what was measured at each step size, largest first.

    ``errors`` are ‖θ_EoM(T) − θ_optimizer(T/η)‖₂; ``predicted_errors`` the same to leading order, η^{N+1}‖E_N(T)‖₂;
    ``floors`` what an error may owe to round-off and integration, ‖·‖₂; ``floor_parts`` says where each comes from,
    and is empty where that is not known.  A ``resummed`` field has the slope of its order and
    an error of its own, less than the predicted one of the plain field.
    """

    order: int
    etas: tuple[float, ...]
    errors: tuple[float, ...]
    predicted_errors: tuple[float, ...]
    floors: tuple[float, ...]
    exponent: int = 0
    floor_parts: tuple[Floor, ...] = ()
    resummed: bool = False

    def __post_init__(self) -> None:
        # NumPy's numbers are not JSON's, nor their truths
        for name in ("etas", "errors", "predicted_errors", "floors"):
            object.__setattr__(self, name, tuple(map(float, getattr(self, name))))

    @property
    def is_predicted(self) -> bool:
        """Whether the error itself is judged too: of a resummed and of a look-ahead field the slope alone is."""
        return not self.resummed and not all(map(math.isnan, self.predicted_errors))

    @property
    def expected_slope(self) -> int:
        """N + 1; more, given as ``exponent``, where the next counter terms vanish for every loss."""
        return self.exponent or self.order + 1

    @cached_property
    def at_floor(self) -> tuple[bool, ...]:
        """Whether the error is lost in its floor, for each step size."""
        return tuple(
            error < FLOOR_MARGIN * floor or error == 0 for error, floor in zip(self.errors, self.floors, strict=True)
        )

    @property
    def points_above_floor(self) -> int:
        """How many step sizes count: those before the first at the floor."""
        return self.at_floor.index(True) if True in self.at_floor else len(self.etas)

    @property
    def first_error(self) -> float:
        """That of the largest step size."""
        return self.errors[0]

    @property
    def smallest_error(self) -> float:
        """The smallest above the floor, or of all where none is."""
        return min(self.errors[: self.points_above_floor] or self.errors)

    @cached_property
    def local_slopes(self) -> tuple[float, ...]:
        """d log error / d log η between neighbours; NaN where an error is 0."""
        points = list(zip(self.etas, self.errors, strict=True))
        return tuple(_slope(*left, *right) for left, right in pairwise(points))

    @property
    def slope(self) -> float:
        """The local slope of the two smallest step sizes above the floor; NaN if there are not two."""
        return self.local_slopes[self.points_above_floor - 2] if self.points_above_floor >= 2 else math.nan

    @cached_property
    def error_ratio(self) -> tuple[float, ...]:
        """Measured over predicted error, for each step size; NaN where none is predicted."""
        pairs = zip(self.errors, self.predicted_errors, strict=True)
        return tuple(error / predicted if predicted > 0 else math.nan for error, predicted in pairs)

    @property
    def extrapolated_ratio(self) -> float:
        """The error ratio at η = 0 by a line through the two smallest step sizes above the floor; NaN without two.

        The ratio tends to 1 linearly in η; for η and η/2 this is 2r(η/2) − r(η).
        """
        last = self.points_above_floor - 1
        if last < 1:
            return math.nan
        return _at_zero(self.etas[last - 1 : last + 1], self.error_ratio[last - 1 : last + 1])

    @property
    def reason(self) -> str:
        """Why the order is not verified; empty if it is."""
        if self._has_few_points:
            few = f"{self.points_above_floor} step sizes above the round-off floor, at least {LEAST_POINTS} are needed"
            return f"{few}; larger ones or other data may decide"
        if self._is_cut_short:
            slopes = "{:.4g}, {:.4g}".format(*self._last_slopes)
            running = f"the slopes still run to {self.expected_slope} ({slopes}) where round-off begins"
            return f"{running}; more digits or other data may decide"
        faults = []
        if not abs(self.slope - self.expected_slope) <= SLOPE_TOLERANCE:
            faults.append(f"slope {self.slope:.4g} is not within {SLOPE_TOLERANCE} of {self.expected_slope}")
        if self.is_predicted and not abs(self.extrapolated_ratio - 1) <= RATIO_TOLERANCE:
            faults.append(
                f"extrapolated error ratio {self.extrapolated_ratio:.4g} is not within {RATIO_TOLERANCE} of 1"
            )
        if faults and self.at_floor[-1]:
            faults.append("smaller step sizes are lost in round-off")
        return "; ".join(faults)

    @property
    def is_undecided(self) -> bool:
        """Whether too much is lost in round-off to judge."""
        return self._has_few_points or self._is_cut_short

    @property
    def _has_few_points(self) -> bool:
        return self.points_above_floor < LEAST_POINTS

    @property
    def _last_slopes(self) -> tuple[float, ...]:
        """The two last local slopes above the floor."""
        return self.local_slopes[self.points_above_floor - 3 : self.points_above_floor - 1]

    @property
    def _is_cut_short(self) -> bool:
        """Whether round-off begins while the local slopes still run to N + 1, which they then reach at η = 0.

        Local slopes differ from their limit by O(η), so two of them tell it.  Those of a wrong formula run to one less.
        """
        if not self.at_floor[-1] or abs(self.slope - self.expected_slope) <= SLOPE_TOLERANCE:
            return False
        last = self.points_above_floor - 1
        before, after = self._last_slopes
        limit = _at_zero(self.etas[last - 1 : last + 1], (before, after))
        comes_near = abs(after - self.expected_slope) < abs(before - self.expected_slope)
        return comes_near and abs(limit - self.expected_slope) <= SLOPE_TOLERANCE

    @property
    def passed(self) -> bool:
        """Whether the error falls with slope N + 1 and is the predicted one."""
        return not self.reason

    @property
    def summary(self) -> str:
        """Order, slope and how it ended."""
        return f"order {self.order}, slope {fixed(self.slope)}, {self.verdict}"

    @property
    def verdict(self) -> str:
        """``passed``, ``failed`` or ``undecided``."""
        return "undecided" if self.is_undecided else "passed" if self.passed else "failed"

    def column_values(self) -> dict[str, Any]:
        """One row a step size."""
        return {
            "order": [self.order] * len(self.etas),
            **{"eta": self.etas, "error": self.errors, "predicted_error": self.predicted_errors},
            **{"error_ratio": self.error_ratio, "floor": self.floors, "at_floor": self.at_floor},
        }

    told = (
        *("order", "expected_slope", "slope", "local_slopes", "etas", "errors", "predicted_errors", "error_ratio"),
        *("extrapolated_ratio", "floors", "floor_parts", "at_floor", "passed", "reason", "resummed?"),
    )


@dataclass(frozen=True, repr=False)
class Verification(OfTraining):
    """What ``verify`` measured of the equation of motion of a training.

    ``orders`` holds one record for each order; ``time`` is T; ``spectral_radius`` is max |λ| of the Hessian at the
    start; ``warnings`` are sentences for people.  ``transient`` is the number of steps, of the largest step size, by
    which the time is longer so that a memory forgets its start; ``precision`` the arithmetic of both paths; ``start``
    what an optimiser with a memory began with: ``manifold`` or ``shadow``, empty if it has none.  ``state`` is
    ``slow``, or ``whole`` where θ and memory are followed together from step ``after`` on; ``etas`` of the records are
    then values of ``small_parameter``.
    """

    training: Setting
    time: float
    spectral_radius: float
    orders: tuple[OrderRecord, ...]
    warnings: tuple[str, ...] = ()
    transient: int = 0
    precision: str = "double"
    start: str = ""
    state: str = "slow"
    small_parameter: str = "eta"
    after: int = 0

    @property
    def passed(self) -> bool:
        """Whether every order is verified."""
        return all(record.passed for record in self.orders)

    @property
    def slopes(self) -> np.ndarray:
        """The slope of each record in ``orders``, (number of orders,); NaN where there is none."""
        return np.array([record.slope for record in self.orders])

    @property
    def errors(self) -> tuple[np.ndarray, ...]:
        """The errors of each record in ``orders``, one array over its step sizes each."""
        return tuple(np.array(record.errors) for record in self.orders)

    drawn_by = "eomsym.verification.figures.convergence_figure"

    @property
    def summary(self) -> str:
        """The optimiser, the orders and how each ended."""
        found = ", ".join(f"{record.order} {record.verdict}" for record in self.orders)
        return f"{self.optimizer} on {self.training.place}, orders {found}"

    def records(self) -> list[dict[str, Any]]:
        """One row for each order and step size."""
        return [row for record in self.orders for row in record.records()]

    def report(self) -> list[str | Table]:
        """What was compared, a row for each order, and why one is not verified."""
        settled = f", {self.transient} steps to settle" if self.transient else ""
        arithmetic = f", {self.precision}" if self.precision != "double" else ""
        head = f"{self.training}{settled}{arithmetic}\ntime {self.time:g}, largest curvature {self.spectral_radius:.4g}"
        reasons = [f"order {record.order}: {record.reason}" for record in self.orders if record.reason]
        return [head + self._followed, self._orders, *reasons]

    @property
    def _followed(self) -> str:
        """What the errors are of, where a memory is part of it."""
        begun = {"manifold": ", from the slow manifold", "shadow": ", from the shadow start"}.get(self.start, "")
        if self.state == "whole":
            family = f"errors fall with {self.small_parameter}, 1 - beta with it"
            place = f"step {self.after} of the real run" if self.after else "its real start"
            begun = f"\nwhole state from {place}; {family}, and the first is at the values given"
        return begun

    @property
    def _orders(self) -> Table:
        columns = {
            **{"order": "order", "expected\nslope": "expected_slope", "slope": "slope:.4f"},
            "measured /\npredicted": "extrapolated_ratio:.4f",
            **({"first\nerror": "first_error:.1e"} if self.state == "whole" else {}),
            **{"smallest\nerror": "smallest_error:.1e", "verdict": "verdict"},
        }
        return Table.of(self.orders, columns, words=(-1,), boxed=True)

    told = (
        *("optimizer", "parameters", "state", "small_parameter", "start", "transient", "precision", "model", "dataset"),
        *("seed", "time", "spectral_radius", "after?", "schedules?", "batches?", "slopes", "orders", "warnings"),
        "passed",
    )


def _at_zero(etas: Sequence[float], values: Sequence[float]) -> float:
    """The line through two values, a large and a small step size, at η = 0."""
    (large, small), (of_large, of_small) = etas, values
    return (of_small * large - of_large * small) / (large - small)


def _slope(eta: float, error: float, next_eta: float, next_error: float) -> float:
    if error == 0 or next_error == 0:
        return math.nan
    return math.log(error / next_error) / math.log(eta / next_eta)
