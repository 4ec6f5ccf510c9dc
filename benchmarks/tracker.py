"""What a tracker costs a training loop: the loop with it and without, in turn, with 10⁶ and 10⁷ parameters."""

from __future__ import annotations

import time
from importlib.util import find_spec
from itertools import pairwise

from benchmarks import processes, tables
from benchmarks.timing import Spread, interleaved, ratios, rounds_for

LAYERS = {"1e6": (784, 1000, 200, 10), "1e7": (784, 3000, 2450, 10)}
EVERY, BATCHES, ORDER = (50, 20), (256, 32), 3


def report(seconds: float) -> str:
    """One line a size, batch and number of steps between looks; ``seconds`` are for the rounds of a line."""
    if find_spec("torch") is None:
        return "torch is not installed."
    import torch

    torch.set_num_threads(1)
    rows = [
        [name, str(batch), str(every), *_measured(sizes, batch, every, seconds)]
        for name, sizes in LAYERS.items()
        for batch in BATCHES
        for every in EVERY
    ]
    return tables.table(("parameters", "batch", "every", "a step, ms", "tracker, % of the steps"), rows)


def _measured(sizes: tuple[int, ...], batch: int, every: int, seconds: float) -> tuple[str, str]:
    """A step of Adam in single precision, and what a look adds to ``every`` of them, in the processor's time."""
    import torch

    from eomsym.torch import track

    torch.manual_seed(0)
    processes.progress(f"tracker: {sizes}, batches of {batch}, every {every}")
    first, *others = (torch.nn.Linear(*ends) for ends in pairwise(sizes))
    model = torch.nn.Sequential(first, *(part for layer in others for part in (torch.nn.Tanh(), layer)))
    inputs, labels = torch.rand(batch, sizes[0]), torch.randint(sizes[-1], (batch,))
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)
    tracker = track(optimizer, ORDER, every)

    def train() -> None:
        for _ in range(every):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(inputs), labels).backward()
            optimizer.step()

    def tracked() -> None:
        with tracker:
            train()

    begin = time.process_time()
    train()
    rounds = rounds_for(seconds, 2 * (time.process_time() - begin), 5, 40)
    times = interleaved({"tracked": tracked, "bare": train}, rounds, clock=time.process_time)
    more = [100 * (quotient - 1) for quotient in ratios(times["tracked"], times["bare"])]
    return tables.spread(Spread.of(times["bare"]).scaled(1e3 / every)), tables.spread(Spread.of(more))
