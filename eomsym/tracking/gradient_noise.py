"""How much of a run's gradients is noise, from pairs of them with independent noise.

Of two such gradients ⟨g_a, g_b⟩ is ‖g‖² in the mean, and ‖g_a‖² is ‖g‖² + tr Σ/b.  Two gradients of one step, summed by
two ``backward`` calls, are taken at the same weights: nothing is in between.  Two consecutive steps are not, and tell
nothing: the second has seen what the first one's noise did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from eomsym.result import Result

#: Pairs that an estimate is the mean of, the last ones; at least so many.
WINDOW, FEWEST = 200, 20
#: Blocks that are left out one at a time.
BLOCKS = 10
#: Standard errors that the gradient is above zero where it counts as seen.
SEEN = 2.0


@dataclass(frozen=True, repr=False)
class GradientNoise(Result):
    """Noise in the gradients of the last ``pairs`` pairs; None where the gradient is not seen above it,
    and of steps whose memory is not known.

    ``share``: of the square of a step's gradient.  ``scale``: tr Σ/‖g‖², in samples.  ``step_share``: of the square of
    a step, with what its memory averages and its preconditioner weighs.  ``critical_batch_size``: samples at which
    half of it would be noise.  An ``…_error`` is a standard error, by leaving out a tenth of the pairs at a time.
    """

    share: float
    share_error: float
    scale: float | None
    scale_error: float | None
    step_share: float | None
    step_share_error: float | None
    critical_batch_size: float | None
    critical_batch_size_error: float | None
    pairs: int

    @property
    def cell(self) -> str:
        """The share in a step, as a table shows it."""
        return "." if self.step_share is None else f"{self.step_share:.2f}"


class Pair(NamedTuple):
    """Products of two gradients; ``squared`` is the mean of their squares, ``weighted`` the same as steps weigh it."""

    squared: float
    product: float
    weighted_squared: float
    weighted_product: float


@dataclass(frozen=True)
class Sampling:
    """How pairs come about: batches of ``batch_size`` in ``parts`` equal parts.

    ``batches`` is their number in a shuffled epoch, None where they are drawn independently; ``averaged`` how many
    gradients a step averages, None where that is not known.
    """

    batch_size: int
    parts: int = 2
    batches: int | None = None
    averaged: float | None = 1.0

    def estimate(self, pairs: Sequence[Pair]) -> GradientNoise | None:
        """None while there are too few pairs, or where one is no number."""
        rows = np.asarray(pairs[-WINDOW:], dtype=np.float64)
        if len(rows) < FEWEST or not np.isfinite(rows).all():
            return None
        values = self._values(rows)
        blocks = np.array_split(np.arange(len(rows)), BLOCKS)
        without = [self._values(np.delete(rows, block, axis=0)) for block in blocks]
        errors = np.sqrt((BLOCKS - 1) * np.var(without, axis=0))
        told: list[Any] = []
        for share, samples, signal in ((0, 1, 2), (3, 4, 5)):
            known = np.isfinite(values[share])
            told += [float(values[share]), float(errors[share])] if known else [None, None]
            seen = known and values[signal] > SEEN * errors[signal]
            told += [float(values[samples]), float(errors[samples])] if seen else [None, None]
        return GradientNoise(*told, *[len(rows)])

    def _values(self, rows: np.ndarray) -> np.ndarray:
        """Share, samples and ‖g‖², of the gradient and of the step."""
        squared, product, weighted_squared, weighted_product = rows.mean(axis=0)
        values: list[float] = []
        kinds = (squared, product, 1.0), (weighted_squared, weighted_product, self.averaged or np.nan)
        for square, pair, averaged in kinds:
            shared = 0.0 if self._number is None else 1 / (self._number - 1)
            noise = (square - pair) / (1 + shared)
            signal = square - noise
            step, counted = noise / self.parts, signal * averaged
            values += [step / (step + counted), self.batch_size * step * self._lost / counted, signal]
        return np.array(values)

    @property
    def _number(self) -> int | None:
        return None if self.batches is None else self.batches * self.parts

    @property
    def _lost(self) -> float:
        """A batch without replacement is less noisy than one with."""
        return 1.0 if self._number is None else self._number / (self._number - 1)
