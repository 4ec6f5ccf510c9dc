"""Predicted noise beside ensembles of real runs: networks on moons and digits, a CNN; descent, momentum, AdamW, cosine.

``python -m benchmarks.noise_ensembles [names]`` prints a line a case as soon as it is measured, such as
``digits-momentum``; all cases by default, so that what was cut off goes on with the names that are left.  The runs are
those of a plain loop in PyTorch, which shares no code with the prediction: many at once, by ``torch.func.vmap``.
"""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import eomsym

#: Runs that go together, the fewest and the most of all, and the standard error of the excess loss that is enough.
TOGETHER = {"moons": 2500, "digits": 250, "all": 250, "cnn": 250}
MOST_RUNS = {"moons": 200000, "digits": 3000, "all": 3000, "cnn": 30000}
FEWEST_RUNS, ENOUGH = 1500, 0.03
BETAS, EPSILON, DECAY = (0.9, 0.999), 1e-8, 0.01

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Net:
    """Samples, the loss of flat parameters, where it starts, batches and epochs; ``posed`` is what eomsym is given."""

    inputs: torch.Tensor
    targets: torch.Tensor
    loss: Loss
    start: torch.Tensor
    batch: int
    epochs: int
    posed: tuple[Any, Any, Any]

    @property
    def ends(self) -> list[int]:
        """The steps after which epochs end."""
        length = math.ceil(len(self.inputs) / self.batch)
        return [length * (epoch + 1) for epoch in range(self.epochs)]


def perceptron(dataset: str, layers: tuple[int, ...], epochs: int, most: int | None = None) -> Net:
    """A tanh network of dense layers with cross-entropy, in batches of 32 of the first samples, or of all."""
    model = eomsym.models.MLP(list(layers), activation="tanh", loss="cross-entropy")
    samples = tuple(array[:most] for array in eomsym.models.dataset(dataset).arrays)
    widths = list(itertools.pairwise(layers))

    def loss(theta: torch.Tensor, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        value, place = inputs, 0
        for depth, (rows, columns) in enumerate(widths):
            weights = theta[place : place + rows * columns].reshape(rows, columns)
            place += (rows + 1) * columns
            value = value @ weights + theta[place - columns : place]
            value = torch.tanh(value) if depth < len(widths) - 1 else value
        return torch.nn.functional.cross_entropy(value, targets)

    inputs, targets = map(torch.tensor, samples)
    return Net(inputs, targets, loss, torch.tensor(model.initial(0)), 32, epochs, (model, samples, None))


def convolutions() -> Net:
    """Two convolutions and a dense layer on the first 320 digits, in batches of 64: five an epoch."""
    inputs, targets = (torch.tensor(array[:320]) for array in eomsym.models.dataset("digits").arrays)
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Unflatten(1, (1, 8, 8)),
        torch.nn.Conv2d(1, 4, 3, stride=2),
        torch.nn.SiLU(),
        torch.nn.Conv2d(4, 8, 2),
        torch.nn.SiLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(32, 10),
    ).double()
    names, shapes = zip(*((name, part.shape) for name, part in module.named_parameters()), strict=True)
    sizes = [shape.numel() for shape in shapes]

    def loss(theta: torch.Tensor, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        parts = (part.reshape(shape) for part, shape in zip(theta.split(sizes), shapes, strict=True))
        made = torch.func.functional_call(module, dict(zip(names, parts, strict=True)), inputs)
        return torch.nn.functional.cross_entropy(made, targets)

    def posed(params: Any, data: Any) -> Any:
        return torch.nn.functional.cross_entropy(torch.func.functional_call(module, params, data[0]), data[1])

    params = {name: part.detach().clone() for name, part in module.named_parameters()}
    start = torch.cat([part.reshape(-1) for part in params.values()])
    return Net(inputs, targets, loss, start, 64, 3, (posed, (inputs, targets), params))


NETS: dict[str, Callable[[], Net]] = {
    "moons": lambda: perceptron("moons", (2, 8, 2), 6),
    "digits": lambda: perceptron("digits", (64, 32, 10), 3, 896),
    "all": lambda: perceptron("digits", (64, 32, 10), 3),
    "cnn": convolutions,
}
#: The rule as eomsym is told, that of the plain loop, and the learning rate for each network.
RULES: dict[str, tuple[str, str, dict[str, float]]] = {
    "descent": ("torch.SGD()", "momentum", {"moons": 0.3, "digits": 0.1, "all": 0.1, "cnn": 0.3}),
    "momentum": ("torch.SGD(momentum=0.9)", "momentum", {"moons": 0.05, "digits": 0.02, "all": 0.02, "cnn": 0.1}),
    "cosine": ("torch.SGD(momentum=0.9)", "momentum", {"moons": 0.05, "digits": 0.04, "all": 0.04, "cnn": 0.2}),
    "adamw": ("torch.AdamW(weight_decay=0.01)", "adamw", {"moons": 1e-3, "digits": 1e-3, "all": 1e-3, "cnn": 1e-3}),
}


def rate(rule: str, eta: float, step: int, steps: int) -> float:
    """The learning rate of a step: constant, or half a cosine that ends at 0 after the last one."""
    return eta * (1 + math.cos(math.pi * step / steps)) / 2 if rule == "cosine" else eta


def plain_runs(net: Net, rule: str, eta: float, runs: int, seed: int | None) -> Iterator[torch.Tensor]:
    """θ of so many runs at the ends of epochs, (runs, d) each; on all samples at every step without a seed."""
    gradient = torch.func.vmap(torch.func.grad(net.loss))
    theta = net.start.repeat(runs, 1)
    first, second, step = torch.zeros_like(theta), torch.zeros_like(theta), 0
    beta = 0.0 if rule == "descent" else BETAS[0]
    generator = torch.Generator().manual_seed(seed or 0)
    samples, length = len(net.inputs), math.ceil(len(net.inputs) / net.batch)
    for _ in range(net.epochs):
        order = torch.rand(runs, samples, generator=generator).argsort(dim=1)
        for number in range(length):
            whole = torch.arange(samples).repeat(runs, 1)
            chosen = whole if seed is None else order[:, number * net.batch : (number + 1) * net.batch]
            slope, now = gradient(theta, net.inputs[chosen], net.targets[chosen]), rate(rule, eta, step, net.ends[-1])
            step += 1
            if rule == "adamw":
                theta = theta * (1 - now * DECAY)
                first = BETAS[0] * first + (1 - BETAS[0]) * slope
                second = BETAS[1] * second + (1 - BETAS[1]) * slope**2
                root = (second / (1 - BETAS[1] ** step)).sqrt() + EPSILON
                theta = theta - now * first / (1 - BETAS[0] ** step) / root
            else:
                first = beta * first + slope
                theta = theta - now * first
        yield theta


@dataclass(frozen=True)
class Runs:
    """Real runs at the ends of epochs: ``states`` (epochs, runs, d), ``losses`` (runs,) after the last; one plain."""

    states: np.ndarray
    losses: np.ndarray
    plain: np.ndarray
    plain_loss: float

    @property
    def means(self) -> np.ndarray:
        """(epochs, d)."""
        return np.asarray(self.states.mean(axis=1))

    @property
    def squares(self) -> np.ndarray:
        """Of each run's distance from the mean, (epochs, runs); their mean estimates the trace without bias."""
        runs = self.states.shape[1]
        return ((self.states - self.means[:, None]) ** 2).sum(axis=2) * runs / (runs - 1)

    @property
    def excess(self) -> tuple[float, float]:
        """Mean loss less that without noise, and its standard error."""
        return float(self.losses.mean()) - self.plain_loss, standard_error(self.losses)


def standard_error(values: np.ndarray) -> float:
    """Of the mean of a row."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def ensemble(net: Net, rule: str, eta: float, together: int, most: int) -> Runs:
    """As many runs as make the excess loss certain enough, but no more than ``most``."""
    whole = torch.func.vmap(net.loss, (0, None, None))
    plain = torch.stack(list(plain_runs(net, rule, eta, 1, None)))[:, 0]
    plain_loss, states, losses = float(net.loss(plain[-1], net.inputs, net.targets)), [], []
    for seed in range(most // together):
        states.append(torch.stack(list(plain_runs(net, rule, eta, together, seed))).numpy())
        losses += [whole(some, net.inputs, net.targets).numpy() for some in torch.tensor(states[-1][-1]).split(25)]
        runs = Runs(np.concatenate(states, axis=1), np.concatenate(losses), plain.numpy(), plain_loss)
        if len(runs.losses) >= FEWEST_RUNS and runs.excess[1] < ENOUGH * abs(runs.excess[0]):
            break
    return runs


def predicted(net: Net, rule: str, eta: float, **options: Any) -> eomsym.Noise:
    """What eomsym says, at the ends of epochs."""
    model, data, theta = net.posed
    ends = net.ends
    schedule = f"cosine({eta * ends[-1]!r})" if rule == "cosine" else None
    training = eomsym.Training(
        model, data, RULES[rule][0], eta, theta=theta, batches=eomsym.Batches(net.batch), schedule=schedule
    )
    return eomsym.noise(training, ends[-1], every=ends[0], **options)


HEAD = (
    "case (d, eta)",
    "excess loss",
    "of runs",
    "off",
    "trace over the runs' at ends of epochs",
    "mean off (runs' own)",
    "without noise",
    "runs",
    "seconds, of runs",
)


def line(name: str) -> list[str]:
    """The cells of a case: predicted, of the runs with standard errors, and how far the mean is from theirs."""
    network, rule = name.split("-")
    net, eta = NETS[network](), RULES[rule][2][network]
    begun = time.perf_counter()
    noise = predicted(net, rule, eta)
    between = time.perf_counter()
    runs = ensemble(net, rule, eta, TOGETHER[network], MOST_RUNS[network])
    ended = time.perf_counter()
    excess, error = runs.excess
    told = float(noise.expectations["loss"][-1]) - runs.plain_loss
    ratios = [
        f"{trace / row.mean():.3f} ± {trace / row.mean() ** 2 * standard_error(row):.3f}"
        for trace, row in zip(noise.traces[1:], runs.squares, strict=True)
    ]
    own = np.sqrt(runs.squares[-1].mean() / len(runs.losses))
    distance = np.linalg.norm(noise.means[-1] - runs.means[-1])
    return [
        f"{name} ({len(net.start)}, {eta:g})",
        f"{told:.3g}",
        f"{excess:.3g} ± {error:.1g}",
        f"{told / excess - 1:+.1%}",
        ", ".join(ratios),
        f"{distance:.2g} ({own:.2g})",
        f"{np.linalg.norm(runs.plain[-1] - runs.means[-1]):.2g}",
        f"{len(runs.losses)}",
        f"{between - begun:.0f}, {ended - between:.0f}",
    ]


def main(names: list[str]) -> None:
    """One line a case."""
    torch.set_num_threads(1)
    known = [f"{network}-{rule}" for rule in RULES for network in NETS]
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"{unknown[0]!r} is no case; choose from {', '.join(known)}")
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}", flush=True)
    for name in names or known:
        print(f"| {' | '.join(line(name))} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
