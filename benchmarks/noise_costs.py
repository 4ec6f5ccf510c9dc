"""What predicted noise costs beside one run: momentum 0.9 on networks of 42, 2410 and 101,770 parameters.

``python -m benchmarks.noise_costs [names]`` prints a line a network: seconds of one core for a step of the prediction
and for a step of a run on batches of 32, medians of repeats, and their quotient, which is how many runs, one after
the other, cost as much.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from itertools import islice

import numpy as np
from threadpoolctl import threadpool_limits

import eomsym
from eomsym.dynamics.noise_equations import NoisyRun
from eomsym.dynamics.noise_prediction import DENSE, RANK, KernelLoss
from eomsym.dynamics.noise_record import PIECES
from eomsym.optimizers import chosen

BATCH, ETA = 32, 0.02
#: Layers, the data set (None: 512 random samples), steps of a repeat and repeats.
NETS: dict[str, tuple[tuple[int, ...], str | None, int, int]] = {
    "moons": ((2, 8, 2), "moons", 8, 5),
    "digits": ((64, 32, 10), "digits", 4, 5),
    "wide": ((784, 128, 10), None, 2, 3),
}


def posed(name: str) -> NoisyRun:
    """Momentum on a network."""
    layers, dataset, _, _ = NETS[name]
    model = eomsym.models.MLP(list(layers), activation="tanh", loss="cross-entropy")
    random = np.random.default_rng(0)
    data: tuple[np.ndarray, ...] = random.normal(size=(512, layers[0])) / 4, random.integers(0, layers[-1], 512)
    if dataset is not None:
        data = eomsym.models.dataset(dataset).arrays
    training = eomsym.Training(model, data, "heavy-ball", ETA, batches=BATCH)
    kernel, samples = training.series_kernel(2, "noise"), len(data[0])
    dense = model.size <= DENSE
    order = np.arange(samples) if dense else random.permutation(samples)
    loss = KernelLoss(kernel, data, np.array_split(order, samples if dense else min(PIECES, samples)))
    entry, exact = chosen("heavy-ball", {"beta": "9/10"})
    values = {key: float(value) for key, value in exact.items()}
    loader = eomsym.Batches(BATCH).draw(samples)
    return NoisyRun(loss, loader, entry, lambda step: (ETA, values), None if dense else RANK)


def seconds(steps: Callable[[int], object], count: int, repeats: int) -> float:
    """Processor seconds of a step: the median over repeats, after one that is left out."""
    steps(count)
    taken = []
    for _ in range(repeats):
        begun = time.process_time()
        steps(count)
        taken.append((time.process_time() - begun) / count)
    return statistics.median(taken)


def line(name: str) -> str:
    """The cells of a network."""
    run, (layers, _, count, repeats) = posed(name), NETS[name]
    model = eomsym.models.MLP(list(layers), activation="tanh", loss="cross-entropy")
    start = (model.initial(0), np.zeros(model.size))

    def predict(steps: int) -> None:
        for _ in islice(run.moments(start), steps + 1):
            pass

    def walk(steps: int) -> None:
        for _ in islice(run.steps(start, np.random.default_rng(0)), 20 * steps + 1):
            pass

    with threadpool_limits(limits=1, user_api="blas"):
        predicted, walked = seconds(predict, count, repeats), seconds(walk, count, repeats) / 20
    return f"| {name} | {model.size} | {predicted:.3g} | {walked:.3g} | {predicted / walked:.0f} |"


def main(names: list[str]) -> None:
    """One line a network."""
    unknown = [name for name in names if name not in NETS]
    if unknown:
        sys.exit(f"{unknown[0]!r} is no network; choose from {', '.join(NETS)}")
    print("| network | d | seconds a step, predicted | of a run | in runs |\n|---|---|---|---|---|", flush=True)
    for name in names or NETS:
        print(line(name), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
