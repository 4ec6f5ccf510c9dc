"""arXiv 2604.07405: how far gradient descent carries the balance of two linear layers, and with which exponent of η.

Start and data are the authors' own, drawn anew from their seeds by PyTorch as their code draws them.  Their loss is the
mean of squares over all entries: 2/K of this project's, so that their η is 2/K of the η here (K outputs).
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from threadpoolctl import threadpool_limits

from benchmarks.reproductions.pages import Numbers
from eomsym.codegen import KernelSpec, kernel_for
from eomsym.drawing import GREY, line_style, order_name, panels
from eomsym.dynamics import even_steps, integrate_equation_of_motion
from eomsym.dynamics.spectrum import largest_eigenvalue
from eomsym.models import MLP

LAYERS = INPUTS, HIDDEN, CLASSES = 20, 64, 5
SAMPLES, STEPS, SEPARATION = 200, 2000, 2.0
#: The authors' loss is so much of this project's.
SCALE = 2 / CLASSES
SEEDS = (42, 137, 256, 512, 1024)
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3)
ORDERS = (1, 2, 3, 4)
#: In output/experiments/quadratic_model of the published repository: mean drifts, means of S, exponent, its R².
PUBLISHED = {
    "drifts": (
        *(3.71488843569523e-05, 1.105274191729677e-4, 3.811642478808608e-4, 1.1607208136041435e-3),
        *(3.999854194162822e-3, 1.3422234860027516e-2, 9.722782696677257e-2, None),
    ),
    "imbalances": (
        *(3386.3906631720106, 1210.5524757467595, 377.9337419693114, 128.6082662180043),
        *(39.977754581455464, 14.908283562695539, 9.72258542430998, None),
    ),
    "exponent": 1.1035395296690615,
    "r2": 0.9926194742221008,
}
#: For slopes: this much time, in η of the authors, by so many steps.
TIME, COUNTS = 1.0, (40, 80, 160, 320, 640)
#: The integrator may err by this share of the drift in a step.
ACCURACY = 1e-6
#: Round-off of a drift, of the balance itself.
FLOOR = 3e-14


@dataclass(frozen=True)
class Problem:
    """One seed: θ = (W_1, W_2) of ``x W_1 W_2``, and the data."""

    theta: np.ndarray
    inputs: np.ndarray
    targets: np.ndarray

    @cached_property
    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """As many samples as inputs with the same gradient, which has the data in XᵀX and XᵀY only: by X = QR."""
        rotation, inputs = np.linalg.qr(self.inputs)
        scale = (INPUTS / SAMPLES) ** 0.5
        return np.ascontiguousarray(scale * inputs), np.ascontiguousarray(scale * rotation.T @ self.targets)


def problem(seed: int) -> Problem:
    """The random numbers in the authors' order: two layers, centres, samples class by class, a permutation."""
    import torch

    torch.manual_seed(seed)
    layers = [torch.nn.Linear(*sizes, bias=False) for sizes in ((INPUTS, HIDDEN), (HIDDEN, CLASSES))]
    centres = torch.randn(CLASSES, INPUTS)
    centres *= SEPARATION * INPUTS**0.5 / centres.norm(dim=1, keepdim=True)
    each = SAMPLES // CLASSES
    inputs = torch.cat([centre + torch.randn(each, INPUTS) for centre in centres])
    order = torch.randperm(SAMPLES)
    labels = torch.arange(CLASSES).repeat_interleave(each)[order]
    theta = torch.cat([layer.weight.detach().T.reshape(-1) for layer in layers])
    return Problem(*(part.double().numpy() for part in (theta, inputs[order], torch.eye(CLASSES)[labels])))


def layers(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    cut = INPUTS * HIDDEN
    return theta[:cut].reshape(INPUTS, HIDDEN), theta[cut:].reshape(HIDDEN, CLASSES)


def balance(theta: np.ndarray) -> float:
    """``‖W_2‖² − ‖W_1‖²``."""
    first, second = layers(theta)
    return float(np.sum(second**2) - np.sum(first**2))


def first_norm(theta: np.ndarray) -> float:
    """``‖W_1‖²``, which gradient flow does not conserve."""
    return float(np.sum(layers(theta)[0] ** 2))


def descend(start: Problem, eta: float, steps: int) -> tuple[np.ndarray, float]:
    """The authors' own loop in float64, by hand: θ at the end, and ``η² S = η² Σ (‖g_2‖² − ‖g_1‖²)``."""
    first, second = (part.copy() for part in layers(start.theta))
    drift = 0.0
    for _ in range(steps):
        hidden = start.inputs @ first
        residual = (hidden @ second - start.targets) * (2 / start.targets.size)
        of_first, of_second = start.inputs.T @ (residual @ second.T), hidden.T @ residual
        drift += eta**2 * float(np.sum(of_second**2) - np.sum(of_first**2))
        first -= eta * of_first
        second -= eta * of_second
    return np.concatenate([first.ravel(), second.ravel()]), drift


def fit(rates: Sequence[float], drifts: Sequence[float]) -> tuple[float, float]:
    """Exponent and R² of a straight line through all points of the double-logarithmic plot: the authors' way."""
    x, y = np.log(rates), np.log(np.abs(drifts))
    slope, offset = np.polyfit(x, y, 1)
    return float(slope), float(1 - np.sum((y - slope * x - offset) ** 2) / np.sum((y - y.mean()) ** 2))


class Motion:
    """The equation of motion of each order, in the authors' η."""

    def __init__(self) -> None:
        model = MLP(LAYERS, activation="identity", loss="mse", bias=False)
        self.kernel = kernel_for(KernelSpec(model, max(ORDERS)))

    def end(self, start: Problem, eta: float, steps: int, order: int, accuracy: float | None = None) -> np.ndarray:
        """θ after so many steps."""
        step, data = SCALE * eta, start.moments
        return integrate_equation_of_motion(
            self.kernel, start.theta, step, step * steps, data, order=order, accuracy=accuracy
        ).theta

    def even_end(self, start: Problem, eta: float) -> np.ndarray:
        """The same by the even-step equation, which goes on beyond ηλ = 1."""
        rate, order = SCALE * eta, max(ORDERS)
        path = even_steps(self.kernel, start.theta, rate, STEPS, start.moments, order=order, tolerance=1e-6)
        return path.state(STEPS)

    def product(self, start: Problem, theta: np.ndarray, eta: float) -> float:
        """ηλ."""
        return SCALE * eta * largest_eigenvalue(self.kernel, theta, start.moments)


def drifts(motion: Motion, start: Problem, eta: float) -> Numbers | None:
    """Measured drift after the authors' steps, and predicted over measured; None where the run diverges."""
    with np.errstate(all="ignore"):
        end, summed = descend(start, eta, STEPS)
    if not np.isfinite(summed):
        return None
    product = motion.product(start, start.theta, eta)
    found: Numbers = {"measured": summed, "difference": change(balance, start, end), "product": product}
    if product < 1:
        ends = [motion.end(start, eta, STEPS, order, ACCURACY * abs(summed)) for order in ORDERS]
        found["ratios"] = [change(balance, start, theta) / summed for theta in ends]
    else:
        found["even"] = change(balance, start, motion.even_end(start, eta)) / summed
    return found


def remainders(motion: Motion, start: Problem) -> Numbers:
    """At fixed time: what each order leaves of the drift, and what the run does to ‖W_1‖², which is not conserved."""
    rows = []
    for count in COUNTS:
        end, summed = descend(start, TIME / count, count)
        ends = [motion.end(start, TIME / count, count, order) for order in (0, *ORDERS)]
        rows.append(
            {
                "eta": TIME / count,
                "drift": summed,
                "floor": FLOOR * abs(balance(start.theta)),
                "left": [abs(change(balance, start, theta) - summed) for theta in ends],
                "first_norm": change(first_norm, start, end),
                "first_norm_of_flow": change(first_norm, start, ends[0]),
            }
        )
    return {
        "rows": rows,
        "slopes": [slope([(row["eta"], row["left"][n], row["floor"]) for row in rows]) for n in range(5)],
    }


def change(of: Callable[[np.ndarray], float], start: Problem, end: np.ndarray) -> float:
    return of(end) - of(start.theta)


def slope(points: Sequence[tuple[float, float, float]]) -> float:
    """Between the two smallest η whose value is above the floor."""
    (eta, value, _), (next_eta, next_value, _) = [point for point in points if point[1] > point[2]][-2:]
    return float(np.log(value / next_value) / np.log(eta / next_eta))


def one_seed(seed: int) -> Numbers:
    """All of one start, in a process of its own."""
    with threadpool_limits(limits=1, user_api="blas"):
        motion, start = Motion(), problem(seed)
        return {
            "seed": seed,
            "balance": balance(start.theta),
            "rates": [drifts(motion, start, eta) for eta in RATES],
            "fixed_time": remainders(motion, start),
        }


def measure(progress: Callable[[int, int], None]) -> Numbers:
    Motion()  # Compiled once, for all processes.
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        seeds = []
        for found in pool.map(one_seed, SEEDS):
            seeds.append(found)
            progress(len(seeds), len(SEEDS))
    return {"seeds": seeds, "published": PUBLISHED, **summary(seeds), "first_steps": first_steps(seeds)}


def first_steps(seeds: Sequence[Numbers], eta: float = 0.1, steps: int = 2) -> list[float]:
    """The share of the drift that is made by then."""
    index = RATES.index(eta)
    return [descend(problem(row["seed"]), eta, steps)[1] / row["rates"][index]["measured"] for row in seeds]


def summary(seeds: Sequence[Numbers]) -> Numbers:
    """Means over seeds, and exponents fitted as the authors fit theirs: to the mean drifts, all rates alive."""
    columns = [[found["rates"][index] for found in seeds] for index in range(len(RATES))]
    alive = [(eta, column) for eta, column in zip(RATES, columns, strict=True) if None not in column]
    below = [(eta, column) for eta, column in alive if "ratios" in column[0]]

    def mean(column: list[Numbers], order: int | None = None) -> float:
        shares = [1.0 if order is None else predicted(found, order) for found in column]
        return float(np.mean([abs(found["measured"]) * share for found, share in zip(column, shares, strict=True)]))

    def exponents(chosen: list[tuple[float, list[Numbers]]], order: int | None = None) -> Numbers:
        rates = [eta for eta, _ in chosen]
        alone = [fit(rates, [mean([column[k]], order) for _, column in chosen])[0] for k in range(len(seeds))]
        exponent, r2 = fit(rates, [mean(column, order) for _, column in chosen])
        return {"exponent": exponent, "r2": r2, "seeds": alone, "spread": float(np.std(alone))}

    table = [
        {
            "eta": eta,
            "measured": mean(column),
            "product": max(found["product"] for found in column),
            "ratios": [mean(column, order) / mean(column) for order in ORDERS] if "ratios" in column[0] else None,
            "even": mean(column, max(ORDERS)) / mean(column) if "even" in column[0] else None,
        }
        for eta, column in alive
    ]
    local = [
        float(np.log(after["measured"] / row["measured"]) / np.log(after["eta"] / row["eta"]))
        for row, after in pairwise(table)
    ]
    return {
        "table": table,
        "local": local,
        "all_rates": exponents(alive),
        "all_rates_predicted": exponents(alive, max(ORDERS)),
        "below_one": exponents(below),
        "below_one_predicted": [exponents(below, order) for order in ORDERS],
        "worst_ratio": [max(abs(found["rates"][0]["ratios"][n] - 1) for found in seeds) for n in range(len(ORDERS))],
        "slopes": [[found["fixed_time"]["slopes"][n] for found in seeds] for n in range(len(ORDERS) + 1)],
        "flow_moves": [found["fixed_time"]["rows"][-1]["first_norm_of_flow"] for found in seeds],
        "first_norm_slopes": [
            slope([(row["eta"], abs(row["first_norm"]), 0.0) for row in found["fixed_time"]["rows"]]) for found in seeds
        ],
    }


def predicted(found: Numbers, order: int) -> float:
    """Predicted over measured; beyond ηλ = 1 that of the even-step equation."""
    return found["ratios"][order - 1] if "ratios" in found else found["even"]


def draw(numbers: Numbers) -> Figure:
    figure, (drift, left) = panels(10, 4.4, 2)
    table = numbers["table"]
    etas = [row["eta"] for row in table]
    drift.loglog(etas, [row["measured"] for row in table], "ko", label="measured, mean of five seeds")
    pairs = zip(RATES, numbers["published"]["drifts"], strict=True)
    shown = [(eta, value) for eta, value in pairs if value is not None]
    drift.loglog(*zip(*shown, strict=True), "x", color=GREY, ms=9, label="published, float32")
    for order in ORDERS:
        rows = [(row["eta"], row["measured"] * row["ratios"][order - 1]) for row in table if row["ratios"]]
        drift.loglog(*zip(*rows, strict=True), color=line_style(order)[0], lw=1, label=order_name(order))
    rows = [(row["eta"], row["measured"] * row["even"]) for row in table if row["even"]]
    drift.loglog(*zip(*rows, strict=True), "s", mfc="none", color=line_style(5)[0], ms=9, label="even steps")
    drift.set(xlabel="η", title="drift of ‖W₂‖² − ‖W₁‖² in 2000 steps")
    drift.legend(frameon=False, fontsize=8)
    rows = numbers["seeds"][0]["fixed_time"]["rows"]
    for order in (0, *ORDERS):
        colour, marker = line_style(order)
        values = [row["left"][order] for row in rows]
        name = f"{order_name(order)}: {numbers['slopes'][order][0]:.2f}"
        left.loglog([row["eta"] for row in rows], values, color=colour, marker=marker, label=name)
    left.axhline(rows[0]["floor"], color=GREY, lw=0.8, ls="--")
    left.set(xlabel="η", title="left of the drift at fixed time, and its slope", ylim=(None, 10))
    left.xaxis.set_minor_formatter(NullFormatter())
    left.legend(frameon=False, fontsize=8, loc="upper left", ncols=2)
    return figure
