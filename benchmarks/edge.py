"""Beyond ηλ = 1, measured: ``python -m benchmarks.edge [--only SECTIONS] [--figure FOLDER]``; under ten minutes.

Every figure of docs/edge.md comes from here.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import logarithms
from benchmarks.central_flow import central_flow
from benchmarks.edge_figure import draw
from benchmarks.edge_problems import (
    MOST_GRADIENTS,
    Counter,
    Followed,
    Problem,
    adam,
    digits,
    follow_points,
    follow_rate,
    heavy_ball,
    minute,
)
from benchmarks.edge_series import resummation, stable_run

#: What is kept may take more gradients for a step of the run than what is tried beside it.
KEPT = 60


def row(name: str, found: Followed, floor: str = "") -> None:
    cells = " ".join(f"{value:8.1e}" for value in found.distances)
    ended = f"  {found.ended} after that" if found.ended else ""
    print(f"{name:34} {found.gradients:6.1f} {found.seconds:6.1f}  {cells}{ended}", flush=True)


def head(problem: Problem) -> None:
    moved = np.linalg.norm(problem.run[problem.steps] - problem.run[0])
    print(f"\n{problem.name}: eta {problem.eta:g}, {problem.steps} steps, moved {moved:.2g}; distance to the midpoints")
    print(f"{'':34} {'grads':>6} {'s':>6}  " + " ".join(f"{step:8d}" for step in problem.times))


def centre_of(problem: Problem, tracked: int, substeps: int) -> Callable[[Counter], Iterator[np.ndarray]]:
    """Central flow's own centre."""
    return lambda gradient: (
        point.theta for point in central_flow(gradient, problem.theta, problem.eta, tracked, substeps)
    )


def again(problem: Problem) -> Followed:
    """The run once more from θ_0 (1 + 1e−15): what round-off makes of it."""

    def points(gradient: Counter) -> Iterator[np.ndarray]:
        here = problem.theta * (1 + 1e-15)
        while True:
            after = here - problem.eta * gradient(here)
            yield (here + 2 * after + after - problem.eta * problem.gradient(after)) / 4
            here = after

    return follow_points(problem, points)


def compare(problem: Problem, brief: bool = False, orders: Sequence[int] = (2, 3, 4, 5)) -> None:
    """Gradient descent: flows beside the run."""
    head(problem)
    flow = partial(follow_rate, problem)
    row("the run again, from 1e-15 beside", again(problem))
    row("gradient flow", flow(logarithms.plain(0, 1), False))
    if not brief:
        row("stride 1, order 2", flow(logarithms.plain(2, 1), False))
        row("stride 1, order 6, accelerated", flow(logarithms.accelerated_single(6), False))
        row("central flow, 2 directions, 4/step", follow_points(problem, centre_of(problem, 2, 4)))
        row("central flow, 3 directions, 1/step", follow_points(problem, centre_of(problem, 3, 1)))
    row("central flow, 2 directions, 1/step", follow_points(problem, centre_of(problem, 2, 1)))
    for order in (1,) if brief else (0, 1, 4):
        row(f"even-step, plain, order {order}", flow(logarithms.plain(order), True))
    for order in orders:
        row(f"even-step, subspace, order {order}", flow(logarithms.subspace(order), True, most=KEPT))


def which_logarithm() -> None:
    """Everything that was tried, on the one-minute example."""
    problem = minute()
    head(problem)
    flow = partial(follow_rate, problem, alternates=True)
    through, of_states = logarithms.through, logarithms.of_states
    tried = {
        **{f"plain sum, order {n}": logarithms.plain(n) for n in (0, 1, 2, 4, 6)},
        **{f"extrapolated, order {n}": of_states(logarithms.accelerated, n) for n in (4, 6)},
        **{f"rational 2(r-1)/(r+1), order {n}": of_states(through(logarithms.pade), n) for n in (2, 4)},
        **{f"span of F^2, everywhere, order {n}": of_states(through(logarithms.exact), n) for n in (2, 4)},
        "span of F^2, symmetric, order 3": of_states(through(logarithms.exact, symmetric=True), 3),
        **{f"span of F^2, order {n}": of_states(through(logarithms.doubted), n) for n in (2, 3, 4)},
        "2 eigenvectors, plain, order 2": logarithms.by_direction(Counter(problem.gradient), problem.eta, 2),
        **{f"subspace, order {n}": logarithms.subspace(n) for n in (1, 2, 3, 4, 5, 6)},
    }
    for name, rate_of in tried.items():
        row(name, flow(rate_of, most=KEPT if "sub" in name else MOST_GRADIENTS))
    for tolerance in (1e-3, 1e-4, 1e-6):
        row(f"subspace, order 2, error {tolerance:g}", flow(logarithms.subspace(2), tolerance=tolerance))


def with_memory(problem: Problem, share: float, most: float) -> None:
    """Rules with a memory, on their whole state."""
    head(problem)
    flow = partial(follow_rate, problem)
    if share:
        slow_manifold(problem, share)
    for order in (0, 2, 4):
        row(f"whole state, stride 1, order {order}", flow(logarithms.plain(order, 1), True, most=most))
    for order in (0, 2):
        row(f"whole state, even-step, plain {order}", flow(logarithms.plain(order), True))
    for order in (2, 4, 6):
        row(f"whole state, subspace, order {order}", flow(logarithms.subspace(order), True, most=most))


def slow_manifold(problem: Problem, share: float) -> None:
    """Heavy ball without its memory, to orders 0 and 1 of its series; H g by a difference of gradients."""
    eta = problem.eta / (1 - share)

    def slow(order: int, gradient: Counter, theta: np.ndarray) -> np.ndarray:
        g = gradient(theta)
        if order == 0:
            return -eta * g
        length = 1e-5 / max(float(np.linalg.norm(g)), 1e-300)
        bent = (gradient(theta + length * g) - gradient(theta - length * g)) / (2 * length)
        return -eta * g - (1 + share) / (2 * (1 - share)) * eta**2 * bent

    plain = Problem(problem.name, problem.model, problem.data, problem.theta, problem.eta, problem.steps)
    plain.__dict__["run"] = problem.run
    for order in (0, 1):
        counter = Counter(problem.gradient, MOST_GRADIENTS * problem.steps)
        name = "gradient flow of eta/(1 - beta)" if order == 0 else "slow manifold, order 1"
        found = follow_rate(plain, lambda step, o=order, c=counter: partial(slow, o, c), False)
        row(name, Followed(found.distances, counter.count / problem.steps, found.seconds, found.ended))


SECTIONS: dict[str, Callable[[], None]] = {
    "resummation": resummation,
    "stable": stable_run,
    "minute": lambda: compare(minute()),
    "logarithms": which_logarithm,
    "seeds": lambda: [compare(minute(seed), brief=True, orders=(2,)) for seed in (1, 2, 3)] and None,
    "digits": lambda: compare(digits(), brief=True, orders=(2, 4)),
    "heavy-ball": lambda: with_memory(heavy_ball(), 0.9, KEPT),
    "adam": lambda: with_memory(adam(), 0.0, MOST_GRADIENTS),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.edge", description=__doc__)
    parser.add_argument("--only", default=",".join(SECTIONS), help=f"sections, out of {', '.join(SECTIONS)}")
    parser.add_argument("--figure", type=Path, help="draw the figures of the page into this folder")
    options = parser.parse_args()
    if options.figure is not None:
        options.figure.mkdir(parents=True, exist_ok=True)
    chosen = [name for name in options.only.split(",") if name]
    unknown = [name for name in chosen if name not in SECTIONS]
    if unknown:
        parser.error(f"--only: {unknown[0]!r} is no section; choose from {', '.join(SECTIONS)}")
    begin = time.perf_counter()
    with threadpool_limits(limits=1, user_api="blas"):
        for name in chosen:
            if name == "resummation":
                resummation(options.figure)
            else:
                SECTIONS[name]()
        if options.figure is not None and "minute" in chosen:
            draw(minute(), options.figure)
    print(f"\n{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
