"""Components that never move, such as weights of pixels that are blank in all samples: g is 0 there, at every θ.

A root of a mean of g² has no derivative where g is 0, unless g is 0 all around: then the root is 0 too, and what is
divided by it as well.  So 0/0 is 0 for components that are known to be frozen, and for no others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from eomsym.errors import InputError
from eomsym.optimizers.rule import One, SquareRoot, UpdateRule

if TYPE_CHECKING:  # NumPy comes where numbers do: a derivation does without
    import numpy as np

#: How far the places are at which g is looked at again, relative to 1 + |θ|; and how many.
REACH, PLACES = 0.1, 2


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
