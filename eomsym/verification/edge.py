"""Which description of gradient descent holds at some weights, how near each is over two steps, and what it costs."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from eomsym.dynamics import even_steps, integrate_equation_of_motion, largest_eigenvalue
from eomsym.dynamics.differentials import SeriesKernel
from eomsym.dynamics.kernel import Data
from eomsym.dynamics.kernel_rule import check_descent
from eomsym.errors import InputError, IntegrationError, ResummationWarning
from eomsym.result import Result

#: Up to which ηλ each description is the one to take: beyond its end terms or signs speak against it.
HOLDS = ((0.5, "series"), (1.0, "resummed"), (2.0, "even-step"), (math.inf, "even-step, at the edge"))
#: Order of the even-step equation that is tried.
EVEN_ORDER = 2
#: Error allowed in a step of the integrator over the length of the first step: what is told is no smaller.
ACCURACY = 1e-7
#: Calls of which the fastest counts.
CALLS = 4


@dataclass(frozen=True, repr=False)
class EdgePoint(Result):
    """``product`` is η times the largest curvature; ``holds`` the description to take.

    ``errors`` has by description the distance of its flow to the iterate after two steps, over the distance moved, NaN
    where it leaves the numbers; ``costs`` a value of its field in gradients, as timed here or, where it is made of
    gradients, counted.
    """

    step: int
    product: float
    holds: str
    errors: dict[str, float]
    costs: dict[str, float]

    def column_values(self) -> dict[str, Any]:
        """One row for each description."""
        costs = [self.costs[name] for name in self.errors]
        return {"description": list(self.errors), "error": list(self.errors.values()), "cost": costs}


def edge_point(
    kernel: SeriesKernel, theta: np.ndarray, eta: float, data: Data = (), order: int | None = None, step: int = 0
) -> EdgePoint:
    """What holds at ``theta`` (d,) for gradient descent at this η: the series to ``order``, resummed, or even steps.

    Raises ``InputError`` for a bad value or the kernel of another rule, ``IntegrationError`` if gradient descent itself
    leaves the numbers.
    """
    check_descent(kernel, "looked at")
    order = kernel.order if order is None else order
    product = eta * largest_eigenvalue(kernel, theta, data)
    middle = theta - eta * kernel.gradient(theta, *data)
    end = middle - eta * kernel.gradient(middle, *data)
    moved = float(np.linalg.norm(end - theta))
    if not 0 < moved < math.inf:
        raise IntegrationError(f"edge: gradient descent moves by {moved:g} in two steps; take another theta or eta")
    allowed = ACCURACY * float(np.linalg.norm(middle - theta))

    def series(resum: bool) -> np.ndarray:
        found = integrate_equation_of_motion(
            kernel, theta, eta, 2 * eta, data, order=order, accuracy=allowed, resum=resum
        )
        return np.asarray(found.theta)

    def even() -> np.ndarray:
        return even_steps(kernel, theta, eta, 2, data, order=EVEN_ORDER, tolerance=ACCURACY).state(2)

    flows = {"series": lambda: series(False), "resummed": lambda: series(True), "even-step": even}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResummationWarning)  # what it says is said here in numbers
        errors = {name: _distance(flow, end) / moved for name, flow in flows.items()}
        gradient = _shortest_seconds(lambda: kernel.gradient(theta, *data))
        rows = _shortest_seconds(lambda: kernel.field(theta, eta, *data, order=order))
        resummed = _shortest_seconds(lambda: kernel.field(theta, eta, *data, order=order, resum=True))
    costs = {"series": rows / gradient, "resummed": resummed / gradient, "even-step": EVEN_ORDER + 1.0}
    holds = next(name for limit, name in HOLDS if product < limit)
    return EdgePoint(step, product, holds, errors, costs)


def _distance(flow: Callable[[], np.ndarray], end: np.ndarray) -> float:
    try:
        return float(np.linalg.norm(flow() - end))
    except (InputError, IntegrationError):
        return math.nan


def _shortest_seconds(call: Callable[[], object]) -> float:
    """The fastest of a few: others may use the processor too."""
    found = []
    for _ in range(CALLS):
        begin = perf_counter()
        call()
        found.append(perf_counter() - begin)
    return min(found)
