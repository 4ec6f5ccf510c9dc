"""Elkabetz & Cohen 2021: a deep linear network by five step sizes, and by the equation of motion of one of them.

They take ever smaller steps to see gradient flow; here gradient flow and what separates it from the run are integrated.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

import eomsym
from benchmarks.reproductions.pages import Numbers
from eomsym.codegen import KernelSpec, kernel_for
from eomsym.drawing import line_style, order_name, panels
from eomsym.models import MLP, dataset

LAYERS, SAMPLES, SEED = (64, 50, 50, 10), 1000, 1
ETA, STEPS, RATIOS, ORDERS = 0.01, 1000, (2, 5, 10, 20), (0, 1, 2, 3)
#: Every so many steps of η.
EVERY = 20


def xavier(layers: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Uniform with bound √(6/(n_in + n_out)), as their code has it."""
    return np.concatenate([random.uniform(-1, 1, a * b) * (6 / (a + b)) ** 0.5 for a, b in pairwise(layers)])


def measure(progress: Callable[[int, int], None]) -> Numbers:
    digits = dataset("digits")
    data = tuple(array[:SAMPLES] for array in digits.arrays)
    kernel = kernel_for(KernelSpec(MLP(LAYERS, activation="identity", loss="cross-entropy", bias=False), 1))
    theta = xavier(LAYERS, np.random.default_rng(SEED))
    total, done = 1 + sum(RATIOS) + len(ORDERS) * 6, 0

    def descend(ratio: int) -> np.ndarray:
        nonlocal done
        point, kept = theta, [theta]
        for step in range(1, ratio * STEPS + 1):
            point = point - ETA / ratio * kernel.gradient(point, *data)
            if step % (ratio * EVERY) == 0:
                kept.append(point)
        done += ratio
        progress(done, total)
        return np.array(kept)

    runs = {ratio: descend(ratio) for ratio in (1, *RATIOS)}
    run = runs[1]
    moved = np.linalg.norm(run[1:] - theta, axis=1)
    found = eomsym.follow(eomsym.Training(kernel, data, eta=ETA, theta=theta), STEPS, ORDERS)
    paths = {order: path[::EVERY] for order, path in found.paths.items()}
    away = {order: np.linalg.norm(paths[order] - run, axis=1)[1:] / moved for order in ORDERS}
    brute = {ratio: np.linalg.norm(runs[ratio] - run, axis=1)[1:] / moved for ratio in RATIOS}
    to_flow = {ratio: np.linalg.norm(runs[ratio][-1] - paths[0][-1]) / moved[-1] for ratio in (1, *RATIOS)}
    return {
        "eta": ETA,
        "steps": STEPS,
        "samples": SAMPLES,
        "scaling": str(getattr(digits, "scaling", "")),
        "losses": [kernel.loss(theta, *data), kernel.loss(run[-1], *data)],
        "brute": [
            {
                "ratio": ratio,
                "gradients": ratio * STEPS,
                "distance": float(brute[ratio][-1]),
                "predicted": (1 - 1 / ratio) * float(away[0][-1]),
                "to_flow": float(to_flow[ratio]),
                "line": brute[ratio].tolist(),
            }
            for ratio in RATIOS
        ],
        "brute_gradients": (1 + sum(RATIOS)) * STEPS,
        "orders": [
            {
                "order": order,
                "gradients": found.gradients[order],
                "error": found.errors[order],
                "line": away[order].tolist(),
            }
            for order in ORDERS
        ],
        "order_gradients": sum(found.gradients.values()),
    }


def draw(numbers: Numbers) -> Figure:
    figure, (distance, cost) = panels(10, 4.2, 2)
    for index, row in enumerate(numbers["brute"]):
        steps = EVERY * np.arange(1, 1 + len(row["line"]))
        style = {"color": "black", "ls": ("-", "--", "-.", ":")[index], "lw": 0.9}
        distance.semilogy(steps, row["line"], **style, label=f"steps of η/{row['ratio']}")
        cost.loglog(row["gradients"], row["distance"], "kx")
        cost.annotate(
            f"η/{row['ratio']}", (row["gradients"], row["distance"]), xytext=(0, 6), textcoords="offset points"
        )
    for row in numbers["orders"]:
        colour, marker = line_style(row["order"])
        distance.semilogy(steps, row["line"], color=colour, label=order_name(row["order"]))
        cost.loglog(row["gradients"], row["error"], marker=marker, color=colour, ls="", label=order_name(row["order"]))
    distance.set(xlabel="step of η", title="distance to the run with η, over the distance moved", ylim=(None, 30))
    distance.legend(frameon=False, fontsize=8, ncols=2)
    cost.xaxis.set_minor_formatter(NullFormatter())
    cost.set(xlabel="gradients", title="the same at the end, against what it takes")
    cost.legend(frameon=False, fontsize=8, loc="lower left")
    return figure
