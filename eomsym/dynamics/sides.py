"""Steps that have no derivative everywhere: what jumps is refused, and a run stays on one side of what has a kink.

``max``, ``clip`` and comparisons are smooth on either side, so the run decides: an equation of motion is that of the
side on which the run is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn

import numpy as np

from eomsym.errors import InputError

#: A state z (m,) → name and side of each kink that its step meets, in order.
Sides = Callable[[np.ndarray], Sequence[tuple[str, np.ndarray]]]


def refuse_jump(name: str) -> NoReturn:
    """Raises ``InputError`` for an operation of a step that jumps."""
    what = "the sign" if name in ("sign", "sgn") else f"{name!r}"
    raise InputError(
        f"optimizer: its step takes {what} of what moves, which jumps, so that there is no derivative and no equation "
        "of motion; take Adam or SGD, say, or x/sqrt(x**2 + eps**2) in place of a sign"
    )


def refuse_kept(name: str) -> NoReturn:
    """Raises ``InputError`` for a memory that is a maximum of itself and something new, as amsgrad's."""
    raise InputError(
        f"optimizer: it keeps the {name} of a memory and something new, which has a kink where they meet and no "
        "equation of motion; take Adam or SGD, say"
    )


def check_one_side(sides: Sides, states: np.ndarray, first: int) -> None:
    """Raises ``InputError`` where a step leaves the side of a kink that the first one was on.

    ``states`` (steps + 1, m) are those of a run from step ``first`` on.  Takes a gradient for each step.
    """
    begin = sides(states[0])
    for count, state in enumerate(states[1:-1], 1):
        changed = _changed(begin, sides(state))
        if changed:
            raise InputError(
                f"optimizer: its {changed} goes to another side at step {first + count + 1}, and between the sides the "
                f"step has no derivative; stop at step {first + count}, or begin there, with after={first + count}, or "
                "take a rule without it"
            )


def _changed(before: Sequence[tuple[str, np.ndarray]], now: Sequence[tuple[str, np.ndarray]]) -> str:
    """The first kink whose side is another; empty where there is none."""
    for (name, side), (other, after) in zip(before, now, strict=False):
        if name != other or not np.array_equal(side, after):
            return other
    longer = max(before, now, key=len)[min(len(before), len(now)) :]
    return longer[0][0] if longer else ""
