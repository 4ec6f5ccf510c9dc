"""Noise of gradients from a run against 200 batches at frozen weights: descent, momentum and Adam, a CNN and a GPT.

``python -m benchmarks.gradient_noise`` prints a line a run and seed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

LICENSE = Path(__file__).parents[1] / "LICENSE"
FROZEN, POINTS, WIDTH = 200, 20, 32


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


def compare(net: str, rule: str, before: int, seed: int) -> tuple[Any, float]:
    """What the tracker says of 200 steps, and the scale from 200 batches, ten at each of twenty points among them."""
    import torch

    from eomsym.torch import track

    torch.manual_seed(seed)
    (make, size), (name, options, parts) = NETS[net], RULES[rule]
    model, inputs, targets = make()
    parameters, count = list(model.parameters()), len(inputs)
    optimizer = getattr(torch.optim, name)(parameters, **options)

    def gradient(rows: Any, share: float = 1.0) -> None:
        (torch.nn.functional.cross_entropy(model(inputs[rows]), targets[rows]) * share).backward()

    def flat() -> Any:
        return torch.cat([part.grad.reshape(-1) for part in parameters]).double()

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

    squares, signals = [], []

    def look(step: int) -> None:
        if step % (FROZEN // POINTS) == 0:
            drawn = []
            for _ in range(FROZEN // POINTS):
                optimizer.zero_grad()
                gradient(torch.randint(count, (size,)))
                drawn.append(flat())
            squares.append(sum(float(one @ one) for one in drawn) / len(drawn))
            optimizer.zero_grad()
            for rows in torch.arange(count).split(600):
                gradient(rows, len(rows) / count)
            signals.append(float(flat() @ flat()))

    stream = batches()
    train(before)
    if before % (count // size):
        raise ValueError("the tracker begins with an epoch")
    with track(optimizer, 1, 200, noise=parts, batch_size=size, batches=count // size) as run:
        taken: Any = run._gradients

        def aside(step: int) -> None:
            """Frozen gradients are none of the run's."""
            take, taken._take = taken._take, lambda *call: None
            look(step)
            taken._take = take

        train(200, aside)
        noise = taken.estimate()
    signal = sum(signals) / len(signals)
    return noise, size * (sum(squares) / len(squares) - signal) / signal


def main(nets: list[str]) -> None:
    """One line a run."""
    import torch

    torch.set_num_threads(1)
    for net in nets or NETS:
        for rule in RULES:
            for epochs in (1, 4):
                for seed in range(3):
                    make, size = NETS[net]
                    noise, truth = compare(net, rule, epochs * (len(make()[1]) // size), seed)
                    told = "None" if noise is None else f"{noise.scale} +- {noise.scale_error}"
                    print(f"{net} {rule} after {epochs} epochs, seed {seed}: {truth:.1f}, run {told}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
