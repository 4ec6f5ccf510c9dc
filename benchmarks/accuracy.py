"""Digits of kernels in double precision: certified relative errors of all rows, and how well conditioned the rows are.

``python -m benchmarks.accuracy [ACTIVATION ...]`` certifies hidden networks with every activation, both losses, with
and without weight decay, to order 12, and prints a table; it compiles a kernel for each, half an hour in all.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

import eomsym
from benchmarks import processes, tables
from eomsym.models import ACTIVATIONS, LOSSES, MLP

NETS = ((3, 5, 2), (2, 4, 4, 3))
DECAYS = (0.0, 0.1)
ORDER = 12
SAMPLES = 6
#: What issue 13 allows up to row k.
BOUNDS = {6: 1e-12, 10: 1e-11, 12: 1e-10}
#: Rows that change more than this with θ are not judged: no program could keep their digits.
CONDITION = 100.0
#: Relative size of the perturbations of θ: far above round-off, far below where rows bend.
NUDGE = 1e-9


def report(activations: Sequence[str]) -> str:
    """One line a network: the largest error of the rows up to each k, with and without weight decay."""
    rows = []
    for layers in NETS:
        for activation in activations:
            for loss in LOSSES:
                processes.progress(f"accuracy: {layers}, {activation}, {loss}")
                rows.append(_row([measure(MLP(layers, activation, loss, decay)) for decay in DECAYS], layers))
                print("  ".join(rows[-1]), file=sys.stderr, flush=True)
    header = ("network", "loss", *(f"worst row to {k}" for k in BOUNDS), "condition", "within")
    return tables.table(header, rows)


def _row(measured: Sequence[tuple[MLP, np.ndarray, np.ndarray]], layers: tuple[int, ...]) -> list[str]:
    model = measured[0][0]
    errors = np.array([errors for _, errors, _ in measured])
    conditions = np.array([conditions for _, _, conditions in measured])
    within = all(errors[:, k][conditions[:, k] < CONDITION].max(initial=0.0) <= _bound(k) for k in range(ORDER + 1))
    cells = [f"{errors[:, : k + 1].max():.0e}" for k in BOUNDS]
    name = f"{'-'.join(map(str, layers))} {model.activation}"
    return [name, model.loss, *cells, f"{conditions.max():.0f}", "yes" if within else "no"]


def _bound(row: int) -> float:
    return next(bound for last, bound in BOUNDS.items() if row <= last)


def measure(model: MLP) -> tuple[MLP, np.ndarray, np.ndarray]:
    """Certified relative errors and condition numbers of rows 0 … ORDER, at one point."""
    kernel = eomsym.load(eomsym.generate(model, order=ORDER, output=processes.BUILD))
    random = np.random.default_rng(0)
    theta = 0.7 * random.standard_normal(model.size)
    inputs = random.standard_normal((SAMPLES, model.layers[0]))
    outputs = model.layers[-1]
    labelled = model.loss == "cross-entropy"
    targets = random.integers(0, outputs, SAMPLES) if labelled else random.standard_normal((SAMPLES, outputs))
    errors = eomsym.certify(eomsym.Training(kernel, (inputs, targets), theta=theta)).relative_errors
    return model, np.array(errors), _conditions(kernel, theta, inputs, targets, random)


def _conditions(kernel, theta, inputs, targets, random) -> np.ndarray:
    """Relative change of each row over that of θ, the largest of a few perturbations."""
    rows = kernel.counterterms(theta, inputs, targets)
    changes = []
    for _ in range(5):
        nudge = random.standard_normal(len(theta))
        nudge *= NUDGE * np.linalg.norm(theta) / np.linalg.norm(nudge)
        moved = kernel.counterterms(theta + nudge, inputs, targets)
        changes.append(np.linalg.norm(moved - rows, axis=1) / np.linalg.norm(rows, axis=1) / NUDGE)
    return np.max(changes, axis=0)


if __name__ == "__main__":
    print(report(sys.argv[1:] or list(ACTIVATIONS)))
