"""The figures of docs/edge.md: one run through the edge, with every flow beside it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks import logarithms
from benchmarks.central_flow import central_flow
from benchmarks.edge_problems import Problem, flow_states
from eomsym.dynamics import even_steps

#: A point every so many steps.
EVERY = 10
#: What is drawn: name, colour, width.
STYLES = {
    "run": ("black", 1.0),
    "gradient flow": ("tab:gray", 1.2),
    "stride 1, order 1": ("tab:orange", 1.2),
    "stride 1, order 6, accelerated": ("tab:red", 1.2),
    "even-step, plain, order 0": ("tab:cyan", 1.2),
    "central flow": ("tab:green", 1.6),
    "even-step, subspace, order 2": ("tab:blue", 1.6),
}


def draw(problem: Problem, folder: Path) -> None:
    """``edge.png``: loss, curvatures, distance to the midpoints, amplitude."""
    times = np.arange(0, problem.steps + 1, EVERY)
    middles = np.array([problem.midpoint(step) for step in times])
    run = problem.run
    alternating = np.array([np.linalg.norm(run[k] - 2 * run[k + 1] + run[k + 2]) / 4 for k in times])
    centres = {"run": middles, **flows(problem, times)}
    path = even_steps(problem.kernel, problem.theta, problem.eta, problem.steps, problem.data)
    centres["even-step, subspace, order 2"] = np.array([path.centre(t) for t in times])
    points = list(islice(central_flow(problem.gradient, problem.theta, problem.eta), problem.steps + 1))
    centres["central flow"] = np.array([points[t].theta for t in times])
    figure = Figure(figsize=(10, 7), layout="constrained")
    (loss, curvature), (distance, amplitude) = figure.subplots(2, 2, sharex=True)
    for name, (colour, width) in STYLES.items():
        rows = centres[name]
        style = {"color": colour, "lw": width, "label": name, "zorder": 3 if width > 1.5 else 2}
        loss.plot(times[: len(rows)], [problem.kernel.loss(row, *problem.data) for row in rows], **style)
        if name in ("run", "central flow", "even-step, subspace, order 2", "gradient flow"):
            tops = np.array([largest(problem, row) for row in rows[::2]])
            curvature.plot(times[: len(rows) : 2], tops[:, 0], **style)
            curvature.plot(times[: len(rows) : 2], tops[:, 1], **{**style, "label": None, "ls": ":"})
        if name != "run":
            distance.plot(times[: len(rows)], np.linalg.norm(rows - middles[: len(rows)], axis=1), **style)
    for level, text in ((1 / problem.eta, "1/η"), (2 / problem.eta, "2/η")):
        curvature.axhline(level, color="black", lw=0.6, ls="--")
        curvature.annotate(text, (times[-1], level), xytext=(-8, 3), textcoords="offset points")
    amplitude.plot(times, alternating, color="black", lw=1.0, label="run")
    of_central = [np.sqrt(max(np.trace(points[t].covariance), 1e-300)) for t in times]
    amplitude.plot(times, of_central, color="tab:green", lw=1.6, label="central flow, (tr Σ)^½")
    own = [np.linalg.norm(path.amplitude(t)) for t in times]
    amplitude.plot(times, own, color="tab:blue", lw=1.6, label="even-step, subspace, order 2")
    loss.set(ylabel="loss", yscale="log", ylim=(0.5 * min(map(problem_loss(problem), middles)), None))
    curvature.set(ylabel="two largest eigenvalues", ylim=(0, 4 / problem.eta))
    distance.set(ylabel="distance to the midpoints", yscale="log", ylim=(1e-5, 10), xlabel="step")
    amplitude.set(ylabel="amplitude", yscale="log", ylim=(1e-6, 1), xlabel="step")
    for axes in (loss, amplitude):
        axes.legend(fontsize=7, frameon=False)
    figure.savefig(folder / "edge.png", dpi=110)


def problem_loss(problem: Problem) -> Callable[[np.ndarray], float]:
    return lambda theta: float(problem.kernel.loss(theta, *problem.data))


def flows(problem: Problem, times: np.ndarray) -> dict[str, np.ndarray]:
    """Of the flows that have no reading of their own."""
    step = problem.whole().step

    def centred(states: np.ndarray) -> np.ndarray:
        return np.array([(z + 2 * step(z) + step(step(z))) / 4 for z in states])

    with np.errstate(all="ignore"):
        accelerated = flow_states(problem, logarithms.accelerated_single(6), times[:32])
        return {
            "gradient flow": flow_states(problem, logarithms.plain(0, 1), times),
            "stride 1, order 1": flow_states(problem, logarithms.plain(1, 1), times),
            "stride 1, order 6, accelerated": accelerated,
            "even-step, plain, order 0": centred(flow_states(problem, logarithms.plain(0), times)),
        }


def largest(problem: Problem, theta: np.ndarray) -> np.ndarray:
    """The two largest eigenvalues of the Hessian, by its products with all unit vectors: there are few parameters."""
    columns = [problem.kernel.hessian_vector(theta, e, *problem.data) for e in np.eye(theta.size)]
    return np.linalg.eigvalsh((np.array(columns) + np.array(columns).T) / 2)[:-3:-1]


def series_figure(rows: dict[str, dict[float, list[float | None]]], order: int, place: int, folder: Path) -> None:
    """``edge_series.png``: the defect of one step by ηλ, at one order."""
    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axes = figure.subplots()
    for name, by_product in rows.items():
        found = [np.nan if values[place] is None else values[place] for values in by_product.values()]
        axes.plot(list(by_product), found, "o-", ms=4, label=name)  # a line ends where a sum has no value
    axes.axvline(1, color="black", lw=0.6, ls="--")
    axes.set(yscale="log", xlabel="η times the largest curvature", ylabel=f"defect of one step, order {order}")
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(folder / "edge_series.png", dpi=110)
