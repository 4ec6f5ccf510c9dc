"""What the differences of a run say of it: a series, or which of the reasons why there is none.

Nothing here is a theorem.  The limits lie between what was measured on networks (``docs/tracker.md`` has the table):
from difference to difference a run on its slow manifold loses at least half, kinks, an oscillation and noise lose
nothing; where they lose nothing, second differences that turn back each step and third ones that alternate are an
oscillation, second differences that know nothing of one another are noise, and what is left is kinks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from eomsym.tracking.differences import Differences

SERIES = "series"
TRANSIENT = "transient"
KINKS = "kinks"
EDGE = "edge of stability"
NOISE = "noise"
ROUND_OFF = "round-off"
AT_REST = "at rest"
NOT_FINITE = "not finite"

#: What each verdict means for who reads it.
MEANING = {
    SERIES: "each order is smaller than the one before; the equation of motion holds to the orders shown",
    TRANSIENT: "the optimiser's memory has not forgotten its start; the equation of the whole state holds, not theta's",
    KINKS: "the gradient has jumps, as of relu and max-pooling, or, in a smooth network, directions near "
    "eta*lambda = 1; orders from where the shares stop falling on mean nothing",
    EDGE: "the iterates alternate in a direction with eta*lambda near 2; the even-step equation holds, no series does",
    NOISE: "steps differ as independent draws do: batches, or steps so large that the run is chaotic; take "
    "steps_per_epoch for batches in a fixed order",
    ROUND_OFF: "steps are so small that rounding hides all orders above gradient flow's",
    AT_REST: "the parameters do not move",
    NOT_FINITE: "the parameters left the floating-point numbers",
}

#: From the second difference on a series loses at least this factor each time: η|λ| up to a half where it counts.
FALLING = 0.5
#: Cosines from which on the iterates alternate: of second differences two steps apart; in a row, and of third ones.
COMES_BACK, TURNS_BACK, ALTERNATES = 0.8, -0.5, -0.8
#: Cosines below which second differences are strangers, a step and two steps apart; and steps themselves.
STRANGERS, STRANGERS_AFTER_TWO, TURNED = 0.3, 0.25, 0.9
#: What is left of a start that counts as forgotten.
FORGOTTEN = 0.01


def verdict(recent: Sequence[Differences], age: int = 0, forgets: int = 0) -> str:
    """Of the last of ``recent``, which are looked at together where the last is no series.

    ``age`` is how many steps the optimiser has made, ``forgets`` how many its memory takes to forget.
    """
    last = recent[-1]
    if not np.isfinite(last.step):
        return NOT_FINITE
    if last.step <= 2**0.5 * last.rounding:
        return AT_REST
    if age < forgets:
        return TRANSIENT
    if last.seen < 2:
        return ROUND_OFF
    if is_falling(last):
        return SERIES
    if last.cosine(2, 2) >= COMES_BACK and last.cosine(2) <= TURNS_BACK and last.cosine(3) <= ALTERNATES:
        return EDGE
    rough = [one for one in recent if np.isfinite(one.step) and one.seen > 1 and not is_falling(one)]

    def mean(n: int, lag: int = 1) -> float:
        return float(np.mean([one.cosine(n, lag) for one in rough]))

    strangers = mean(2) < STRANGERS and mean(2, 2) < STRANGERS_AFTER_TWO
    return NOISE if mean(1) < TURNED or strangers else KINKS


def is_falling(differences: Differences) -> bool:
    """Whether each difference that is seen is at most half the one before, the second at most as large as the first.

    That one is not held to a half: it has the change of the learning rate too, all of it where a cosine ends.
    """
    first, *sizes = [n * share for n, share in enumerate(differences.shares[: differences.seen], 1)]
    return all(size <= first for size in sizes[:1]) and all(b <= FALLING * a for a, b in pairwise(sizes))


def steps_to_forget(shares: Sequence[float]) -> int:
    """Steps in which a memory that keeps these shares of itself forgets its start to a hundredth.

    Where the multipliers of a step are complex both have the size √β, that of heavy ball: a start fades no faster.
    """
    kept = max((share for share in shares if share > 0), default=0.0)
    return math.ceil(2 * math.log(FORGOTTEN) / math.log(kept)) if 0 < kept < 1 else 0
