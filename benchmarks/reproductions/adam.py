"""MLPGradientFlow.jl's example: a softplus student 2-4-1 of a teacher 2-5-1, by gradient descent and by Adam.

Their loss is the mean of squares, twice this project's: the same run has half the learning rate's η in gradient descent
there, and half the ε in Adam here.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure
from scipy.integrate import solve_ivp
from scipy.optimize import minimize_scalar

import eomsym
from benchmarks.reproductions.pages import Numbers
from eomsym.codegen import KernelSpec, kernel_for
from eomsym.drawing import line_style, order_name, panels
from eomsym.dynamics import optimizer_path
from eomsym.models import MLP

STUDENT, TEACHER, SAMPLES, SEED = (2, 4, 1), (2, 5, 1), 1000, 1
#: Of their example: learning rates of Descent and of Adam (Optimisers.jl's default), and the flow's time.
DESCENT, ADAM, TIME = 0.1, 1e-3, 30.0
BETAS, EPSILON = {"beta1": "0.9", "beta2": "0.999"}, "5e-9"
STEPS, START, ORDERS = 1000, 5, (0, 1, 2, 3)
EVERY = 10


def network(layers: tuple[int, ...]) -> MLP:
    return MLP(layers, activation="softplus", loss="mse", bias=False)


def measure(progress: Callable[[int, int], None]) -> Numbers:
    random = np.random.default_rng(SEED)
    inputs = random.standard_normal((SAMPLES, 2))
    teacher, theta = (np.concatenate(glorot(layers, random)) for layers in (TEACHER, STUDENT))
    first, second = teacher[:10].reshape(2, 5), teacher[10:].reshape(5, 1)
    data = inputs, np.logaddexp(0, inputs @ first) @ second
    kernel = kernel_for(KernelSpec(network(STUDENT), 1))
    flow = solve_ivp(
        lambda _, point: -kernel.gradient(point, *data), (0, 2 * TIME), theta, rtol=1e-9, atol=1e-10, dense_output=True
    ).sol
    descent = optimizer_path(kernel, theta, 2 * DESCENT, round(TIME / DESCENT), data)
    training = eomsym.Training(kernel, data, "adam", ADAM, theta=theta, epsilon=EPSILON, **BETAS)
    found = eomsym.follow(training, STEPS, ORDERS, after=START, progress=progress)
    kept = slice(EVERY, None, EVERY)
    adam = found.iterates[kept]
    return {
        "steps": STEPS,
        "start": START,
        "descent_steps": len(descent) - 1,
        "losses": {
            "start": 2 * kernel.loss(theta, *data),
            "flow": 2 * kernel.loss(flow(2 * TIME), *data),
            "descent": 2 * kernel.loss(descent[-1], *data),
            "adam": 2 * kernel.loss(found.iterates[-1], *data),
        },
        "descent": relative([nearest(flow, point) for point in descent[kept]], descent[kept] - theta),
        "adam": relative([nearest(flow, point) for point in adam], adam - theta),
        "orders": [
            relative(np.linalg.norm(found.paths[n][kept] - adam, axis=1), adam - found.iterates[0]) for n in ORDERS
        ],
        "errors": [found.errors[order] for order in ORDERS],
        "floors": [record.floor for record in found.whole],
        "gradients": [found.gradients[order] for order in ORDERS],
    }


def glorot(layers: tuple[int, ...], random: np.random.Generator) -> list[np.ndarray]:
    """Normal, with variance 2/(n_in + n_out), as there."""
    return [random.standard_normal(a * b) * (2 / (a + b)) ** 0.5 for a, b in pairwise(layers)]


def nearest(flow: Callable[[float], np.ndarray], point: np.ndarray) -> float:
    """Distance to the curve of gradient flow: the nearest of many points, refined."""
    times = np.linspace(0, 2 * TIME, 600)
    away = np.linalg.norm(flow(times).T - point, axis=1)
    best = int(np.argmin(away))
    ends = times[max(best - 1, 0)], times[min(best + 1, len(times) - 1)]
    return float(minimize_scalar(lambda t: np.linalg.norm(flow(t) - point), bounds=ends, method="bounded").fun)


def relative(distances: object, moved: np.ndarray) -> list[float]:
    return (np.asarray(distances) / np.linalg.norm(moved, axis=1)).tolist()


def draw(numbers: Numbers) -> Figure:
    figure, (descent, adam) = panels(10, 4.2, 2)
    descent.semilogy(EVERY * np.arange(1, 1 + len(numbers["descent"])), numbers["descent"], color="black")
    descent.set(xlabel="step", title="gradient descent, η = 0.1, to gradient flow", ylim=(1e-8, 2))
    steps = EVERY * np.arange(1, 1 + len(numbers["adam"]))
    adam.semilogy(steps, numbers["adam"], color="black", label="to the curve of gradient flow")
    for order, line in enumerate(numbers["orders"]):
        name = "to its own equation, order 0" if order == 0 else order_name(order)
        adam.semilogy(steps, line, color=line_style(order)[0], label=name)
    adam.set(xlabel="step", title="Adam, η = 0.001", ylim=(1e-8, 1e3))
    adam.legend(frameon=False, fontsize=8)
    return figure
