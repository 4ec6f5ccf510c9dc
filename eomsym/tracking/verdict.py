"""What a run's differences and multipliers say of it: a series, or which of the reasons why there is none.

Nothing here is a theorem.  The limits lie between what was measured on networks (``docs/tracker.md`` has the table):
from difference to difference a run on its slow manifold loses at least half.  Where it does not, and a recurrence
explains the differences with a multiplier that turns, it oscillates: at the edge, or on the way to a slow path that is
not reached.  Differences that know nothing of one another are noise, and what is left is kinks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from eomsym.tracking.differences import Differences
from eomsym.tracking.multipliers import TERMS, Multipliers, degrees, multipliers

if TYPE_CHECKING:
    from eomsym.derivation.thresholds import EdgeThreshold

SERIES = "series"
TRANSIENT = "transient"
UNDERDAMPED = "underdamped"
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
    UNDERDAMPED: "the iterates swing about their slow path and calm down slowly, with momentum as its square root a "
    "step; the equation of the whole state holds, theta's own series does not",
    KINKS: "the gradient has jumps, as of relu and max-pooling; orders from where the shares stop falling on mean "
    "nothing",
    EDGE: "a multiplier is on the unit circle: eta*lambda is at the threshold of the rule in a direction; with descent "
    "the even-step equation holds, no series does",
    NOISE: "steps differ as independent draws do: batches, or steps so large that the run is chaotic; take "
    "steps_per_epoch for batches in a fixed order",
    ROUND_OFF: "steps are so small that rounding hides all orders above gradient flow's",
    AT_REST: "the parameters do not move",
    NOT_FINITE: "the parameters left the floating-point numbers",
}

#: From the second difference on a series loses at least this factor each time: η|λ| up to a half where it counts.
FALLING = 0.5
#: The cosine of second differences from which on they are more than rounding, whose is −2/3, however small they are.
COHERENT = 0.5
#: Of a multiplier that counts: that times the share of its mode at least; its modulus, and where its share is large.
WEIGHT, MODULUS, MODULUS_OF_MOST, MOST = 0.2, 0.75, 0.5, 0.6
#: The angle in degrees that a multiplier turns by at least: with a memory, and without, where those of real λ are real.
TURNS, ALTERNATES = 15, 140
#: The residual up to which a recurrence explains a look, and the directions up to which its differences are few.
EXPLAINED, FEW = 0.6, 3.5
#: The share of the threshold from which on a run is called at the edge.
AT_THE_EDGE = 0.85
#: How far beside the curve of real λ, in shares of x, a multiplier still tells one.
BESIDE = 0.3
#: Cosines below which second differences are strangers, a step and two steps apart; and steps themselves.
STRANGERS, STRANGERS_AFTER_TWO, TURNED = 0.3, 0.25, 0.9
#: What is left of a start that counts as forgotten.
FORGOTTEN = 0.01


@dataclass(frozen=True, eq=False)
class Look:
    """Differences of the last iterates, those of all that are kept, and what a multiplier says of the threshold.

    ``edge`` makes the threshold of the rule, None where there is none; it is asked only if a multiplier turns.
    """

    differences: Differences
    whole: Differences
    edge: Callable[[], EdgeThreshold | None] = lambda: None
    memory: bool = True

    @cached_property
    def fit(self) -> Multipliers | None:
        """The recurrence of the second differences that rounding leaves."""
        return multipliers(self.whole.gram, self.whole.rounding)

    @cached_property
    def turning(self) -> list[complex]:
        """Multipliers that turn, the one of the largest share first; none where the fit explains too little."""
        if self.fit is None or self.differences.seen < 2 or self.fit.residual >= EXPLAINED:
            return []
        angle = TURNS if self.memory else ALTERNATES
        pairs = zip(self.fit.values, self.fit.shares, strict=True)
        return [one for one, share in pairs if degrees(one) >= angle and _counts(abs(one), share)]

    @cached_property
    def _threshold(self) -> EdgeThreshold | None:
        threshold = self.edge() if self.turning else None
        return threshold if threshold is not None and 0 < threshold.value < math.inf else None

    def fraction(self, value: complex) -> float:
        """The least x at which the rule has a multiplier over its threshold, NaN where there is none."""
        products = self._threshold.products(value, BESIDE) if self._threshold is not None else ()
        return products[0] / self._threshold.value if self._threshold is not None and products else math.nan

    @cached_property
    def fractions(self) -> dict[complex, float]:
        """Shares of the threshold, of the multipliers that turn and tell one."""
        told = {one: self.fraction(one) for one in self.turning}
        return {one: share for one, share in told.items() if math.isfinite(share)}

    @property
    def nearness(self) -> float:
        """The largest share of the threshold among the multipliers that turn; without one, 1 if one alternates."""
        if self._threshold is None:
            return float(any(degrees(one) >= ALTERNATES and abs(one) >= AT_THE_EDGE for one in self.turning))
        return max(self.fractions.values(), default=0.0)

    @property
    def told(self) -> dict[str, Any]:
        """What a measurement has of it: the leading multiplier, what no recurrence explains, and the nearest edge."""
        if self.fit is None:
            return {}
        leading = (self.turning or self.fit.values)[0]
        told = {"modulus": abs(leading), "angle": degrees(leading), "residual": self.fit.residual}
        if not self.fractions:
            return told
        fits = [fit for fit in self._fits if fit is not None]
        nearest = max(self.fractions, key=self.fractions.__getitem__)
        again = [self.fraction(min(fit.values, key=lambda one: abs(one - nearest))) for fit in fits]
        return {**told, "edge": self.nearness, "edge_error": float(np.nanstd([self.nearness, *again]))}

    @property
    def _fits(self) -> list[Multipliers | None]:
        """Fits without the first and the last difference and with a term more or less: how sure it is."""
        gram, rounding = self.whole.gram, self.whole.rounding
        parts = [(gram[1:, 1:], TERMS), (gram[:-1, :-1], TERMS), (gram, TERMS - 1), (gram, TERMS + 1)]
        return [multipliers(part, rounding, terms) for part, terms in parts]

    @property
    def is_rough(self) -> bool:
        """Whether it is no series, above what rounding hides."""
        return self.differences.seen > 1 and (bool(self.turning) or not is_falling(self.differences))


def _counts(modulus: float, share: float) -> bool:
    return modulus * share >= WEIGHT and modulus >= (MODULUS_OF_MOST if share >= MOST else MODULUS)


def verdict(recent: Sequence[Look], age: int = 0, forgets: int = 0) -> str:
    """Of the last of ``recent``, which are looked at together where the last is no series.

    ``age`` is how many steps the optimiser has made, ``forgets`` how many its memory takes to forget.
    """
    last = recent[-1].differences
    if not np.isfinite(last.step):
        return NOT_FINITE
    if last.step <= 2**0.5 * last.rounding:
        return AT_REST
    if age < forgets:
        return TRANSIENT
    if last.seen < 2:
        return SERIES if last.seen and recent[-1].whole.cosine(2) >= COHERENT else ROUND_OFF
    if not recent[-1].is_rough:
        return SERIES
    rough = [one for one in recent if np.isfinite(one.differences.step) and one.is_rough]

    def median(name: str) -> float:
        return float(np.median([getattr(one.fit, name) for one in rough if one.fit is not None] or [math.inf]))

    def mean(n: int, lag: int = 1) -> float:
        return float(np.mean([one.whole.cosine(n, lag) for one in rough]))

    turning = [one for one in rough if one.turning]
    if 2 * len(turning) >= len(rough) and median("dimension") < FEW:
        return EDGE if max(one.nearness for one in turning) >= AT_THE_EDGE else UNDERDAMPED
    strangers = mean(2) < STRANGERS and mean(2, 2) < STRANGERS_AFTER_TWO
    return NOISE if median("residual") >= EXPLAINED and (mean(1) < TURNED or strangers) else KINKS


def is_falling(differences: Differences) -> bool:
    """Whether each difference that is seen is at most half the one before, the second at most as large as the first.

    That one is not held to a half: it has the change of the learning rate too, all of it where a cosine ends.
    """
    first, *sizes = [n * share for n, share in enumerate(differences.shares[: differences.seen], 1)]
    return all(size <= first for size in sizes[:1]) and all(b <= FALLING * a for a, b in pairwise(sizes))


def steps_to_forget(directions: Sequence[float], squares: Sequence[float] = ()) -> int:
    """Steps in which memories that keep these shares of themselves forget their start to a hundredth.

    Where the multipliers of a step are complex both have the size √β, that of heavy ball: the start of a direction
    fades no faster.  That of a mean square fades as its share does, as it turns with no direction.
    """
    rates = [*(share**0.5 for share in directions), *squares]
    slowest = max((rate for rate in rates if rate > 0), default=0.0)
    return math.ceil(math.log(FORGOTTEN) / math.log(slowest)) if 0 < slowest < 1 else 0
