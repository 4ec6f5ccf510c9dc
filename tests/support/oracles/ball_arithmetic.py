"""A third route to the counter terms: gradient descent in power series over balls, whose radii bound every rounding.

The network is one hidden layer of tanh with one output and the mean squared error, its gradient written out by hand.
"""

from itertools import pairwise

import numpy as np
from flint import arb, arb_series, ctx

BITS = 800


def modified_field(layers: tuple[int, int, int], theta: np.ndarray, inputs, targets, terms: int) -> list[list[arb]]:
    """``[g, ξ_0, …]``, ``terms`` rows of balls, from the differences of the iterates."""
    ctx.prec, ctx.cap = BITS, terms + 1
    row = [[arb_series([arb(float(value))]) for value in theta]]
    for _ in range(terms):
        slope = _gradient(layers, row[-1], inputs, targets)
        row.append([y - arb_series([0, 1]) * g for y, g in zip(row[-1], slope, strict=True)])
    total = [arb_series([0])] * len(theta)
    for n in range(1, terms + 1):
        row = [[b - a for a, b in zip(before, after, strict=True)] for before, after in pairwise(row)]
        total = [t + d * (arb((-1) ** (n + 1)) / n) for t, d in zip(total, row[0], strict=True)]
    return [[-series[k + 1] for series in total] for k in range(terms)]


def relative_error(high: np.ndarray, low: np.ndarray, truth: list[arb]) -> float:
    """Of one row, ‖·‖₂; an upper bound, the radii of the balls included."""
    squares = [(arb(float(a)) + arb(float(b)) - ball) ** 2 for a, b, ball in zip(high, low, truth, strict=True)]
    size = sum((ball**2 for ball in truth), arb(0)).sqrt()
    return float((sum(squares, arb(0)).sqrt() / size).upper())


def _tanh(series: arb_series) -> arb_series:
    power = (2 * series).exp()
    return (power - 1) / (power + 1)


def _gradient(layers, y, inputs, targets):
    width, hidden = layers[0], layers[1]
    biases, outer = y[width * hidden : (width + 1) * hidden], y[(width + 1) * hidden : -1]
    weights = [y[i * hidden : (i + 1) * hidden] for i in range(width)]
    gradient = [arb_series([0])] * len(y)
    for sample, target in zip(inputs, targets, strict=True):
        values = [arb(float(value)) for value in sample]
        active = [
            _tanh(sum((row[j] * value for row, value in zip(weights, values, strict=True)), biases[j]))
            for j in range(hidden)
        ]
        output = sum((a * w for a, w in zip(active, outer, strict=True)), y[-1])
        delta = (output - arb(float(target))) * (arb(1) / len(inputs))
        below = [delta * w * (1 - a * a) for a, w in zip(active, outer, strict=True)]
        share = [b * value for value in values for b in below] + below + [delta * a for a in active] + [delta]
        gradient = [g + s for g, s in zip(gradient, share, strict=True)]
    return gradient
