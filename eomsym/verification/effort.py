"""What a convergence study will take, estimated before it begins and told through ``logging`` as ``eomsym``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter

import numpy as np

from eomsym.dynamics.kernel import FieldKernel

#: A path is run a second time, disturbed, for its round-off.
RUNS = 2
#: Values of the field that the integrators ask for on one path, to the accuracies that errors here ask for; a stiff
#: path asks for more, in proportion to T max|λ|.  Means over the networks and orders of the documentation.
EVALUATIONS, STIFF_EVALUATIONS = 250, 8
CALLS = 4
#: Shorter studies are not worth a word.
WORTH_TELLING = 2.0

_logger = logging.getLogger("eomsym")


def tell_effort(
    kernel: FieldKernel,
    theta: np.ndarray,
    data: Sequence[np.ndarray],
    orders: Sequence[int],
    etas: Sequence[float],
    time: float,
    radius: float,
) -> float:
    """The seconds that paths up to ``time`` will take, within a factor of three or so; told where they are many.

    ``radius`` is max|λ|.  One gradient and one value of the field of each order are timed; nobody is kept waiting
    for that where no one listens.
    """
    if not _logger.isEnabledFor(logging.INFO):
        return 0.0
    steps = RUNS * sum(round(time / eta) for eta in etas)
    evaluations = len(etas) * (EVALUATIONS + STIFF_EVALUATIONS * time * radius)
    of_fields = sum(shortest_seconds(partial(kernel.field, theta, etas[-1], *data, order=order)) for order in orders)
    seconds = steps * shortest_seconds(partial(kernel.gradient, theta, *data)) + evaluations * of_fields
    if seconds > WORTH_TELLING:
        _logger.info(
            "%d steps of the optimiser, and its equation of motion over a time of %.3g at a curvature of %.3g: "
            "about %.0f s, more if step sizes have to be added",
            *(steps, time, radius, seconds),
        )
    return seconds


def shortest_seconds(call: Callable[[], object]) -> float:
    """The fastest of a few: others may use the processor too."""
    found = []
    for _ in range(CALLS):
        begin = perf_counter()
        call()
        found.append(perf_counter() - begin)
    return min(found)
