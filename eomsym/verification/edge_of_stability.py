"""``edge``: which description of a training holds at some weights, how near each is over two steps, and what it costs.

That depends on η times the sharpness λ_max, the largest eigenvalue of the Hessian: to 1/2 the series in η, to 1 what it
is resummed to, beyond that the even-step equation.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from eomsym.dynamics import even_steps, integrate_equation_of_motion
from eomsym.dynamics.differentials import SeriesKernel
from eomsym.dynamics.even_steps import follow_even_steps
from eomsym.dynamics.kernel import Data
from eomsym.dynamics.motion import WholeMotion
from eomsym.dynamics.runs import StateMap, run_states
from eomsym.dynamics.setting import HEAD, OfTraining, Setting
from eomsym.dynamics.spectrum import largest_eigenvalue
from eomsym.errors import InputError, IntegrationError, ResummationWarning
from eomsym.result import Table
from eomsym.verification.compare import check_moving, map_of
from eomsym.verification.training import Training

#: Up to which ηλ each description is the one to take: beyond its end terms or signs speak against it.
HOLDS = ((0.5, "series"), (1.0, "resummed"), (2.0, "even-step"), (math.inf, "even-step, at the edge"))
#: Order of the even-step equation that is tried.
EVEN_ORDER = 2
#: Error allowed in a step of the integrator over the length of the first step: what is told is no smaller.
ACCURACY = 1e-7
#: Calls of which the fastest counts.
CALLS = 4
#: The head of what is measured on a kernel alone.
OF_DESCENT = Setting("gradient-descent")


@dataclass(frozen=True, repr=False)
class Edge(OfTraining):
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
    training: Setting = OF_DESCENT

    told = (*HEAD, "step", "product", "holds", "errors", "costs")

    def column_values(self) -> dict[str, Any]:
        """One row for each description."""
        costs = [self.costs[name] for name in self.errors]
        return {"description": list(self.errors), "error": list(self.errors.values()), "cost": costs}

    def report(self) -> Sequence[str | Table]:
        """Which holds, and a row for each."""
        head = [f"{self.training}, eta = {self.eta:g}"] if self.eta is not None else []
        told = f"step {self.step}, eta times sharpness {self.product:.3g}: {self.holds} holds"
        return [*head, told, *super().report()]


def edge(training: Training, *, order: int = 2, after: int = 0) -> Edge:
    """Say which description of a training holds after ``after`` steps, how near each is over two steps, at what cost.

    Of gradient descent they are the series to ``order``, the same resummed, and the even-step equation; of other rules
    the look-ahead field of that order and the even-step equation of the whole state, of which the nearer is taken.
    Raises ``InputError`` for a bad value, ``IntegrationError`` if the run itself leaves the numbers.
    """
    eta = training.rate("the edge")
    with threadpool_limits(limits=1, user_api="blas"):
        whole = map_of(training, "the edge")
        if training.is_descent:
            kernel = training.kernel(training.within(order), "the edge")
            start = run_states(whole, max(1, after))[after]
            found = edge_at(kernel, start, eta, training.data, order, after)
        else:
            found = _of_map(training, whole, eta, order, after)
        return replace(found, training=training.setting)


def _of_map(training: Training, whole: StateMap, eta: float, order: int, after: int) -> Edge:
    """The same of any map on its whole state."""
    kernel = training.kernel(training.within(1), "the edge")
    check_moving(whole, kernel)
    after = max(after, whole.first)
    states = run_states(whole, 2, after)
    thetas = states[:, : whole.size]
    begun = replace(whole, start=states[0], first=0)
    flows = {
        "look-ahead": lambda: WholeMotion(begun).path(order, states, ACCURACY).states[-1],
        "even-step": lambda: follow_even_steps(begun, 2, EVEN_ORDER, tolerance=ACCURACY).state(2)[: whole.size],
    }
    errors = _errors(flows, thetas, "the run")
    if all(map(math.isnan, errors.values())):
        raise IntegrationError(
            f"edge: no description goes through two steps from step {after}, as where a memory that stands below a "
            f"root is zero; begin later, with after = {after + 5}"
        )
    product = eta * largest_eigenvalue(kernel, thetas[0], training.data)
    holds = min(errors, key=lambda name: (math.isnan(errors[name]), errors[name]))
    costs = {"look-ahead": order + 1.0, "even-step": EVEN_ORDER + 1.0}
    return Edge(after, product, holds, errors, costs)


def edge_at(kernel: SeriesKernel, theta: np.ndarray, eta: float, data: Data, order: int, step: int = 0) -> Edge:
    """Says what holds at ``theta`` (d,) for gradient descent at this η: series to ``order``, resummed, or even steps.

    Raises ``IntegrationError`` if gradient descent itself leaves the numbers.
    """
    product = eta * largest_eigenvalue(kernel, theta, data)
    middle = theta - eta * kernel.gradient(theta, *data)
    end = middle - eta * kernel.gradient(middle, *data)
    allowed = ACCURACY * float(np.linalg.norm(middle - theta))

    def series(resum: bool) -> np.ndarray:
        found = integrate_equation_of_motion(
            kernel, theta, eta, 2 * eta, data, order=order, accuracy=allowed, resum=resum
        )
        return np.asarray(found.theta)

    flows = {
        "series": lambda: series(False),
        "resummed": lambda: series(True),
        "even-step": lambda: even_steps(kernel, theta, eta, 2, data, order=EVEN_ORDER, tolerance=ACCURACY).state(2),
    }
    errors = _errors(flows, (theta, middle, end), "gradient descent")
    gradient = _shortest_seconds(lambda: kernel.gradient(theta, *data))
    rows = _shortest_seconds(lambda: kernel.field(theta, eta, *data, order=order))
    resummed = _shortest_seconds(lambda: kernel.field(theta, eta, *data, order=order, resum=True))
    costs = {"series": rows / gradient, "resummed": resummed / gradient, "even-step": EVEN_ORDER + 1.0}
    holds = next(name for limit, name in HOLDS if product < limit)
    return Edge(step, product, holds, errors, costs)


def _errors(
    flows: Mapping[str, Callable[[], np.ndarray]], thetas: Sequence[np.ndarray] | np.ndarray, what: str
) -> dict[str, float]:
    """Distance of each flow to the end of the two steps over the distance moved; NaN where it leaves the numbers."""
    start, _, end = thetas
    moved = float(np.linalg.norm(end - start))
    if not 0 < moved < math.inf:
        raise IntegrationError(f"edge: {what} moves by {moved:g} in two steps; take another theta or eta")
    errors = {}
    for name, flow in flows.items():
        try:
            with warnings.catch_warnings(action="ignore", category=ResummationWarning):  # it is said in numbers
                errors[name] = float(np.linalg.norm(flow() - end)) / moved
        except (InputError, IntegrationError):
            errors[name] = math.nan
    return errors


def _shortest_seconds(call: Callable[[], object]) -> float:
    """The fastest of a few: others may use the processor too."""
    seconds = []
    with warnings.catch_warnings(action="ignore", category=ResummationWarning):
        for _ in range(CALLS):
            begin = perf_counter()
            call()
            seconds.append(perf_counter() - begin)
    return min(seconds)
