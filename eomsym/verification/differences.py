"""The derivative of a function along a direction from its values alone, with its error measured or refused."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from eomsym.errors import InputError

#: Central differences of order 8 at ±h … ±4h (Fornberg 1988).
WEIGHTS = np.array([4 / 5, -1 / 5, 4 / 105, -1 / 280])
#: The largest spacing, in units of ‖θ‖, and how often it is halved.
LARGEST, HALVINGS = 0.05, 9
#: The error allowed, relative to the derivative, and to the function over ‖θ‖ where that is larger.
ALLOWED = 1e-7


def derivative(function: Callable[[np.ndarray], np.ndarray], theta: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """The derivative of ``function`` at ``theta`` (d,) along ``direction`` (d,), of the function's shape.

    Of several spacings that one is taken which differs least from its neighbour.  Raises ``InputError`` where the
    difference is not below 1e−7 of it, and where forward and backward slopes differ: it is not smooth there.
    """
    length = float(np.linalg.norm(direction))
    if length == 0:
        return 0 * function(theta)
    unit, reach = direction / length, float(np.linalg.norm(theta)) or 1.0
    here = function(theta)
    slopes, kinks = [], []
    for halving in range(HALVINGS):
        h = LARGEST * reach / 2**halving
        pairs = [(function(theta + j * h * unit), function(theta - j * h * unit)) for j in range(1, 5)]
        slopes.append(sum(w * (after - before) for w, (after, before) in zip(WEIGHTS, pairs, strict=True)) / h)
        kinks.append(float(np.abs(pairs[0][0] + pairs[0][1] - 2 * here).max()) / h)
    apart = [float(np.abs(b - a).max()) for a, b in pairwise(slopes)]
    best = int(np.argmin(apart))
    size = max(float(np.abs(slopes[best]).max()), float(np.abs(here).max()) / reach)
    # Half the spacing halves the change of a slope that is smooth; at a kink it stays.
    kinked = kinks[-1] > 0.75 * kinks[-2] and kinks[-1] > ALLOWED * size
    if kinked or not apart[best] <= ALLOWED * size:
        raise InputError(
            f"observable: not smooth enough at theta to be differentiated by differences, uncertain by "
            f"{apart[best]:.1e} of {size:.1e}; give a pair (function, its derivative along v), or an expression"
        )
    return length * np.asarray(slopes[best])
