"""Nguyen, Phan & Kalagnanam 2026: what the order of the batches does, and the round that forgets it one order further.

Gradients come from a kernel; the steps are taken here.  What the solver says is what ``eomsym.design`` raises.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import product

import numpy as np
from matplotlib.figure import Figure

import eomsym
from benchmarks.reproductions.pages import Numbers
from eomsym.derivation.designing import read_demands
from eomsym.derivation.modified_loss import tree_rows
from eomsym.drawing import line_style, panels
from eomsym.errors import UnsolvableError
from eomsym.models import MLP, dataset
from eomsym.optimizers import Optimizer
from eomsym.optimizers.batches import batch_passes

BATCHES, SIZE, DRAWS, PASSES = 10, 179, 20, 8
ETAS = tuple(0.05 * 0.5**k for k in range(11))
PALINDROMES = [1, -1, 2, -2, 3, -3, 4, -4]
#: The number of each pass's weight, negative where it is reversed.  A scheme draws a new order whenever it begins.
SCHEMES = {
    "shuffled": [1],
    "one order twice": [1, 1],
    "forward, then reversed": [1, -1],
    "the same four times": [1, -1] * 4,
    "designed": PALINDROMES,
}


def first_that_depends(visits: list[int], weights: dict[str, Fraction]) -> int:
    """k of the first ξ_k, up to 2, that is another one when two of three batches change places: by trees."""
    rows = tree_rows(eomsym.derive(batch_passes(visits), 3, batches=3, **weights))
    return next(k for k in range(3) if any(read_demands(None, 0, 0, None, k + 1).conditions(rows, proof=False)))


def spread(
    visits: list[int], weights: dict[str, Fraction], eta: float, start: np.ndarray, gradients: list[Callable]
) -> float:
    """Root mean square distance of the ends of ``PASSES`` passes to their mean, over ``DRAWS`` draws of orders."""
    steps = [(eta * float(weights[f"w{abs(visit)}"]), 1 if visit > 0 else -1) for visit in visits]
    ends = []
    for draw in range(DRAWS):
        rng, theta = np.random.default_rng(draw), start
        for _ in range(PASSES // len(visits)):
            order = rng.permutation(BATCHES)
            for step, direction in steps:
                for batch in order[::direction]:
                    theta = theta - step * gradients[batch](theta)
        ends.append(theta)
    return float(np.sqrt(np.mean(np.sum((ends - np.mean(ends, 0)) ** 2, 1))))


def verdict(family: Optimizer, **more: object) -> str:
    """What the solver says of a family: its weights, or why there are none."""
    try:
        made = eomsym.design(family, order_free=2, pace=1, **more)
    except UnsolvableError as error:
        text = re.sub(r"^design: (.*?: |no member.*?; )?|; fix .*$", "", str(error))
        if "condition has no solution" in str(error):
            return "basis {1}"
        degree = max(int(power) for power in re.findall(r"\*\*(\d+)", text))
        return text if degree < 4 else re.sub("^.* = 0 ", f"an equation of degree {degree} in w1 ", text)
    return ", ".join(str(value) for name, value in made.coefficients.items() if name.startswith("w"))


def measure(progress: Callable[[int, int], None]) -> Numbers:
    signs = list(product((1, -1), repeat=3))
    total, done = len(signs) + len(SCHEMES) * len(ETAS), 0

    def tick(value: object) -> object:
        nonlocal done
        done += 1
        progress(done, total)
        return value

    made = eomsym.design(batch_passes(PALINDROMES), order_free=2, pace=1)
    patterns = [[1, *(sign * number for sign, number in zip(part, (2, 3, 4), strict=True))] for part in signs]
    directions = {"".join("FR"[visit < 0] for visit in visits): visits for visits in patterns}
    proofs = {name: tick(verdict(batch_passes(visits))) for name, visits in directions.items()}
    measured = _spreads(made.coefficients, tick)
    return {
        "weights": [str(weight) for name, weight in made.coefficients.items()],
        "condition": str(made.conditions[-1]),
        "proofs": proofs,
        "positive": verdict(batch_passes(PALINDROMES, positive=True)),
        "triple": verdict(batch_passes([1, -1, 2, -2, 1, -1])),
        "two": verdict(batch_passes([1, -2, -3, 4]), batches=2),
        "passes": PASSES,
        "draws": DRAWS,
        "etas": list(ETAS),
        "schemes": measured,
        "shown": list(range(0, len(ETAS), 2)),
        "crossing": next(
            eta
            for eta, palindrome, designed in zip(ETAS, measured[2]["spreads"], measured[4]["spreads"], strict=True)
            if designed < palindrome
        ),
    }


def _spreads(designed: Mapping[str, Fraction], tick: Callable[[object], object]) -> list[Numbers]:
    data, model = dataset("digits"), MLP([64, 32, 10], activation="tanh", loss="cross-entropy")
    with tempfile.TemporaryDirectory() as folder:
        kernel = eomsym.load(eomsym.generate(model, order=1, output=folder))
    parts = np.random.default_rng(0).permutation(BATCHES * SIZE).reshape(BATCHES, SIZE)

    def gradient(part: np.ndarray) -> Callable:
        inputs, targets = data.inputs[part], data.targets[part]
        return lambda theta: kernel.gradient(theta, inputs, targets)

    found, gradients = [], [gradient(part) for part in parts]
    for name, visits in SCHEMES.items():
        weights = dict(designed) if name == "designed" else {"w1": Fraction(1)}
        values = [tick(spread(visits, weights, eta, model.initial(0), gradients)) for eta in ETAS]
        slopes = np.log2(np.divide(values[:-1], values[1:])).tolist()
        first = first_that_depends(visits, weights)
        found.append({"name": name, "first": first, "expected": first + 2, "spreads": values, "slopes": slopes})
    return found


def draw(numbers: Numbers) -> Figure:
    figure, (axes,) = panels(7, 4.6)
    for index, scheme in enumerate(numbers["schemes"]):
        colour, marker = line_style(index)
        label = f"{scheme['name']}: slope {scheme['slopes'][-1]:.2f}"
        axes.loglog(numbers["etas"], scheme["spreads"], color=colour, marker=marker, ms=4, label=label)
    axes.set(xlabel="step size η", ylabel="spread over the orders of the batches")
    axes.legend(frameon=False, fontsize=9)
    return figure
