"""AdamW whose numbers differ between the arrays of a small network: written out by hand, array by array."""

from fractions import Fraction
from functools import cache
from math import prod

import gmpy2
import high_precision
import numpy as np
from gmpy2 import mpfr
from second_routes.iterates import slow_field

from eomsym.models import MLP

MODEL = MLP([2, 3, 2])
THETA, INPUTS, TARGETS = high_precision.problem(MODEL)
COMMON = {"beta1": "1/2", "beta2": "2/5", "epsilon": "1/10", "decay": "1/10"}
GROUPS = {
    "*.bias": {"decay": 0, "eta_factor": "3/2"},
    "0.bias": {"beta1": "1/3", "beta2": "1/4"},
    "2.weight": {"epsilon": "1/5"},
}
#: The same, array by array: β₁, β₂, ε, λ and the factor of η.
TABLE = {
    "0.weight": ("1/2", "2/5", "1/10", "1/10", "1"),
    "0.bias": ("1/3", "1/4", "1/10", "0", "3/2"),
    "2.weight": ("1/2", "2/5", "1/5", "1/10", "1"),
    "2.bias": ("1/2", "2/5", "1/10", "0", "3/2"),
}
SIZES = tuple(map(prod, MODEL.blocks.shapes))


def numbers(kind=float):
    """β₁, β₂, ε, λ and the factor of each entry of θ."""
    rows = [[kind(Fraction(text)) for text in TABLE[name]] for name in MODEL.blocks.names]
    return [np.repeat(np.array(column), SIZES) for column in zip(*rows, strict=True)]


def step(gradient, state, eta, table, root=np.sqrt):
    """One step without the correction of the start, which is forgotten."""
    beta1, beta2, epsilon, decay, factor = table
    theta, mean, square = state
    slope = gradient(theta)
    mean = beta1 * mean + (1 - beta1) * slope
    square = beta2 * square + (1 - beta2) * slope * slope
    return theta - eta * factor * (mean / (root(square) + epsilon) + decay * theta), mean, square


@cache
def rows_by_iterates(terms=3):
    """``−f̃_0, …`` (terms, d), by iterates in many digits."""
    with gmpy2.context(gmpy2.get_context(), precision=500):
        data, table = high_precision.exact(INPUTS), numbers(lambda value: mpfr(value.numerator) / value.denominator)
        root = np.frompyfunc(gmpy2.sqrt, 1, 1)

        def moved(state, eta):
            return step(lambda point: high_precision.gradient(MODEL, point, data, TARGETS), state, eta, table, root)

        return -slow_field(moved, 2, THETA, terms, fade=260)
