"""The errors of a convergence study, each measured well above its own integration error where round-off lets it be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

import numpy as np

from eomsym.dynamics import (
    Data,
    ErrorPrediction,
    FieldKernel,
    OptimizerEnd,
    integrate_equation_of_motion,
    run_optimizer,
)
from eomsym.verification.study import FLOOR_MARGIN, OrderRecord

#: How often, at most, the smallest step of the user's or the default list is halved further.
MORE_HALVINGS = 4
#: Each new attempt at an integration is this much tighter.
TIGHTENING = 30


@dataclass(frozen=True, eq=False)
class Problem:
    """What is trained and from where: ``theta`` is (d,), ``data`` what a kernel takes after it."""

    optimizer: str
    kernel: FieldKernel
    theta: np.ndarray
    data: Data


@dataclass(frozen=True)
class Point:
    """One step size: measured error, predicted error, floor, all ‖·‖₂."""

    eta: float
    error: float
    predicted_error: float
    floor: float


class Measurement:
    """Measures points at one time T; the optimiser's paths are run once and serve all orders."""

    def __init__(
        self,
        problem: Problem,
        time: float,
        prediction: ErrorPrediction,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._problem, self._time, self._prediction = problem, time, prediction
        self._progress, self._done, self._total = progress, 0, 0
        self._paths: dict[float, OptimizerEnd] = {}
        self._lock = Lock()

    def records(
        self, orders: Sequence[int], etas: Sequence[float], extend: bool, threads: int
    ) -> tuple[OrderRecord, ...]:
        """One record for each order, in that sequence.

        Smaller steps are not tried once the floor is met; with ``extend`` the last is halved until the order is
        verified.  The highest orders, which take longest, are begun first.
        """
        self._total = len(orders) * len(etas)
        for eta in etas:
            self._path(eta)
        falling = sorted(orders, reverse=True)
        with ThreadPoolExecutor(threads) as pool:
            measured = dict(
                zip(falling, pool.map(lambda order: self._record(order, etas, extend), falling), strict=True)
            )
        return tuple(measured[order] for order in orders)

    def _record(self, order: int, etas: Sequence[float], extend: bool) -> OrderRecord:
        points: list[Point] = []
        remaining = list(etas)
        while remaining:
            points.append(self._point(order, remaining.pop(0)))
            record = _collect(order, points)
            if record.at_floor[-1]:
                self._count(skipped=len(remaining))
                break
            if extend and not remaining and not record.passed and len(points) < len(etas) + MORE_HALVINGS:
                remaining.append(points[-1].eta / 2)
                self._count(added=1)
        return record

    def _point(self, order: int, eta: float) -> Point:
        """Integrate as exactly as the error at hand asks for: its size is known beforehand, from the prediction."""
        target = self._path(eta)
        size = float(np.linalg.norm(target.theta))
        least = np.finfo(np.float64).eps * max(size, np.finfo(np.float64).tiny)
        predicted = self._prediction.error(order, eta)
        accuracy = max(predicted, least)
        while True:
            end = integrate_equation_of_motion(
                self._problem.kernel,
                self._problem.theta,
                eta,
                self._time,
                self._problem.data,
                order=order,
                accuracy=accuracy,
            )
            error = float(np.linalg.norm(end.theta - target.theta))
            if accuracy <= least or _is_settled(error, end.error_estimate, target.error_estimate):
                break
            accuracy = max(accuracy / TIGHTENING, least)
        self._count(done=1)
        return Point(eta, error, predicted, target.error_estimate + end.error_estimate)

    def _path(self, eta: float) -> OptimizerEnd:
        """End of the optimiser's path, run once for all orders."""
        if eta not in self._paths:
            problem, steps = self._problem, round(self._time / eta)
            self._paths[eta] = run_optimizer(
                problem.kernel, problem.theta, eta, steps, problem.data, optimizer=problem.optimizer
            )
        return self._paths[eta]

    def _count(self, done: int = 0, added: int = 0, skipped: int = 0) -> None:
        with self._lock:
            self._done += done
            self._total += added - skipped
            if self._progress is not None and not added:
                self._progress(self._done, self._total)


def _is_settled(error: float, of_integrator: float, of_optimizer: float) -> bool:
    """Whether a tighter integration cannot change on which side of the floor the error lies, or not by much."""
    is_above = error >= FLOOR_MARGIN * (of_integrator + of_optimizer)
    is_lost = error + of_integrator < FLOOR_MARGIN * of_optimizer
    return is_above or is_lost or of_integrator <= of_optimizer


def _collect(order: int, points: Sequence[Point]) -> OrderRecord:
    return OrderRecord(
        order,
        etas=tuple(point.eta for point in points),
        errors=tuple(point.error for point in points),
        predicted_errors=tuple(point.predicted_error for point in points),
        floors=tuple(point.floor for point in points),
    )
