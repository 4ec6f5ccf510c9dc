"""What a tracker costs a training loop of a million parameters: the loop with it and without, in turn."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import pairwise

from benchmarks import processes, tables
from benchmarks.timing import Spread, interleaved, ratios

LAYERS, EVERY, ORDERS = (784, 1000, 200, 10), 50, (1, 3, 5)
BATCHES = (32, 256)


def report(rounds: int) -> str:
    """One line a batch size and order: fifty steps of Adam in single precision."""
    if find_spec("torch") is None:
        return "torch is not installed."
    import torch

    from eomsym.torch import track

    torch.set_num_threads(1)
    rows = []
    for batch in BATCHES:
        torch.manual_seed(0)
        first, *others = (torch.nn.Linear(*sizes) for sizes in pairwise(LAYERS))
        model = torch.nn.Sequential(first, *(part for layer in others for part in (torch.nn.Tanh(), layer)))
        inputs, labels = torch.rand(batch, LAYERS[0]), torch.randint(LAYERS[-1], (batch,))
        optimizer = torch.optim.Adam(model.parameters(), 1e-4)

        def train(model=model, inputs=inputs, labels=labels, optimizer=optimizer) -> None:
            for _ in range(EVERY):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(inputs), labels).backward()
                optimizer.step()

        for order in ORDERS:
            processes.progress(f"tracker: batches of {batch}, order {order}")

            tracker = track(optimizer, order, EVERY)

            def tracked(tracker=tracker, train=train) -> None:
                with tracker:
                    train()

            times = interleaved({"tracked": tracked, "bare": train}, rounds)
            more = [100 * (quotient - 1) for quotient in ratios(times["tracked"], times["bare"])]
            quotient, shown = Spread.of(more), Spread.of(times["bare"]).scaled(1e3 / EVERY)
            rows.append([str(batch), str(order), tables.spread(shown), tables.spread(quotient)])
    return tables.table(("batch", "order", "a step, ms", "tracker, % of the steps"), rows)
