"""What a tracker says of real runs, beside the truth by another route: ``python -m benchmarks.tracked_runs``.

Truth: the largest eigenvalue of P^½ H P^½ by power iteration, times η over the threshold of the rule (theory §18), and
for batches the share of the gradient that is noise, of twenty batches at frozen weights.  Single precision, one thread,
a few minutes in all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks import processes, tables
from eomsym.torch import track

SAMPLES, EVERY, LATEST, BATCHES = 256, 50, 5, 20
TEXT = "The iterates of a method with memory obey an equation of motion of the whole state; "


class Recurrent(nn.Module):
    """An LSTM over the rows of a digit."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.out = nn.LSTM(8, 16, batch_first=True), nn.Linear(16, 10)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Scores of the ten digits."""
        return self.out(self.lstm(inputs.reshape(-1, 8, 8))[0][:, -1])


class Residual(nn.Module):
    """Two convolutions around which the input goes."""

    def __init__(self, act: nn.Module, size: int = 8) -> None:
        super().__init__()
        self.parts = nn.Sequential(
            *(nn.GroupNorm(2, size), act, nn.Conv2d(size, size, 3, padding=1)),
            *(nn.GroupNorm(2, size), act, nn.Conv2d(size, size, 3, padding=1)),
        )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The input and what the convolutions make of it."""
        return inputs + self.parts(inputs)


class GPT(nn.Module):
    """Two blocks of attention of width 32 on 32 characters, with GELU."""

    def __init__(self, width: int = 32, length: int = 32) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(128, width), nn.Parameter(0.02 * torch.randn(length, width))
        options: dict[str, Any] = {"dropout": 0.0, "activation": "gelu", "batch_first": True, "norm_first": True}
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(width, 4, 4 * width, **options) for _ in range(2))
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, 128, bias=False)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(length))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Scores of the next character, one row a place."""
        state = self.tokens(inputs) + self.places
        with sdpa_kernel(SDPBackend.MATH):  # the others have no second derivative
            for block in self.blocks:
                state = block(state, src_mask=self.mask)
        return self.out(self.norm(state)).reshape(-1, 128)


def _resnet(act: nn.Module) -> nn.Module:
    first = nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 8, 3, padding=1), Residual(act), nn.AvgPool2d(2)
    return nn.Sequential(*first, Residual(act), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(32, 10))


def _cnn(act: nn.Module, pool: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 8, 3), act, pool, nn.Flatten(), nn.Linear(72, 10))


NETS: dict[str, Callable[[], nn.Module]] = {
    "tanh": lambda: nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10)),
    "relu": lambda: nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)),
    "CNN, tanh": lambda: _cnn(nn.Tanh(), nn.AvgPool2d(2)),
    "CNN, relu": lambda: _cnn(nn.ReLU(), nn.MaxPool2d(2)),
    "LSTM": Recurrent,
    "ResNet, SiLU": lambda: _resnet(nn.SiLU()),
    "ResNet, relu": lambda: _resnet(nn.ReLU()),
    "GPT": GPT,
}
#: Optimiser, threshold of x = ηλ, and whether λ is that of P^½ H P^½.
RULES: dict[str, tuple[Callable[..., Any], float]] = {
    "SGD": (torch.optim.SGD, 2.0),
    "momentum": (lambda parts, lr: torch.optim.SGD(parts, lr, momentum=0.9), 3.8),
    "RMSprop": (torch.optim.RMSprop, 2.0),
    "Adam": (torch.optim.Adam, 38.0),
    "AdamW": (lambda parts, lr: torch.optim.AdamW(parts, lr, betas=(0.9, 0.95)), 38.0),
    "Muon": (lambda parts, lr: torch.optim.Muon([p for p in parts if p.ndim == 2], lr, weight_decay=0.0), math.nan),
}


@dataclass(frozen=True)
class Case:
    """A run, and the words that are right."""

    net: str
    rule: str
    rate: float
    steps: int
    right: tuple[str, ...]
    batch: int = 0


SERIES, SWINGS, EDGE, KINKS, NOISE = ("series",), ("underdamped",), ("edge of stability",), ("kinks",), ("noise",)
CASES = (
    Case("tanh", "SGD", 0.3, 400, SERIES),
    Case("tanh", "momentum", 0.1, 400, SERIES),
    Case("tanh", "Adam", 1e-3, 400, SERIES),
    Case("CNN, tanh", "momentum", 0.05, 400, SERIES),
    Case("CNN, tanh", "AdamW", 3e-3, 500, EDGE),
    Case("LSTM", "SGD", 0.1, 300, SERIES),
    Case("LSTM", "momentum", 0.1, 150, SWINGS),
    Case("LSTM", "Adam", 1e-3, 400, SERIES),
    Case("LSTM", "RMSprop", 1e-3, 700, EDGE),
    Case("ResNet, SiLU", "momentum", 0.03, 150, SWINGS),
    Case("ResNet, SiLU", "momentum", 1e-4, 150, SERIES),
    Case("ResNet, SiLU", "momentum", 3e-5, 150, SERIES),
    Case("ResNet, SiLU", "AdamW", 3e-3, 400, SWINGS),
    Case("GPT", "SGD", 0.1, 400, EDGE),
    Case("GPT", "momentum", 0.05, 250, SWINGS),
    Case("GPT", "AdamW", 3e-4, 600, EDGE),
    Case("GPT", "Muon", 0.01, 400, EDGE),
    Case("relu", "SGD", 0.1, 300, KINKS),
    Case("CNN, relu", "SGD", 0.1, 300, KINKS),
    Case("CNN, relu", "momentum", 0.01, 300, KINKS),
    Case("CNN, relu", "Adam", 1e-3, 300, KINKS),
    Case("ResNet, relu", "AdamW", 1e-3, 400, KINKS),
    Case("tanh", "SGD", 0.1, 300, NOISE, 8),
    Case("tanh", "momentum", 0.05, 300, NOISE, 32),
    Case("CNN, tanh", "RMSprop", 1e-3, 700, NOISE, 32),
    Case("CNN, relu", "Adam", 1e-3, 300, NOISE, 128),
    Case("ResNet, SiLU", "momentum", 0.03, 300, NOISE, 64),
    Case("GPT", "AdamW", 3e-4, 300, NOISE, 4),
    Case("LSTM", "Muon", 0.01, 300, NOISE, 64),
)


def _data(net: str) -> tuple[torch.Tensor, torch.Tensor]:
    if net == "GPT":
        text = torch.tensor([ord(one) for one in " ".join(TEXT.replace("e", one) for one in "aeiou")])
        starts = torch.randint(len(text) - 33, (16,))
        return torch.stack([text[i : i + 32] for i in starts]), torch.stack([text[i + 1 : i + 33] for i in starts])
    pixels, labels = load_digits(return_X_y=True)
    return torch.tensor(pixels[:SAMPLES] / 16, dtype=torch.float32), torch.tensor(labels[:SAMPLES])


def _preconditioner(optimizer: Any, group: dict[str, Any], part: torch.Tensor) -> torch.Tensor:
    state = optimizer.state[part]
    if "exp_avg_sq" in state:
        return 1 / ((state["exp_avg_sq"] / (1 - group["betas"][1] ** float(state["step"]))).sqrt() + group["eps"])
    return 1 / (state["square_avg"].sqrt() + group["eps"]) if "square_avg" in state else torch.ones_like(part)


def sharpness(loss: torch.Tensor, optimizer: Any, start: Sequence[torch.Tensor], turns: int = 15) -> float:
    """The largest eigenvalue of P^½ H P^½, from a start that becomes its vector."""
    groups = optimizer.param_groups
    parts = [part for group in groups for part in group["params"]]
    roots = [_preconditioner(optimizer, group, part).sqrt() for group in groups for part in group["params"]]
    gradient, value = torch.autograd.grad(loss, parts, create_graph=True), 0.0
    for _ in range(turns):
        size = math.sqrt(sum(float((one * one).sum()) for one in start))
        for one in start:
            one.div_(size)
        pushed = [root * one for root, one in zip(roots, start, strict=True)]
        turned = torch.autograd.grad(gradient, parts, pushed, retain_graph=True)
        after = [root * one for root, one in zip(roots, turned, strict=True)]
        value = sum(float((one * other).sum()) for one, other in zip(start, after, strict=True))
        for one, other in zip(start, after, strict=True):
            one.copy_(other)
    return value


def run(case: Case) -> list[str]:
    """A row: the run, the verdict with its numbers, and the truth."""
    torch.manual_seed(0)
    model, (inputs, targets) = NETS[case.net](), _data(case.net)
    make, threshold = RULES[case.rule]
    optimizer = make(list(model.parameters()), lr=case.rate)
    start = [torch.randn_like(part) for group in optimizer.param_groups for part in group["params"]]

    def loss(chosen: Any = slice(None)) -> torch.Tensor:
        scores, wanted = model(inputs[chosen]), targets[chosen]
        return functional.cross_entropy(scores, wanted.reshape(-1))

    truths, queue = [], torch.empty(0)
    with track(optimizer, every=EVERY) as tracker:
        for step in range(1, case.steps + 1):
            if case.batch:
                queue = queue if len(queue) >= case.batch else torch.randperm(len(inputs))
                chosen, queue = queue[: case.batch], queue[case.batch :]
            optimizer.zero_grad()
            loss(chosen if case.batch else slice(None)).backward()
            optimizer.step()
            if step % EVERY == 0 and step > case.steps - LATEST * EVERY and math.isfinite(threshold):
                truths.append(case.rate * sharpness(loss(), optimizer, start) / threshold)
    truth = f"{min(truths):.2f} … {max(truths):.2f}" if truths else "none"
    if case.batch:
        truth = f"noise {noise_share(model, loss, len(inputs), case.batch):.2f}"
    last = tracker.measurements[-LATEST:]
    edges = [one.edge for one in last if math.isfinite(one.edge)]
    numbers = f"{tracker.latest.modulus:.2f}∠{tracker.latest.angle:.0f}° {median(one.residual for one in last):.2f}"
    told = f"{max(edges):.2f}" if edges else ""
    name = f"{case.rule} {case.rate:g}" + (f", batches of {case.batch}" if case.batch else "")
    return [case.net, name, tracker.verdict, numbers, told, truth, "" if tracker.verdict in case.right else "wrong"]


def noise_share(model: nn.Module, loss: Callable[..., torch.Tensor], count: int, size: int) -> float:
    """The share of ‖g‖² of a batch that is noise, of twenty batches at these weights."""
    rows = []
    for _ in range(BATCHES):
        parts = torch.autograd.grad(loss(torch.randperm(count)[:size]), list(model.parameters()))
        rows.append(torch.cat([part.flatten() for part in parts]))
    drawn = torch.stack(rows)
    return float(drawn.var(dim=0).sum() / drawn.square().sum(dim=1).mean())


def report() -> str:
    """All runs."""
    torch.set_num_threads(1)
    head = ("net", "run", "verdict", "multiplier, residual", "edge told", "truth", "")
    rows = []
    for case in CASES:
        rows.append(run(case))
        processes.progress("  ".join(rows[-1]))
    return tables.table(head, rows)


if __name__ == "__main__":
    print(report())
