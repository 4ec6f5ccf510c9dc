"""What Adam's memory does to the norm of the gradient, and how that turns with the size of the batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure

from benchmarks.reproductions.pages import Numbers
from eomsym import derive
from eomsym.drawing import line_style, panels
from eomsym.models import dataset

HIDDEN, SAMPLES, TRAINED, RATE, EPSILON = 4, 64, 300, 0.01, 1e-8
BETA1, BETA2 = 0.9, (0.9, 0.95, 0.98, 0.99, 0.999)
SIZES = (64, 32, 16, 8, 4, 2, 1)
#: Runs beside one another, steps of each that are averaged, and how long memories fill, in units of the longest.
RUNS, STEPS, FILLED = 16, 2000, 5
#: Other places: steps of training before, and starts.
OTHERS, STARTS = (30, 100, 300, 1000), 10


class Samples(NamedTuple):
    """Gradients (n, d) and Hessians (n, d, d) of the samples at one place."""

    gradients: np.ndarray
    hessians: np.ndarray


class Parts(NamedTuple):
    """What the memories of m and of v add to a step in first order, each (d,)."""

    of_mean: np.ndarray
    of_square: np.ndarray


def network(seed: int = 0, trained: int = TRAINED) -> Samples:
    """A tanh network 2-4-2 on every fourth of the moons, after so many steps of Adam on all of them."""
    inputs, labels = (torch.tensor(np.array(part)[:: 256 // SAMPLES]) for part in dataset("moons").arrays)
    size = 2 * HIDDEN + HIDDEN + 2 * HIDDEN + 2

    def loss(theta: torch.Tensor, x: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        first, bias, second, last = theta.split((2 * HIDDEN, HIDDEN, 2 * HIDDEN, 2))
        scores = torch.tanh(x @ first.reshape(2, -1) + bias) @ second.reshape(-1, 2) + last
        return -torch.log_softmax(scores, -1)[label.long()[None]].squeeze()

    def by_sample(function: Callable[..., torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda theta: torch.func.vmap(function, (None, 0, 0))(theta, inputs, labels)

    generator = torch.Generator().manual_seed(seed)
    theta = torch.randn(size, generator=generator, dtype=torch.float64).div(2).requires_grad_()
    optimizer = torch.optim.Adam([theta], lr=RATE)
    for _ in range(trained):
        optimizer.zero_grad()
        by_sample(loss)(theta).mean().backward()
        optimizer.step()
    parts = (by_sample(made)(theta.detach()).numpy() for made in (torch.func.grad(loss), torch.func.hessian(loss)))
    return Samples(*parts)


def epochs(samples: Samples, size: int, runs: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Gradient and Hessian of each batch, of many runs, every epoch in a new order."""
    generator, count = np.random.default_rng(seed), len(samples.gradients)
    while True:
        orders = np.array([generator.permutation(count) for _ in range(runs)])
        for first in range(0, count, size):
            chosen = orders[:, first : first + size]
            yield samples.gradients[chosen].mean(axis=1), samples.hessians[chosen].mean(axis=1)


def memory_parts(samples: Samples, size: int, beta1: float, beta2: float, runs: int, steps: int) -> Parts:
    """The mean of ``Σ_k ∂F_t/∂θ_{t−k} · Σ_{s=t−k}^{t−1} F_s`` over shuffled epochs, F a step over η, at one place.

    θ_{t−k} is in the gradient that m and v remember; what of the sum goes through m is told apart from what goes
    through v.  Sums over k are running averages of Hessians, and of them times the way made so far.
    """
    gradient = samples.gradients.mean(axis=0)
    batches = epochs(samples, size, runs, seed=0)
    m, v = np.tile(gradient, (runs, 1)), np.tile(gradient**2, (runs, 1))
    way, zero = np.zeros_like(m), np.zeros((*m.shape, m.shape[1]))
    first, first_way, second, second_way = zero, np.zeros_like(m), zero, np.zeros_like(m)
    total, filling = Parts(np.zeros(len(gradient)), np.zeros(len(gradient))), int(FILLED / (1 - max(beta1, beta2)))
    for step in range(filling + steps):
        g, hessian = next(batches)
        turned, squared = (hessian @ way[..., None])[..., 0], 2 * g[..., None] * hessian
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        first, first_way = beta1 * first + (1 - beta1) * hessian, beta1 * first_way + (1 - beta1) * turned
        second, second_way = beta2 * second + (1 - beta2) * squared, beta2 * second_way + (1 - beta2) * 2 * g * turned
        if step >= filling:
            below = np.sqrt(v) + EPSILON
            of_mean = ((first @ way[..., None])[..., 0] - first_way) / below
            of_square = -m * ((second @ way[..., None])[..., 0] - second_way) / (2 * np.sqrt(v) * below**2)
            total = Parts(total[0] + of_mean.mean(axis=0), total[1] + of_square.mean(axis=0))
        way = way + m / (np.sqrt(v) + EPSILON)
    return Parts(total[0] / steps, total[1] / steps)


def mean_parts(samples: Samples, size: int, beta1: float, beta2: float, moving: bool = True) -> Parts:
    """The same by the fields of the generator: κ g₁'(p)/√g₂ and −κ g₁ g₂'(p)/(2 g₂^{3/2}), p = g₁/√g₂, κ = β/(1−β).

    Without ``moving`` the batches' covariance in g₂ is held, as if it did not depend on θ.
    """
    g, hessian, count = samples.gradients.mean(axis=0), samples.hessians.mean(axis=0), len(samples.gradients)
    share = (count - size) / (count - 1) / size
    square = g**2 + share * ((samples.gradients**2).mean(axis=0) - g**2)
    p = g / (np.sqrt(square) + EPSILON)
    slope = 2 * g * (hessian @ p)
    if moving:
        slope = slope + share * ((2 * samples.gradients * (samples.hessians @ p)).mean(axis=0) - slope)
    kappa1, kappa2 = (beta / (1 - beta) for beta in (beta1, beta2))
    below = np.sqrt(square) + EPSILON
    return Parts(kappa1 * (hessian @ p) / below, -kappa2 * g * slope / (2 * np.sqrt(square) * below**2))


def lowered(trained: int) -> list[int]:
    """Networks of other starts whose memory of v lowers ‖g‖₁, by the field at the last β₂, for each size of batches."""
    count = np.zeros(len(SIZES), int)
    for seed in range(STARTS):
        samples = network(seed, trained)
        raised = samples.hessians.mean(axis=0) @ np.sign(samples.gradients.mean(axis=0))
        count += [mean_parts(samples, size, BETA1, BETA2[-1]).of_square @ raised > 0 for size in SIZES]
    return [int(number) for number in count]


def measure(progress: Callable[[int, int], None]) -> Numbers:
    samples = network()
    g = samples.gradients.mean(axis=0)
    raised = samples.hessians.mean(axis=0) @ np.sign(g)  # the gradient of ‖g‖₁
    rows = []
    for number, size in enumerate(SIZES):
        progress(number, len(SIZES))
        runs = 1 if size == SAMPLES else RUNS
        found = [memory_parts(samples, size, BETA1, beta2, runs, STEPS) for beta2 in BETA2]
        fields = [mean_parts(samples, size, BETA1, beta2) for beta2 in BETA2]
        held = [mean_parts(samples, size, BETA1, beta2, moving=False) for beta2 in BETA2]
        rows.append(
            {
                "size": size,
                "of_mean": [float(part.of_mean @ raised) for part in found],
                "of_square": [float(part.of_square @ raised) for part in found],
                "field": [float(part.of_square @ raised) for part in fields],
                "held": [float(part.of_square @ raised) for part in held],
            }
        )
    return {
        "network": f"2-{HIDDEN}-2 tanh, cross-entropy",
        "samples": SAMPLES,
        "trained": TRAINED,
        "beta1": BETA1,
        "beta2": list(BETA2),
        "steps": STEPS,
        "runs": RUNS,
        "norm": float(g @ g),
        "trace": float(((samples.gradients - g) ** 2).sum(axis=1).mean()),
        "rows": rows,
        "starts": STARTS,
        "elsewhere": [{"trained": trained, "lowered": lowered(trained)} for trained in OTHERS],
        "generator": derive("adam", 0, noise=True).text(),
    }


def draw(numbers: Numbers) -> Figure:
    figure, (whole, small) = panels(10, 4.2, 2)
    for number, row in enumerate(numbers["rows"]):
        axes = whole if row["size"] == numbers["samples"] else small
        colour, marker = line_style(number)
        shares = [1 / (1 - beta) for beta in numbers["beta2"]]
        axes.plot(shares, row["of_square"], color=colour, marker=marker, label=f"batches of {row['size']}")
        axes.plot(shares, row["field"], color=colour, ls=":")
    for axes in (whole, small):
        axes.axhline(0, color="black", lw=0.5)
        axes.set(xscale="log", xlabel="1/(1 − β₂)", title="part of the memory of v in the norm's decrease")
        axes.legend(frameon=False, fontsize=8)
    return figure
