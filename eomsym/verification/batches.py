"""The batches of a run, as people name them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eomsym.checks import check_choice, check_integer, shown
from eomsym.dynamics.loader import Loader
from eomsym.errors import InputError
from eomsym.optimizers import batches

#: How the batches of a round are ordered, or drawn.
ORDERS = ("shuffled", "fixed", "independent", "replacement")


@dataclass(frozen=True)
class Batches:
    """The batches of a run: ``size`` samples each, or the numbers of the samples of each.

    ``order`` is ``shuffled``, anew in each round; ``fixed``, as ``visits`` says: ``forward``, ``palindrome`` or the
    numbers of the batches; ``independent``, each batch drawn from all samples, its own all different; or
    ``replacement``, each sample drawn from all.  ``last`` says what becomes of a smaller last batch: ``keep``, with its
    own mean; ``weight``, with its mean weighted by its size; or ``drop``.
    Raises ``InputError`` for another word.
    """

    size: int | Sequence[Sequence[int]]
    order: str = "shuffled"
    last: str = "keep"
    visits: Any = "forward"

    def __post_init__(self) -> None:
        check_choice("batches: order", self.order, ORDERS)
        if self.order != "fixed" and not (isinstance(self.visits, str) and self.visits == "forward"):
            raise InputError(f"batches: visits {shown(self.visits)} of batches in {self.order} order; take 'fixed'")

    @property
    def is_drawn(self) -> bool:
        """Whether each batch is drawn without regard to those before, so that every run is another one."""
        return self.order in ("independent", "replacement")

    def of(self, samples: int) -> batches.Batches:
        """The batches of so many samples, and how a round visits them.  Raises ``InputError`` for what does not fit."""
        if samples == 0:
            raise InputError("batches: this loss has no data; leave them out")
        order = batches.RESHUFFLED_ORDER if self.order == "shuffled" else self.visits
        if isinstance(self.size, (int, np.integer)):
            return batches.cut(samples, self.size, self.last, order)
        return batches.of_index_sets(self.size, samples, order)

    def draw(self, samples: int) -> Loader:
        """How each batch of so many samples is drawn.  Raises ``InputError`` for one that cannot be."""
        replacement = self.order == "replacement"
        most = None if replacement else samples
        check_integer("batches: size", self.size, 1, most, lambda _: f"without replacement there are {samples} samples")
        return Loader(samples, int(self.size), self.order, self.last)  # type: ignore[arg-type]
