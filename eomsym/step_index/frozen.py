"""Components that never move, such as weights of pixels that are blank in all samples: g is 0 there, at every θ.

A root of a mean of g² has no derivative where g is 0, unless g is 0 all around: then the root is 0 too, and what is
divided by it as well.  So 0/0 is 0 for components that are known to be held, and for no others.

Where g is 0 but for round-off, as with the biases of keys, which softmax does not see, it is another number wherever θ
moves in its last digits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from eomsym.array_series.machine import Backend, total
from eomsym.errors import InputError
from eomsym.optimizers import One, SquareRoot, UpdateRule

if TYPE_CHECKING:  # NumPy comes where numbers do: a derivation does without
    import numpy as np

#: How far the places are at which g is looked at again, relative to 1 + |θ|; and how many.
REACH, PLACES = 0.1, 2
#: Round-off is no more than this power of the precision of the largest g, and changes by at least a share of itself, at
#: some near places together, where θ moves by some units in its last place.
SMALL, SHARE, NEAR, LOOKS, LAST = 0.75, 0.01, 0.01, 3, 8

Arrays = list[Any]


def takes_roots(rule: UpdateRule) -> bool:
    """Whether a step takes the root of anything."""
    return any(isinstance(atom, SquareRoot) for atom in rule.atoms)


def has_kink(rule: UpdateRule) -> bool:
    """Whether a step takes the root of what is 0 with g: a square with nothing added below the root."""
    return any(
        isinstance(atom, SquareRoot)
        and not any(isinstance(rule.atoms[number], One) for number in atom.argument.atoms(0))
        for atom in rule.atoms
    )


def check_frozen(gradient: Callable[[np.ndarray], np.ndarray], theta: np.ndarray, name: str) -> None:
    """Raises ``InputError`` where g is 0 at ``theta`` (d,) and not around it; ``name`` is the optimiser's."""
    import numpy as np

    still = np.flatnonzero(gradient(theta) == 0)
    if not still.size:
        return
    random = np.random.default_rng(0)
    for _ in range(PLACES):
        around = gradient(theta + REACH * (1 + np.abs(theta)) * random.normal(size=theta.size))
        moving = still[around[still] != 0]
        if moving.size:
            raise InputError(
                f"theta: g is 0 at parameter {moving[0]}, where the root that {name} takes has no derivative; take "
                "another theta, or a rule with epsilon inside the root"
            )


def root_quotient(rest: np.ndarray, root: np.ndarray) -> np.ndarray:
    """``rest / root``, 0 where both are: there the component is held."""
    import numpy as np

    if root.all():
        return np.asarray(rest / root)
    still = (rest == 0) & (root == 0)
    return np.asarray(rest / np.where(still, 1, root))


def tiny(gradient: Arrays, backend: Backend) -> Arrays:
    """Where components are so small that they may be round-off."""
    largest = total([abs(part).max() for part in gradient if 0 not in part.shape])
    return [abs(part) <= backend.precision(part) ** SMALL * largest for part in gradient]


def round_off(gradient: Callable[[Arrays], Arrays], point: Arrays, backend: Backend) -> tuple[Arrays, Arrays]:
    """Where g is round-off near ``point``, and where of that it is not 0; nothing where it cannot be looked at."""
    import numpy as np

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
