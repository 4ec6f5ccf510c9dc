"""Where g is 0 but for round-off, as with the biases of keys, which softmax does not see.

There it is another number wherever θ moves in its last digits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from eomsym.arrays.machine import Backend, total

#: Round-off is no more than this power of the precision of the largest g, and changes by at least a share of itself, at
#: some near places together, where θ moves by some units in its last place.
SMALL, SHARE, NEAR, LOOKS, LAST = 0.75, 0.01, 0.01, 3, 8

Arrays = list[Any]


def tiny(gradient: Arrays, backend: Backend) -> Arrays:
    """Where components are so small that they may be round-off."""
    largest = total([abs(part).max() for part in gradient if 0 not in part.shape])
    return [abs(part) <= backend.precision(part) ** SMALL * largest for part in gradient]


def round_off(gradient: Callable[[Arrays], Arrays], point: Arrays, backend: Backend) -> tuple[Arrays, Arrays]:
    """Where g is round-off near ``point``, and where of that it is not 0; nothing where it cannot be looked at."""
    random = np.random.default_rng(0)

    def drawn(value: Any, draw: Callable[..., Any]) -> Any:
        return backend.like(draw(size=tuple(value.shape)), value)

    sizes, changes = [], []
    for _ in range(LOOKS):
        place = [value + NEAR * (1 + abs(value)) * drawn(value, random.normal) for value in point]
        moved = [v * (1 + LAST * backend.precision(v) * drawn(v, partial(random.choice, [-1.0, 1.0]))) for v in place]
        here, there = gradient(place), gradient(moved)
        if not all(map(backend.concrete, here)):
            return [], []
        sizes.append([abs(one) for one in here])
        changes.append([abs(one - other) for one, other in zip(here, there, strict=True)])
    size, change = ([total(column) for column in zip(*rows, strict=True)] for rows in (sizes, changes))
    both = zip(tiny(size, backend), size, change, strict=True)
    found = [small & (SHARE * whole <= part) for small, whole, part in both]
    return found, [part & (value > 0) for part, value in zip(found, size, strict=True)]
