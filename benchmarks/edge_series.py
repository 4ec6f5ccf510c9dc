"""The resummed series below ηλ = 1, beside other ways to accelerate it; and a stable run beyond."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from benchmarks import logarithms
from benchmarks.edge_figure import series_figure
from benchmarks.edge_problems import GivenUp, Problem, follow_rate
from eomsym.codegen import KernelSpec, kernel_for
from eomsym.dynamics.spectrum import largest_eigenvalue
from eomsym.models import MLP, dataset
from eomsym.step_index import resummed

#: η times the largest curvature, and the orders.
PRODUCTS, ORDERS = (0.1, 0.3, 0.6, 0.8, 0.9, 1.0, 1.2), (2, 4, 6, 8, 10, 12)
#: A flow over one step that takes more evaluations is given up.
MOST_EVALUATIONS = 400
Sum = Callable[[list[np.ndarray]], np.ndarray]


def plain(terms: list[np.ndarray]) -> np.ndarray:
    return np.sum(terms, axis=0)


def reduced_rank(terms: list[np.ndarray]) -> np.ndarray:
    return np.asarray(resummed([[term] for term in terms]).value[0])


def vector_epsilon(terms: list[np.ndarray]) -> np.ndarray:
    """Wynn's algorithm with Samelson's inverse v/‖v‖² (Wynn 1962), its last even column."""
    column, before = list(np.cumsum(terms, axis=0)), [np.zeros_like(terms[0])] * (len(terms) + 1)
    best = column[-1]
    for number in range(1, len(terms)):
        differences = [b - a for a, b in pairwise(column)]
        if any(not np.any(d) for d in differences):
            break
        following = [c + d / (d @ d) for c, d in zip(before[1:], differences, strict=False)]
        before, column = column, following
        if number % 2 == 0:
            best = column[-1]
    return best


def pade_on(directions: np.ndarray) -> Sum:
    """Along the leading eigenvectors the scalar ε-algorithm, which is Padé's approximant; the plain sum elsewhere."""

    def sum_of(terms: list[np.ndarray]) -> np.ndarray:
        total = plain(terms)
        for direction in directions.T:
            series = [np.array([term @ direction]) for term in terms]
            total = total + (vector_epsilon(series)[0] - plain(series)[0]) * direction
        return total

    return sum_of


def resummation(folder: Path | None = None) -> None:
    """After 200 steps, the defect of the flow over one step, over the step: every way and order on iris, and on digits
    order 10; drawn into the folder.
    """
    small = prepared(iris(), MLP([4, 9, 3], "gelu", "cross-entropy"), max(ORDERS))
    tracked = small.leading(5)
    ways = {"plain": plain, "reduced rank": reduced_rank, "epsilon": vector_epsilon, "Pade on 5": pade_on(tracked)}
    print(f"\niris after 200 steps, largest curvature {small.curvature:.3f}: defect of one step, by order {ORDERS}")
    drawn: dict[str, dict[float, list[float | None]]] = {}
    for product in PRODUCTS:
        for name, sum_of in ways.items():
            found = [small.defect(product, order, sum_of) for order in ORDERS]
            drawn.setdefault(name, {})[product] = found
            told = small.estimates(product, 10) if name == "reduced rank" else ""
            print(f"{product:4} {name:20} {' '.join(map(_cell, found))} {told}", flush=True)
    if folder is not None:
        series_figure(drawn, 10, ORDERS.index(10), folder)
    large = prepared(dataset("digits").arrays, MLP([64, 32, 10], "tanh", "cross-entropy"), 10)
    print(f"\ndigits after 200 steps, largest curvature {large.curvature:.3f}: defect of one step at order 10")
    for product in (0.6, 0.8, 0.9, 1.0):
        values = [large.defect(product, 10, sum_of) for sum_of in (plain, reduced_rank)]
        gain = "" if None in values else f"plain over resummed {values[0] / values[1]:.3g}"  # type: ignore[operator]
        print(f"{product:4} {' '.join(map(_cell, values))} {gain} {large.estimates(product, 10)}", flush=True)


def _cell(value: float | None) -> str:
    return "   –   " if value is None else f"{value:.1e}"


@dataclass(frozen=True, eq=False)
class Prepared:
    """A kernel, its data, and a place."""

    kernel: Any
    data: Any
    theta: np.ndarray
    curvature: float

    def leading(self, count: int) -> np.ndarray:
        """Eigenvectors of the largest eigenvalues of the Hessian, (d, count)."""
        basis = np.linalg.qr(np.random.default_rng(0).standard_normal((self.theta.size, count)))[0]
        for _ in range(60):
            images = [self.kernel.hessian_vector(self.theta, v, *self.data) for v in basis.T]
            basis = np.linalg.qr(np.stack(images, axis=1))[0]
        return basis

    def defect(self, product: float, order: int, sum_of: Sum) -> float | None:
        """Of the flow over time η, over the step; None if its integration takes too long."""
        eta = product / self.curvature
        step = -eta * self.kernel.gradient(self.theta, *self.data)
        end = one_step(self.kernel, self.theta, eta, order, self.data, sum_of)
        return None if end is None else float(np.linalg.norm(end - self.theta - step) / np.linalg.norm(step))

    def estimates(self, product: float, order: int) -> str:
        """Of ηλ and of the error of the resummed field, relative; and what resumming costs beside the rows."""
        eta = product / self.curvature
        rows, seconds = timed(lambda: self.kernel.counterterms(self.theta, *self.data, order=order))
        found, more = timed(lambda: resummed([[-(eta**k) * row] for k, row in enumerate(rows)]))
        error = found.error / np.linalg.norm(found.value[0])
        return f"growth {found.growth:.2f}, error estimate {error:.0e}, cost {more / seconds:.3f} of the call"


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """What it returns, and the shortest of five times."""
    best = np.inf
    for _ in range(5):
        begin = time.perf_counter()
        found = call()
        best = min(best, time.perf_counter() - begin)
    return found, best


def iris() -> tuple[np.ndarray, np.ndarray]:
    """Standardised."""
    from sklearn.datasets import load_iris

    inputs, labels = load_iris(return_X_y=True)
    return (inputs - inputs.mean(0)) / inputs.std(0), labels.astype(np.int64)


def prepared(data: Any, model: MLP, order: int) -> Prepared:
    """After 200 steps of gradient descent at η = 0.1."""
    kernel = kernel_for(KernelSpec(model, order))
    theta = model.initial(0)
    for _ in range(200):
        theta = theta - 0.1 * kernel.gradient(theta, *data)
    return Prepared(kernel, data, theta, largest_eigenvalue(kernel, theta, data))


def one_step(kernel: Any, theta: np.ndarray, eta: float, order: int, data: Any, sum_of: Sum) -> np.ndarray | None:
    """Where the flow is after time η; None if that takes too long."""
    calls = 0

    def rate(_: float, point: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls > MOST_EVALUATIONS:
            raise GivenUp
        rows = kernel.counterterms(point, *data, order=order)
        return sum_of([-(eta**k) * row for k, row in enumerate(rows)])

    allowed = 1e-12  # far below what the sums leave
    try:
        return np.asarray(solve_ivp(rate, (0, eta), theta, method="DOP853", rtol=allowed, atol=allowed).y[:, -1])
    except GivenUp:
        return None


def stable_run() -> None:
    """Iris with weight decay, ηλ between 1.2 and 1.9 throughout: single steps beside two at once, by order."""
    data = iris()
    model = MLP([4, 6, 3], "tanh", "cross-entropy", weight_decay=0.05)
    problem = Problem("iris, 4-6-3 tanh, decay 0.05", model, data, model.initial(0), STABLE_ETA, 40)
    for _ in range(STABLE_BEFORE):
        problem.theta[:] -= STABLE_ETA * problem.gradient(problem.theta)
    # Kicked along the steepest direction, so that there is something that alternates.
    hessian = np.array([problem.kernel.hessian_vector(problem.theta, e, *data) for e in np.eye(model.size)])
    problem.theta[:] += 0.15 * np.linalg.eigh((hessian + hessian.T) / 2)[1][:, -1]
    products = [problem.eta * largest_eigenvalue(problem.kernel, theta, data) for theta in problem.run[:41]]
    print(
        f"\n{problem.name}, eta {problem.eta}: eta lambda {min(products):.2f} to "
        f"{max(products):.2f}; distance to the iterates at 4, 12, 20, 40"
    )
    for stride, way in ((2, "plain"), (2, "subspace"), (1, "plain")):
        for order in range(5):
            found = follow_rate(
                problem, getattr(logarithms, way)(order, stride), False, 1e-6, midpoints=False, most=1e4
            )
            cells = " ".join(f"{found.distances[k]:.1e}" for k in (0, 2, 4, 9) if k < len(found.distances))
            print(f"stride {stride}, {way:9} order {order}: {cells} {found.ended}", flush=True)


STABLE_ETA, STABLE_BEFORE = 1.25, 40
