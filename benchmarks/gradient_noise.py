"""Noise of gradients from a run against 200 batches at frozen weights: descent, momentum and Adam, a CNN and a GPT.

``python -m benchmarks.gradient_noise`` prints a table, a line a run and one for all runs of a net and a rule: a window
of 200 steps knows the noise scale to 10 to 40 %, as it says itself, so what is systematic shows in many of them only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import processes, tables

LICENSE = Path(__file__).parents[1] / "LICENSE"
STEPS, POINTS, FROZEN, WIDTH = 200, 100, 2, 32
EPOCHS, SEEDS = (1, 4), 6


def digits() -> tuple[Any, Any, Any]:
    """A network with two convolutions, and its data."""
    import torch
    from sklearn.datasets import load_digits
    from torch import nn

    pixels, labels = load_digits(return_X_y=True)
    parts = nn.Conv2d(1, 8, 3), nn.SiLU(), nn.Conv2d(8, 16, 3, stride=2), nn.SiLU(), nn.Flatten(), nn.Linear(64, 10)
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), *parts), torch.tensor(pixels / 16).float(), torch.tensor(labels)


def letters() -> tuple[Any, Any, Any]:
    """A transformer that guesses the next letter of the licence."""
    import torch
    from torch import nn

    text = LICENSE.read_text(encoding="utf-8")
    alphabet = sorted(set(text))
    codes = torch.tensor([alphabet.index(letter) for letter in text])
    rows = codes[: len(codes) // 8 * 8].unfold(0, WIDTH + 1, 8)

    class Transformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.letters, self.places = nn.Embedding(len(alphabet), 32), nn.Parameter(0.02 * torch.randn(WIDTH, 32))
            layer = nn.TransformerEncoderLayer(32, 2, 128, 0.0, "gelu", batch_first=True, norm_first=True)
            self.layers = nn.TransformerEncoder(layer, 2, nn.LayerNorm(32), enable_nested_tensor=False)
            self.out = nn.Linear(32, len(alphabet))
            self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(WIDTH))

        def forward(self, codes: Any) -> Any:
            hidden = self.layers(self.letters(codes) + self.places, mask=self.mask, is_causal=True)
            return self.out(hidden).transpose(1, 2)

    return Transformer(), rows[:, :-1].contiguous(), rows[:, 1:].contiguous()


NETS: dict[str, tuple[Callable[[], Any], int]] = {"CNN": (digits, 32), "GPT": (letters, 16)}
RULES: dict[str, tuple[str, dict[str, float], int]] = {
    "descent": ("SGD", {"lr": 0.05}, 2),
    "momentum": ("SGD", {"lr": 0.01, "momentum": 0.9}, 2),
    "Adam": ("Adam", {"lr": 3e-4}, 2),
}


def compare(net: str, rule: str, epochs: int, seed: int) -> tuple[Any, np.ndarray, np.ndarray]:
    """What the tracker says of 200 steps; its noise (times the batch) and ‖g‖², and those of two batches at each of a
    hundred points among them, beside the whole gradient there."""
    import torch

    from eomsym.torch import track

    torch.manual_seed(seed)
    (make, size), (name, options, parts) = NETS[net], RULES[rule]
    model, inputs, targets = make()
    parameters, count = list(model.parameters()), len(inputs)
    optimizer = getattr(torch.optim, name)(parameters, **options)

    def gradient(rows: Any, share: float = 1.0) -> None:
        (torch.nn.functional.cross_entropy(model(inputs[rows]), targets[rows]) * share).backward()

    def squared() -> float:
        return sum(float(part.grad.double().square().sum()) for part in parameters)

    def batches() -> Iterator[Any]:
        while True:
            yield from torch.randperm(count)[: count // size * size].split(size)

    def train(steps: int, each: Callable[[int], None] = lambda step: None) -> None:
        for step in range(steps):
            each(step)
            optimizer.zero_grad()
            for part in next(stream).chunk(parts):
                gradient(part, 1 / parts)
            optimizer.step()

    frozen = []

    def look(step: int) -> None:
        if step % (STEPS // POINTS) == 0:
            squares = []
            for _ in range(FROZEN):
                optimizer.zero_grad()
                gradient(torch.randint(count, (size,)))
                squares.append(squared())
            optimizer.zero_grad()
            for rows in torch.arange(count).split(600):
                gradient(rows, len(rows) / count)
            signal = squared()
            frozen.append([size * (sum(squares) / FROZEN - signal), signal])

    stream = batches()
    train(epochs * (count // size))
    with track(optimizer, 1, STEPS, noise=parts, batch_size=size, batches=count // size) as run:
        taken: Any = run._gradients

        def aside(step: int) -> None:
            """Frozen gradients are none of the run's."""
            take, taken._take = taken._take, lambda *call: None
            look(step)
            taken._take = take

        train(STEPS, aside)
        noise = taken.estimate()
        _, scale, signal, *_ = taken._sampling._values(np.array([pair.tolist() for pair in taken._pairs]))
    return noise, np.array([scale * signal, signal]), np.mean(frozen, axis=0)


def pooled(runs: np.ndarray) -> tuple[float, float, float]:
    """Scales of all runs together, told and true, and the error of their quotient by leaving out a run at a time."""

    def scales(rows: np.ndarray) -> np.ndarray:
        sums = rows.sum(axis=0)
        return sums[:, 0] / sums[:, 1]

    told, true = scales(runs)
    without = [np.divide(*scales(np.delete(runs, run, axis=0))) for run in range(len(runs))]
    return told, true, float(np.sqrt((len(runs) - 1) * np.var(without)))


def report(nets: Sequence[str] = tuple(NETS)) -> str:
    """One line a run, and one for a net and rule."""
    import torch

    torch.set_num_threads(1)
    head = ("net", "rule", "after epochs", "seed", "at frozen weights", "told of the run", "quotient")
    rows: list[list[str]] = []
    for net in nets:
        for rule in RULES:
            runs = []
            for epochs, seed in product(EPOCHS, range(SEEDS)):
                noise, told, true = compare(net, rule, epochs, seed)
                runs.append((told, true))
                said = "not seen" if noise.scale is None else f"{noise.scale:.1f} ± {noise.scale_error:.1f}"
                rows.append([net, rule, str(epochs), str(seed), f"{true[0] / true[1]:.1f}", said, ""])
                processes.progress("  ".join(rows[-1]))
            told, true, error = pooled(np.array(runs))
            rows.append([net, rule, "all", "all", f"{true:.1f}", f"{told:.1f}", f"{told / true:.2f} ± {error:.2f}"])
            processes.progress("  ".join(rows[-1]))
    return tables.table(head, rows)


if __name__ == "__main__":
    print(report(sys.argv[1:] or tuple(NETS)))
