"""Beyond ηλ = 1, measured: ``python -m benchmarks.edge [--only SECTIONS] [--figure FOLDER]``; under ten minutes.

Every figure of docs/edge.md comes from here.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
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


def compare(problem: Problem, directions: int = 2, seeds: bool = False) -> None:
    """Gradient descent: flows beside the run."""
    head(problem)
    flow = partial(follow_rate, problem)
    row("the run again, from 1e-15 beside", again(problem))
    row("gradient flow", flow(logarithms.plain(0, 1), False))
    if not seeds:
        row("stride 1, order 2", flow(logarithms.plain(2, 1), False))
        row("stride 1, order 6, accelerated", flow(lambda step: lambda z: accelerated_single(step, z, 6), False))
    for substeps in (4, 1):
        name = f"central flow, {directions} directions, {substeps}/step"
        row(name, follow_points(problem, centre_of(problem, directions, substeps)))
    if not seeds:
        for order in (0, 1, 4):
            row(f"even-step, plain, order {order}", flow(logarithms.plain(order), True))
    if seeds:
        row("even-step, plain, order 1", flow(logarithms.plain(1), True))
    for order in (3,) if seeds else (2, 3, 5):
        row(f"even-step, subspace, order {order}", flow(logarithms.subspace(order), True, most=100))


def accelerated_single(step: logarithms.Rate, state: np.ndarray, order: int) -> np.ndarray:
    """The look-ahead field of single steps, resummed."""
    states = [state]
    for _ in range(order + 1):
        states.append(step(states[-1]))
    return logarithms.accelerated(np.array(states))


def which_logarithm() -> None:
    """Everything that was tried, on the one-minute example."""
    problem = minute()
    head(problem)
    flow = partial(follow_rate, problem, alternates=True)
    through, of_states = logarithms.through, logarithms.of_states
    tried = {
        **{f"plain sum, order {n}": logarithms.plain(n) for n in (0, 1, 2, 4, 6)},
        **{f"extrapolated, order {n}": of_states(logarithms.accelerated, n) for n in (4, 6)},
        **{f"rational 2(r-1)/(r+1), order {n}": of_states(through(logarithms.pade), n) for n in (2, 3, 4)},
        **{f"log everywhere, order {n}": of_states(through(logarithms.exact), n) for n in (2, 3, 4)},
        "log, symmetric, order 3": of_states(through(logarithms.exact, symmetric=True), 3),
        "stride by direction, order 2": logarithms.by_direction(Counter(problem.gradient), problem.eta, 2),
        **{f"subspace, order {n}": logarithms.subspace(n) for n in (1, 2, 3, 4, 5)},
    }
    for name, rate_of in tried.items():
        row(name, flow(rate_of, most=100 if "subspace" in name else MOST_GRADIENTS))
    for tolerance in (1e-3, 1e-4, 1e-6):
        row(f"subspace, order 3, error {tolerance:g}", flow(logarithms.subspace(3), tolerance=tolerance))


def with_memory(problem: Problem, share: float) -> None:
    """Rules with a memory, on their whole state."""
    head(problem)
    flow = partial(follow_rate, problem)
    if share:
        eta = problem.eta / (1 - share)

        def slow(order: int, gradient: Counter, theta: np.ndarray) -> np.ndarray:
            g = gradient(theta)
            if order == 0:
                return -eta * g
            length = 1e-5 / max(np.linalg.norm(g), 1e-300)
            bent = (gradient(theta + length * g) - gradient(theta - length * g)) / (2 * length)
            return -eta * g - (1 + share) / (2 * (1 - share)) * eta**2 * bent

        plain = Problem(problem.name, problem.model, problem.data, problem.theta, problem.eta, problem.steps)
        plain.__dict__["run"] = problem.run
        for order in (0, 1):
            counter = Counter(problem.gradient)
            name = "gradient flow of eta/(1 - beta)" if order == 0 else "slow manifold, order 1"
            found = follow_rate(plain, lambda step, o=order, c=counter: partial(slow, o, c), False)
            row(name, Followed(found.distances, counter.count / problem.steps, found.seconds, found.ended))
    for order in (0, 2, 4):
        row(f"whole state, stride 1, order {order}", flow(logarithms.plain(order, 1), True))
    for order in (0, 2):
        row(f"whole state, even-step, order {order}", flow(logarithms.plain(order), True))
    for stride in (1, 2):
        for order in (3,) if stride == 1 else (2, 3, 4):
            row(f"whole state, subspace {order}, stride {stride}", flow(logarithms.subspace(order, stride), True))


SECTIONS: dict[str, Callable[[], None]] = {
    "resummation": resummation,
    "stable": stable_run,
    "minute": lambda: compare(minute()),
    "logarithms": which_logarithm,
    "seeds": lambda: [compare(minute(seed), seeds=True) for seed in (1, 2, 3)] and None,
    "digits": lambda: compare(digits()),
    "heavy-ball": lambda: with_memory(heavy_ball(), 0.9),
    "adam": lambda: with_memory(adam(), 0.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.edge", description=__doc__)
    parser.add_argument("--only", default=",".join(SECTIONS), help=f"sections, out of {', '.join(SECTIONS)}")
    parser.add_argument("--figure", type=Path, help="draw the figures of the page into this folder")
    options = parser.parse_args()
    chosen = [name for name in options.only.split(",") if name]
    unknown = [name for name in chosen if name not in SECTIONS]
    if unknown:
        parser.error(f"--only: {unknown[0]!r} is no section; choose from {', '.join(SECTIONS)}")
    begin = time.perf_counter()
    with threadpool_limits(limits=1, user_api="blas"):
        for name in chosen:
            SECTIONS[name]()
        if options.figure is not None:
            draw(minute(), options.figure)
    print(f"\n{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
