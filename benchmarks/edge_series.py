"""The resummed series below ηλ = 1, beside other ways to accelerate it; and a stable run beyond."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from benchmarks.edge_figure import series_figure
from benchmarks.edge_problems import GivenUp, Problem, follow_rate
from benchmarks import logarithms
from eomsym.codegen import KernelSpec, kernel_for
from eomsym.dynamics import largest_eigenvalue
from eomsym.models import MLP, dataset
from eomsym.step_index import resummed

#: η times the largest curvature, and the orders.
PRODUCTS, ORDERS = (0.1, 0.3, 0.6, 0.8, 0.9, 1.0, 1.2), (2, 4, 6, 8, 10, 12)
#: A flow over one step that takes more evaluations is given up.
MOST_EVALUATIONS = 120
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
        differences = [b - a for a, b in zip(column, column[1:], strict=False)]
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
    """Digits after 200 steps: the defect of the flow over one step, over the step; drawn into the folder."""
    drawn: dict[str, dict[float, list[float | None]]] = {}
    kernel = kernel_for(KernelSpec(MLP([64, 32, 10], "tanh", "cross-entropy"), max(ORDERS)))
    data, theta = dataset("digits").arrays, kernel.model.initial(0)
    for _ in range(200):
        theta = theta - 0.1 * kernel.gradient(theta, *data)
    curvature = largest_eigenvalue(kernel, theta, data)
    hessian = lambda v: kernel.hessian_vector(theta, v, *data)  # noqa: E731
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((theta.size, 5)))[0]
    for _ in range(40):
        basis = np.linalg.qr(np.stack([hessian(v) for v in basis.T], axis=1))[0]
    ways = {"plain": plain, "reduced rank": reduced_rank, "epsilon": vector_epsilon, "Pade, 5 directions": pade_on(basis)}
    print(f"\ndigits after 200 steps, largest curvature {curvature:.3f}: defect of one step over the step, by order")
    for product in PRODUCTS:
        step = -product / curvature * kernel.gradient(theta, *data)
        growth = ""
        for name, sum_of in ways.items():
            defects: list[float | None] = []
            for order in ORDERS:
                end = one_step(kernel, theta, product / curvature, order, data, sum_of)
                defects.append(None if end is None else _defect(end, theta, step))
            drawn.setdefault(name, {})[product] = defects
            cells = ["   –   " if value is None else f"{value:.1e}" for value in defects]
            if name == "reduced rank":
                rows = kernel.counterterms(theta, *data)
                found = resummed([[-((product / curvature) ** k) * r] for k, r in enumerate(rows[:11])])
                growth = f"  growth {found.growth:.2f}, estimate {found.error / np.linalg.norm(found.value[0]):.0e}"
            print(f"{product:4} {name:20} {' '.join(cells)}{growth if name == 'reduced rank' else ''}", flush=True)
    if folder is not None:
        series_figure(drawn, 10, ORDERS.index(10), folder)


def _defect(end: np.ndarray, theta: np.ndarray, step: np.ndarray) -> float:
    return float(np.linalg.norm(end - theta - step) / np.linalg.norm(step))


def one_step(
    kernel: Any, theta: np.ndarray, eta: float, order: int, data: Any, sum_of: Sum
) -> np.ndarray | None:
    """Where the flow is after time η; None if that takes too long."""
    calls = 0

    def rate(_: float, point: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls > MOST_EVALUATIONS:
            raise GivenUp
        rows = kernel.counterterms(point, *data, order=order)
        return sum_of([-(eta**k) * row for k, row in enumerate(rows)])

    # An error far below what the plain sum leaves.
    allowed = 1e-12
    try:
        return np.asarray(solve_ivp(rate, (0, eta), theta, method="DOP853", rtol=allowed, atol=allowed).y[:, -1])
    except GivenUp:
        return None


def stable_run() -> None:
    """Iris with weight decay, ηλ between 1.2 and 1.9 throughout: single steps beside two at once, by order."""
    from sklearn.datasets import load_iris

    inputs, labels = load_iris(return_X_y=True)
    data = ((inputs - inputs.mean(0)) / inputs.std(0), labels.astype(np.int64))
    model = MLP([4, 6, 3], "tanh", "cross-entropy", weight_decay=0.05)
    problem = Problem("iris, 4-6-3 tanh, decay 0.05", model, data, model.initial(0), STABLE_ETA, 40)
    for _ in range(STABLE_BEFORE):
        problem.theta[:] -= STABLE_ETA * problem.gradient(problem.theta)
    # Kicked along the steepest direction, so that there is something that alternates.
    hessian = np.array([problem.kernel.hessian_vector(problem.theta, e, *data) for e in np.eye(model.size)])
    problem.theta[:] += 0.15 * np.linalg.eigh((hessian + hessian.T) / 2)[1][:, -1]
    products = [problem.eta * largest_eigenvalue(problem.kernel, theta, data) for theta in problem.run[:41]]
    print(f"\n{problem.name}, eta {problem.eta}: eta lambda {min(products):.2f} to {max(products):.2f}; distance to the iterates at 4, 12, 20, 40")
    for stride, way in ((2, "plain"), (2, "subspace"), (1, "plain")):
        for order in range(5):
            found = follow_rate(problem, getattr(logarithms, way)(order, stride), False, 1e-6, midpoints=False, most=1e4)
            cells = " ".join(f"{found.distances[k]:.1e}" for k in (0, 2, 4, 9) if k < len(found.distances))
            print(f"stride {stride}, {way:9} order {order}: {cells} {found.ended}", flush=True)


STABLE_ETA, STABLE_BEFORE = 1.25, 40
