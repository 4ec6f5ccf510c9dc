"""The errors of a convergence study, each measured well above its own integration error where round-off lets it be."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from threading import Lock
from typing import Any

import numpy as np

from eomsym.double_double import DoubleDouble, exact_product
from eomsym.dynamics import Path, ShadowStart, integrate_equation_of_motion
from eomsym.dynamics.error_prediction import ErrorPrediction, predict_discretization_error
from eomsym.dynamics.kernel import Data, FieldKernel, RoundedKernel, is_double_double
from eomsym.dynamics.kernel_rule import DESCENT
from eomsym.dynamics.kernel_series import slow_memory
from eomsym.dynamics.runs import OptimizerEnd, run_optimizer
from eomsym.dynamics.vectors import Vector, epsilon, norm, rounded
from eomsym.errors import InputError, IntegrationError
from eomsym.optimizers import Optimizer
from eomsym.optimizers.tracing import trace
from eomsym.verification.accuracy import check_gradient, evaluation_noise
from eomsym.verification.training import Training
from eomsym.verification.verification_record import FLOOR_MARGIN, Floor, OrderRecord

#: How often, at most, the smallest step of the user's or the default list is halved further.
MORE_HALVINGS = 4
#: What the path of an optimiser with a memory begins with: a memory on the slow manifold above θ; or its own, and the
#: equation of motion at its shadow start.
MANIFOLD, SHADOW = STARTS = ("manifold", "shadow")
#: A memory is not given longer to forget its start.
MAX_FORGETTING = 10_000
#: The error allowed in a step at first where none is predicted, in units of the state.
UNPREDICTED = 1e-4
#: Each new attempt at an integration is this much tighter.
TIGHTENING = 30
#: Allowed relative error of the predicted errors in one step of the integrator, and all told: beyond it we warn.
#: The latter was a hundred times smaller than the former wherever it was measured.
PREDICTION_ACCURACY = 1e-3


def checked_kernel(training: Training, orders: Sequence[int]) -> Any:
    """Returns the loss in doubles, one order higher than the highest asked for, which predicts its error.

    Raises ``InputError`` for one without a gradient along a curve and ``KernelError`` where a kernel's gradient is not
    that of its loss.
    """
    kernel = training.series_kernel(max(orders) + 1, f"verifying order {max(orders)}")
    check_gradient(kernel, training.theta, training.data)
    return kernel


def forgetting_steps(entry: Optimizer, parameters: Mapping[str, Fraction], start: str) -> int:
    """Steps of the largest size in which a memory forgets its start.  Raises ``InputError`` if they are too many."""
    if start == MANIFOLD or not entry.memory:
        return 0
    steps = entry.transient(**parameters)
    if steps > MAX_FORGETTING:
        raise InputError(
            f"start {start!r}: {entry.name} takes {steps} steps to forget its own, at each step size, and "
            f"{MAX_FORGETTING} are allowed; start on the slow manifold, or follow its whole state"
        )
    return steps


@dataclass(frozen=True, eq=False)
class Problem:
    """What is trained and from where: ``theta`` is (d,) of the kernel's arithmetic, ``data`` what it takes after it.

    ``exponents`` has the power of η of each order's error.  ``pace`` are step sizes of time in one step of the
    optimiser.  ``start`` is one of ``STARTS``: what the path of an optimiser with a memory begins with.  ``resum``
    takes the resummed field.
    """

    optimizer: Optimizer
    kernel: Any
    theta: Vector
    data: Data
    parameters: Mapping[str, Fraction]
    exponents: Mapping[int, int]
    pace: int = 1
    start: str = MANIFOLD
    shadow: ShadowStart | None = None
    resum: bool = False

    @property
    def highest(self) -> int:
        """The power of η to which memories and starts are made: beyond the errors that are measured."""
        return max(self.exponents.values())

    @property
    def rounded_kernel(self) -> FieldKernel:
        """The kernel in doubles, for what is needed to a few digits only."""
        return RoundedKernel(self.kernel) if is_double_double(self.kernel) else self.kernel

    def path(self, eta: float, steps: int) -> OptimizerEnd:
        """The optimiser's own path, and where the equation of motion has to start for it."""
        end = run_optimizer(
            self.kernel,
            self.theta,
            eta,
            steps,
            self.data,
            optimizer=self.optimizer,
            memory=self._memory(eta) if self.start == MANIFOLD else None,
            **self.parameters,
        )
        return end if self.shadow is None else replace(end, start=self.shadow.at(eta))

    def begins(self, eta: float) -> bool:
        """Whether the memory that the path begins with is one: a mean of squares on the slow manifold is not below 0.

        It is where g is small against its change in a step, and then the step that takes its root is no number.
        """
        if self.start != MANIFOLD or not self.optimizer.memory:
            return True
        try:
            self.path(eta, 1)
        except IntegrationError:
            return False
        return True

    def flow(self, start: Vector, eta: float, time: Any, order: int, accuracy: float) -> Path:
        """The equation of motion of an order from ``start``."""
        return integrate_equation_of_motion(
            self.kernel, start, eta, time, self.data, order=order, accuracy=accuracy, resum=self.resum
        )

    def _memory(self, eta: float) -> list[np.ndarray] | None:
        """On the slow manifold above θ, so well that what is left of a transient is beyond the highest order."""
        entry = self.optimizer
        if not entry.memory:
            return None
        rule = trace(entry.step, 1 + len(entry.memory), self.parameters)
        fields = entry.fields(**self.parameters)
        return slow_memory(self.kernel, rule, self.theta, eta, self.highest, self.data, fields)

    def predict(self, theta: Vector, time: float, orders: Sequence[int]) -> ErrorPrediction:
        """The predicted errors of a path that starts at ``theta`` on the slow manifold."""
        return predict_discretization_error(
            self.rounded_kernel,
            rounded(theta),
            time,
            orders,
            self.data,
            accuracy=PREDICTION_ACCURACY,
            exponents=self.exponents,
            gradient_flow=self.optimizer.name == DESCENT,  # f̃_0 is −g, whose derivative the kernel has
        )


class WholeProblem(Problem):
    """The same of a whole state: ``kernel`` is a ``WholeStateKernel``, ``theta`` is z, and h takes the place of η."""

    def path(self, eta: float, steps: int) -> OptimizerEnd:
        """The optimiser's own path on its whole state."""
        end: OptimizerEnd = self.kernel.run(self.theta, eta, steps, self.data)
        return end


@dataclass(frozen=True, eq=False)
class Posed:
    """A problem, its step sizes, falling, and the time T; ``about`` is what else a ``Verification`` says of itself."""

    problem: Problem
    etas: Sequence[float]
    time: float
    about: Mapping[str, Any]
    warnings: tuple[str, ...] = ()


#: One step size: η, measured and predicted error, what may have moved the former, all ‖·‖₂.
Point = tuple[float, float, float, Floor]


class Measurement:
    """Measures points at one time T; the optimiser's paths are run once and serve all orders."""

    def __init__(self, problem: Problem, time: float, progress: Callable[[int, int], None] | None = None) -> None:
        self._problem, self._time, self._orders = problem, time, [*problem.exponents]
        self._progress, self._done, self._total = progress, 0, 0
        self._paths: dict[float, tuple[OptimizerEnd, ErrorPrediction]] = {}
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

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about predictions, along the path of the largest step size, that are not exact enough."""
        _, prediction = next(iter(self._paths.values()))
        sizes = np.linalg.norm(prediction.coefficients, axis=1)
        found = zip(prediction.orders, sizes, prediction.error_estimates, strict=True)
        doubtful = [order for order, size, estimate in found if estimate > PREDICTION_ACCURACY * size]
        return tuple(
            f"order {order}: the predicted error is itself known to less than three digits" for order in doubtful
        )

    def _record(self, order: int, etas: Sequence[float], extend: bool) -> OrderRecord:
        points: list[Point] = []
        remaining = list(etas)
        while remaining:
            points.append(self._point(order, remaining.pop(0)))
            record = self._collected(order, points)
            if record.at_floor[-1]:
                self._count(skipped=len(remaining))
                break
            if extend and not remaining and not record.passed and len(points) < len(etas) + MORE_HALVINGS:
                remaining.append(record.etas[-1] / 2)
                self._count(added=1)
        return record

    def _collected(self, order: int, points: Sequence[Point]) -> OrderRecord:
        etas, errors, predicted, floors = zip(*points, strict=True)
        totals = tuple(floor.total for floor in floors)
        problem = self._problem
        return OrderRecord(
            order, etas, errors, predicted, totals, problem.exponents[order], floors, resummed=problem.resum
        )

    def _point(self, order: int, eta: float) -> Point:
        """Integrate as exactly as the error at hand asks for: its size is known beforehand, from the prediction."""
        target, prediction = self._path(eta)
        least = epsilon(target.theta) * max(norm(target.theta), np.finfo(np.float64).tiny)
        predicted = prediction.error(order, eta)
        accuracy = max(UNPREDICTED if math.isnan(predicted) else predicted, least)
        noise = self._noise(order, eta, target.start)
        while True:
            end = self._problem.flow(target.start, eta, self._time_of(eta), order, accuracy)
            error = norm(end.theta - target.theta)
            if accuracy <= least or _is_settled(error, end.error_estimate, target.error_estimate + noise):
                break
            accuracy = max(accuracy / TIGHTENING, least)
        self._count(done=1)
        return eta, error, predicted, Floor(target.error_estimate, end.error_estimate, noise)

    def _noise(self, order: int, eta: float, start: Vector) -> float:
        """How far round-off in the values of the field can carry a path: that of one value, over the whole time."""
        problem = self._problem
        return self._time * evaluation_noise(
            lambda point: problem.kernel.field(point, eta, *problem.data, order=order), start
        )

    def _time_of(self, eta: float) -> float | DoubleDouble:
        """T as so many steps of this size: without rounding in double-double arithmetic, where 1e−16 would count."""
        if not is_double_double(self._problem.kernel):
            return self._time
        return exact_product(self._steps(eta) * self._problem.pace, eta)

    def _steps(self, eta: float) -> int:
        return round(self._time / (eta * self._problem.pace))

    def _path(self, eta: float) -> tuple[OptimizerEnd, ErrorPrediction]:
        """End of the optimiser's path with the errors predicted for it, once for all orders."""
        if eta not in self._paths:
            problem, steps = self._problem, self._steps(eta)
            end = problem.path(eta, steps)
            # Where paths start at one point, one prediction serves them all.  Another thread may add a path meanwhile.
            measured = list(self._paths.values())
            shared = [known for other, known in measured if _is_same(other.start, end.start)]
            self._paths[eta] = end, shared[0] if shared else problem.predict(end.start, self._time, self._orders)
        return self._paths[eta]

    def _count(self, done: int = 0, added: int = 0, skipped: int = 0) -> None:
        with self._lock:
            self._done += done
            self._total += added - skipped
            if self._progress is not None and not added:
                self._progress(self._done, self._total)


def _is_same(left: Vector, right: Vector) -> bool:
    return norm(left - right) == 0


def _is_settled(error: float, of_integrator: float, of_others: float) -> bool:
    """Whether a tighter integration cannot change on which side of the floor the error lies, or not by much."""
    is_above = error >= FLOOR_MARGIN * (of_integrator + of_others)
    is_lost = error + of_integrator < FLOOR_MARGIN * of_others
    return is_above or is_lost or of_integrator <= of_others
