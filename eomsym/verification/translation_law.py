"""The layer before a softmax: what gradient flow, equation of motion and optimiser say of its weights, beside a run.

The loss f without weight decay does not change when one input's weights to all classes are moved together, so their sum
a feels the decay alone: ``a⁺ = (1 − ηλ) a`` in gradient descent, exactly (Kunin et al., Neural mechanics, ICLR 2021,
for the symmetry; the law of the equation of motion is that of ``eomsym.derivation.decay_law``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from eomsym.checks import check_integer, check_positive
from eomsym.derivation.linear_law import decay_law
from eomsym.dynamics import optimizer_path
from eomsym.dynamics.setting import OfTraining, Setting
from eomsym.errors import InputError
from eomsym.models.invariance import translation_invariant
from eomsym.result import Table
from eomsym.verification.training import Training, network_of

#: The measured rate must be the exact one to this relative accuracy.
TOLERANCE = 1e-10
#: Iterates whose sums are kept for the figure, about.
KEPT = 100


@dataclass(frozen=True)
class RatePrediction:
    """Decay rate of the equation of motion of one order, and how far it is from the optimiser's exact rate."""

    order: int
    rate: float
    error: float


@dataclass(frozen=True, eq=False, repr=False)
class Translation(OfTraining):
    """Decay of the sums over classes in the layer before a softmax, measured on a training path.

    ``times`` (m,) and ``sums`` (m, n_in + 1) are some of the path's points, the last column the biases' sum, if any;
    ``uncertainty`` is the standard error of ``measured_rate`` over these sums; ``losses`` are the first and the last.
    """

    training: Setting
    weight_decay: float
    steps: int
    measured_rate: float
    uncertainty: float
    exact_rate: float
    predictions: tuple[RatePrediction, ...]
    losses: tuple[float, float]
    times: np.ndarray
    sums: np.ndarray

    @property
    def passed(self) -> bool:
        """Whether the measured rate is the exact one."""
        return abs(self.measured_rate - self.exact_rate) <= TOLERANCE * self.exact_rate

    drawn_by = "eomsym.verification.figures.translation_figure"

    @property
    def summary(self) -> str:
        """What was trained, and the two rates."""
        rates = f"measured rate {self.measured_rate:.10g}, exact {self.exact_rate:.10g}"
        return f"{self.model} on {self.dataset}, {self.steps} steps, {rates}"

    def records(self) -> list[dict[str, Any]]:
        """One row for each order."""
        return [asdict(prediction) for prediction in self.predictions]

    def report(self) -> list[str | Table]:
        """What was trained, then the rate of each order, the exact and the measured one."""
        rows: list[list[str] | None] = []
        for found in self.predictions:
            name = "gradient flow (order 0)" if found.order == 0 else f"equation of motion, order {found.order}"
            rows.append([name, f"{found.rate:.19f}", f"{found.error:.3e}"])
        off = f"{abs(self.measured_rate - self.exact_rate):.3e}"
        rows += [None, ["-log(1 - eta lambda) / eta", f"{self.exact_rate:.19f}", ""]]
        rows.append(["measured", f"{self.measured_rate:.19f}", off])
        return [
            f"{self.training}\neta {self.eta:g}, {self.steps} steps, loss {self.losses[0]:.4f} to {self.losses[1]:.4f}",
            Table(["sums over the classes decay with", "rate", "off by"], rows, words=(0,), boxed=True),
        ]

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of ``layers translation`` as plain values."""
        return {
            **self.entries("optimizer", "model", "dataset", "seed", "eta", "weight_decay", "steps", "losses"),
            **self.entries("measured_rate", "uncertainty", "exact_rate"),
            "predictions": [
                {**asdict(prediction), "error_from_measured": abs(prediction.rate - self.measured_rate)}
                for prediction in self.predictions
            ],
            "passed": self.passed,
        }


def translation(training: Training, orders: Sequence[int] = range(4), *, steps: int = 2000) -> Translation:
    """Train by gradient descent with weight decay, and measure how fast the sums over classes decay.

    The training's network has a weight decay, 0.01 say.  The rate is ``−ln(a_k·a_0/a_0·a_0)/(kη)`` over all sums a,
    between the first and the last of ``steps`` steps.
    Raises ``InputError`` for a bad value, a rule that is no gradient descent, or a model without softmax or weight
    decay; ``IntegrationError`` if training diverges.
    """
    training.check_descent("the decay of the layer before a softmax")
    eta, model = training.rate("the decay of a layer"), network_of(training, "the layer before a softmax")
    weight_decay, steps = check_positive("weight_decay", model.weight_decay), check_integer("steps", steps, 1)
    law = decay_law(eta, weight_decay, tuple(orders))
    places = translation_invariant(model)
    kernel = training.kernel(0)
    with threadpool_limits(limits=1, user_api="blas"):
        path = optimizer_path(kernel, training.theta, eta, steps, training.data)
        losses = tuple(float(kernel.loss(path[k], *training.data)) for k in (0, -1))
    marks = sorted({round(k) for k in np.linspace(0, steps, min(steps, KEPT) + 1)})
    sums = np.array([_sums(path[k], places) for k in marks])
    rate, uncertainty = _rate(sums[0], sums[-1], steps * eta)
    return Translation(
        training=training.setting,
        weight_decay=weight_decay,
        steps=steps,
        measured_rate=rate,
        uncertainty=uncertainty,
        exact_rate=float(law.exact),
        predictions=tuple(
            RatePrediction(order, float(rate), float(error))
            for order, rate, error in zip(law.orders, law.rates, law.errors, strict=True)
        ),
        losses=(losses[0], losses[1]),
        times=eta * np.array(marks),
        sums=sums,
    )


def _sums(theta: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Sums over classes, each rounded once."""
    return np.array([math.fsum(theta[row]) for row in places])


def _rate(first: np.ndarray, last: np.ndarray, time: float) -> tuple[float, float]:
    """The decay rate between two points in time, every sum weighted by its square, and its standard error.

    The estimate is linear in the last sums, so their round-off, which has either sign, averages out.
    """
    square = math.fsum(first * first)
    ratio = math.fsum(first * last) / square
    if not ratio > 0:
        raise InputError(f"steps: the sums have gone from {square:.3g} to nothing; take less steps")
    left_over = last - ratio * first
    spread = math.sqrt(math.fsum(left_over * left_over) / (max(len(first) - 1, 1) * square))
    return -math.log(ratio) / time, spread / (ratio * time)
