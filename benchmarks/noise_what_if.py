"""Twice the rate, half the batch: predicted differences of mean loss beside those of real runs.

``python -m benchmarks.noise_what_if [networks]`` prints a line a setting as soon as it is measured.  The runs are
those of ``benchmarks.noise_ensembles``, a plain loop in PyTorch that shares no code with the prediction.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

import eomsym
from benchmarks.noise_ensembles import ENOUGH, NETS, RULES, Net, plain_runs, standard_error

#: Runs that go together, and the most of all.
TOGETHER, MOST = 250, 20000
CHANGES = {"twice the rate": (2, 1), "half the batch": (1, 2)}


@dataclass(frozen=True)
class Setting:
    """A network, a rule, a rate, the size of batches and the number of steps, which end epochs of both sizes."""

    network: str
    rule: str
    eta: float
    batch: int
    steps: int

    def net(self, batch: int) -> Net:
        """The network with batches of this size, for so many steps."""
        net = NETS[self.network]()
        return replace(net, batch=batch, epochs=self.steps * batch // len(net.inputs))

    def training(self) -> eomsym.Training:
        """What eomsym is given."""
        model, data, theta = self.net(self.batch).posed
        return eomsym.Training(
            model, data, RULES[self.rule][0], self.eta, theta=theta, batches=eomsym.Batches(self.batch)
        )


SETTINGS = (
    Setting("moons", "descent", 0.1, 32, 48),
    Setting("moons", "descent", 0.4, 32, 48),
    Setting("moons", "momentum", 0.02, 32, 48),
    Setting("moons", "adamw", 0.001, 32, 48),
    Setting("digits", "momentum", 0.02, 32, 56),
    Setting("cnn", "momentum", 0.05, 32, 20),
    Setting("cnn", "adamw", 0.001, 32, 20),
)


def losses(net: Net, rule: str, eta: float) -> Iterator[np.ndarray]:
    """Of all samples after the last step, of so many runs more each time."""
    whole = torch.func.vmap(net.loss, (0, None, None))
    for seed in range(MOST // TOGETHER):
        *_, last = plain_runs(net, rule, eta, TOGETHER, seed)
        yield torch.cat([whole(some, net.inputs, net.targets) for some in last.split(25)]).numpy()


def measured(setting: Setting, faster: int, smaller: int) -> tuple[float, float, int]:
    """The difference of mean losses of real runs, its standard error, and runs of each."""
    one = losses(setting.net(setting.batch), setting.rule, setting.eta)
    other = losses(setting.net(setting.batch // smaller), setting.rule, setting.eta * faster)
    first, second = np.empty(0), np.empty(0)
    for some, more in zip(one, other, strict=True):
        first, second = np.append(first, some), np.append(second, more)
        difference = float(second.mean() - first.mean())
        error = float(np.hypot(standard_error(first), standard_error(second)))
        if len(first) > TOGETHER and error < ENOUGH * abs(difference):
            break
    return difference, error, len(first)


def line(setting: Setting, change: str) -> list[str]:
    """The cells of a setting."""
    faster, smaller = CHANGES[change]
    first = setting.training()
    second = first.with_(eta=setting.eta * faster, batches=setting.batch // smaller)
    told = float(eomsym.compare_trainings(first, second, setting.steps).differences[-1])
    difference, error, runs = measured(setting, faster, smaller)
    rule = f"{RULES[setting.rule][0]} {setting.eta:g}"
    return [
        f"{setting.network}, {rule}, batches of {setting.batch}, {setting.steps} steps",
        change,
        f"{told:+.3g}",
        f"{difference:+.3g} ± {error:.1g}",
        f"{told / difference - 1:+.1%}",
        f"{runs}",
    ]


def main(networks: list[str]) -> None:
    """Print one line a setting and change."""
    torch.set_num_threads(1)
    unknown = [name for name in networks if name not in {setting.network for setting in SETTINGS}]
    if unknown:
        sys.exit(f"{unknown[0]!r} is no network here; choose from moons, digits, cnn")
    head = ("training", "change", "predicted", "of real runs", "off", "runs of each")
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}", flush=True)
    for setting in SETTINGS:
        for change in CHANGES if not networks or setting.network in networks else ():
            print(f"| {' | '.join(line(setting, change))} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
