"""Weights before a normalisation: what gradient flow, equation of motion and gradient descent say of their length.

The loss f without weight decay does not change when such a group of weights w is multiplied, so ``w·q = 0`` for its
gradient q.  With N = ‖w‖² gradient descent has ``N⁺ = (1 − ηλ)² N + η²‖q‖²`` exactly; gradient flow ``Ṅ = −2λN``;
order 1 adds ``η(‖q‖² − λ²N)``, order 2 ``η²(qᵀH_f(q_all + λ θ_other) − ⅔λ³N)``, where H_f is the Hessian of f,
``q_all`` its whole gradient and ``θ_other`` the parameters outside of the group.  (Derived from ``H_f w = −q`` and its
derivative.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from eomsym.checks import check_orders, check_positive
from eomsym.dynamics import integrate_equation_of_motion, optimizer_path
from eomsym.dynamics.error_prediction import predict_discretization_error
from eomsym.dynamics.kernel import Data, FieldKernel
from eomsym.dynamics.kernel_rule import check_descent
from eomsym.dynamics.runs import run_optimizer
from eomsym.dynamics.setting import OfTraining, Setting
from eomsym.dynamics.spectrum import spectral_radius
from eomsym.errors import InputError
from eomsym.models.invariance import scale_invariant
from eomsym.result import Table, fixed, plain, small
from eomsym.verification.posing import Progress, counted, default_etas
from eomsym.verification.training import Training, network_of
from eomsym.verification.verification_record import OrderRecord

#: T is this many of the largest steps, which is halved this often.
STEPS, HALVINGS = 8, 4
#: A field that obeys its law does so to this relative accuracy.
LAW_TOLERANCE = 1e-10
#: The highest order whose law of the norm is known in closed form.
HIGHEST_LAW = 2
Groups = Sequence[np.ndarray]


@dataclass(frozen=True, eq=False)
class NormPath:
    """Total squared norm of all groups at the steps of gradient descent with the largest step size.

    ``times`` (m,); ``descent`` (m,) measured; ``recursion`` (m,) from the exact law of one step; ``motion`` maps an
    order to the equation of motion's, (m,).
    """

    times: np.ndarray
    descent: np.ndarray
    recursion: np.ndarray
    motion: dict[int, np.ndarray]


@dataclass(frozen=True, eq=False, repr=False)
class Scale(OfTraining):
    """The norm of scale-invariant weights on a training run.

    ``orders`` holds for each order the errors of the squared norms, ‖·‖₂ over all groups, against the step size;
    ``law_defects`` how far the kernel's field is from the law of each order at the path's ends, relative.
    """

    training: Setting
    weight_decay: float
    groups: int
    orders: tuple[OrderRecord, ...]
    law_defects: dict[int, float]
    path: NormPath

    @property
    def effective_learning_rates(self) -> np.ndarray:
        """η/N along the path of gradient descent, (m,), N the mean over the groups."""
        return self.eta / (self.path.descent / self.groups)

    @property
    def passed(self) -> bool:
        """Whether the errors of the norm fall as they should, and all laws hold."""
        laws = all(defect <= LAW_TOLERANCE for defect in self.law_defects.values())
        return laws and all(record.passed for record in self.orders)

    def rate(self, norms: np.ndarray) -> float:
        """Mean decay rate of a norm along the path; negative where it grows."""
        return float(-np.log(norms[-1] / norms[0]) / self.path.times[-1])

    drawn_by = "eomsym.verification.figures.scale_figure"

    @property
    def summary(self) -> str:
        """The model, the number of groups and how each order ended."""
        found = ", ".join(f"{record.order} {record.verdict}" for record in self.orders)
        return f"{self.training}, {self.groups} groups, orders {found}"

    def column_values(self) -> dict[str, Any]:
        """One row a recorded time: squared norms measured, by the exact law, and of each order."""
        path = self.path
        measured = {"time": path.times, "gradient_descent": path.descent, "exact_law": path.recursion}
        return measured | {f"order_{order}": norms for order, norms in path.motion.items()}

    def report(self) -> list[str | Table]:
        """What was trained, a row for each order, and why an order is not verified."""
        path = self.path
        head = ["order", "squared norm\nat the end", "slope of\nits error", "measured /\npredicted", "law holds\nto"]
        rows = [
            [
                *(str(record.order), f"{path.motion[record.order][-1]:.6f}"),
                *(fixed(record.slope), fixed(record.extrapolated_ratio)),
                small(self.law_defects[record.order]) if record.order in self.law_defects else "",
            ]
            for record in self.orders
        ]
        return [
            f"{self.training}\n"
            f"{self.groups} scale-invariant groups, eta {self.eta:g} and halves, "
            f"time {path.times[-1]:g}\n"
            f"squared norm {path.descent[0]:.6f} to {path.descent[-1]:.6f}, by the exact law {path.recursion[-1]:.6f}",
            Table(head, rows, boxed=True),
            *(f"order {record.order}: {record.reason}" for record in self.orders if record.reason),
        ]

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of ``layers scale`` as plain values."""
        measured = self.rate(self.path.descent)
        rates = {order: self.rate(norms) for order, norms in self.path.motion.items()}
        names = ("expected_slope", "slope", "local_slopes", "etas", "error_ratio", "passed", "reason")
        return {
            **self.entries("optimizer", "model", "dataset", "seed", "eta", "weight_decay", "groups"),
            "measured_rate": measured,
            "exact_rate": self.rate(self.path.recursion),
            "predictions": [
                {
                    "order": record.order,
                    "rate": rates[record.order],
                    "error": abs(rates[record.order] - measured),
                    **record.entries(*names),
                    "norm_errors": list(record.errors),
                    "law_defect": self.law_defects.get(record.order),
                }
                for record in self.orders
            ],
            "slope": [plain(record.slope) for record in self.orders],
            "norm_path": {
                "times": plain(self.path.times),
                "gradient_descent": plain(self.path.descent),
                "exact_law": plain(self.path.recursion),
                "orders": [
                    {"order": order, "squared_norms": plain(norms)} for order, norms in self.path.motion.items()
                ],
                "effective_learning_rates": plain(self.effective_learning_rates),
            },
            "passed": self.passed,
        }


def scale(training: Training, orders: Iterable[int] = range(3), *, progress: Progress | None = None) -> Scale:
    """Train a normalised network and compare the norms of its scale-invariant weights with each order's.

    The training's network has a normalisation and a weight decay, 0.01 say.  Its learning rate is the largest step
    size, by default with ``η max|λ| = 0.8``; it is halved four times.  ``progress(done, total)`` is called after each
    order.
    Raises ``InputError`` for a bad value, a rule that is no gradient descent, or a network without normalisation or
    weight decay; ``IntegrationError`` if training diverges.
    """
    listed = check_orders(orders)
    training.check_descent("the norm of normalised weights")
    model, largest = network_of(training, "a layer before a normalisation"), training.eta
    weight_decay, groups = check_positive("weight_decay", model.weight_decay), scale_invariant(model)
    if largest is not None and largest * weight_decay >= 1:
        raise InputError(f"eta {largest!r}: times weight_decay it is {largest * weight_decay:.3g}; give less than 1")
    kernel, theta, data = training.kernel(max(listed) + 1), training.theta, training.data
    weights = Weights(kernel, theta, groups, weight_decay, data)
    with threadpool_limits(limits=1, user_api="blas"):
        if largest is None:
            largest = default_etas(spectral_radius(kernel, theta, data))[0]
        records = weights.records([largest / 2**k for k in range(HALVINGS + 1)], listed, progress)
        path, points = weights.path(largest, listed)
        defects = {
            order: max(weights.law_defect(point, largest, order) for point in points)
            for order in listed
            if order <= HIGHEST_LAW
        }
    return Scale(
        training=replace(training.setting, eta=largest),
        weight_decay=weight_decay,
        groups=len(groups),
        orders=records,
        law_defects=defects,
        path=path,
    )


@dataclass(frozen=True, eq=False)
class Weights:
    """Scale-invariant groups of weights in a loss with weight decay, from the start of a run."""

    kernel: FieldKernel
    theta: np.ndarray
    groups: Groups
    weight_decay: float
    data: Data

    def squares(self, theta: np.ndarray) -> np.ndarray:
        """The squared norm of each group."""
        return np.array([math.fsum(theta[group] ** 2) for group in self.groups])

    def law(self, theta: np.ndarray, eta: float, order: int) -> np.ndarray:
        """Ṅ of each group in the equation of motion of order 0, 1 or 2, by gradients and one Hessian-vector product.

        The kernel's gradient includes weight decay; its own counter terms are not used.
        Raises ``InputError`` for a higher order, whose law is not known in closed form.
        """
        if order not in range(HIGHEST_LAW + 1):
            raise InputError(f"order {order!r}: the law of the norm is known to order {HIGHEST_LAW}; give 0, 1 or 2")
        decay, q_all = self.weight_decay, self.kernel.gradient(theta, *self.data) - self.weight_decay * theta
        speeds: list[float] = []
        for group in self.groups:
            square, push = math.fsum(theta[group] ** 2), math.fsum(q_all[group] ** 2)
            speed = -2 * decay * square
            if order >= 1:
                speed += eta * (push - decay**2 * square)
            if order >= 2:
                other = theta.copy()
                other[group] = 0.0
                vector = q_all + decay * other
                curved = self.kernel.hessian_vector(theta, vector, *self.data) - decay * vector
                speed += eta**2 * (float(q_all[group] @ curved[group]) - 2 / 3 * decay**3 * square)
            speeds.append(speed)
        return np.array(speeds)

    def law_defect(self, theta: np.ndarray, eta: float, order: int) -> float:
        """How far ``2 w·ẇ`` of the kernel's field is from the law, relative to the largest Ṅ: round-off only.

        Raises ``InputError`` for the kernel of another rule than descent, of which the law is.
        """
        check_descent(self.kernel, "held against its law")
        law, field = self.law(theta, eta, order), self.kernel.field(theta, eta, *self.data, order=order)
        speeds = np.array([2 * theta[group] @ field[group] for group in self.groups])
        return float(np.abs(speeds - law).max() / np.abs(law).max())

    def records(
        self, etas: Sequence[float], orders: Sequence[int], progress: Progress | None
    ) -> tuple[OrderRecord, ...]:
        """Errors of the squared norms after 8 of the largest steps, for each order and step size."""
        kernel, theta, data, time = self.kernel, self.theta, self.data, STEPS * etas[0]
        prediction = predict_discretization_error(kernel, theta, time, orders, data, accuracy=1e-5)
        ends = [run_optimizer(kernel, theta, eta, round(time / eta), data) for eta in etas]
        records = []
        for order, coefficient in counted(list(zip(orders, prediction.coefficients, strict=True)), progress):
            # N moves by 2 w·E where w moves by E.
            slope = np.linalg.norm([2 * prediction.theta[group] @ coefficient[group] for group in self.groups])
            errors, floors = [], []
            for eta, end in zip(etas, ends, strict=True):
                accuracy = max(1e-4 * prediction.error(order, eta), 1e-15 * float(np.linalg.norm(end.theta)))
                motion = integrate_equation_of_motion(kernel, theta, eta, time, data, order=order, accuracy=accuracy)
                errors.append(float(np.linalg.norm(self.squares(motion.theta) - self.squares(end.theta))))
                floors.append(2 * float(np.linalg.norm(end.theta)) * (motion.error_estimate + end.error_estimate))
            predicted = tuple(float(slope * eta ** (order + 1)) for eta in etas)
            records.append(OrderRecord(order, tuple(etas), tuple(errors), predicted, tuple(floors)))
        return tuple(records)

    def path(self, eta: float, orders: Sequence[int]) -> tuple[NormPath, tuple[np.ndarray, np.ndarray]]:
        """Total squared norms along 8 steps, and the first and last point of gradient descent."""
        points = optimizer_path(self.kernel, self.theta, eta, STEPS, self.data)
        descent = np.array([self.squares(point).sum() for point in points])
        recursion = [descent[0]]
        for point in points[:-1]:
            q = self.kernel.gradient(point, *self.data) - self.weight_decay * point
            recursion.append((1 - eta * self.weight_decay) ** 2 * recursion[-1] + eta**2 * sum(self.squares(q)))
        motion = {order: self._norms(eta, order) for order in orders}
        return NormPath(eta * np.arange(STEPS + 1), descent, np.array(recursion), motion), (points[0], points[-1])

    def _norms(self, eta: float, order: int) -> np.ndarray:
        """The same along the equation of motion of an order, (steps + 1,)."""
        point, norms = self.theta, [self.squares(self.theta).sum()]
        for _ in range(STEPS):
            path = integrate_equation_of_motion(self.kernel, point, eta, eta, self.data, order=order, accuracy=1e-10)
            point = path.theta
            norms.append(self.squares(point).sum())
        return np.array(norms, dtype=np.float64)
