"""How batches come about one after the other, and the covariance that a batch's gradient has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

#: How batches are drawn: every sample once an epoch, in a new order each; all samples of a batch different; each anew.
ORDERS = ("shuffled", "independent", "replacement")


@dataclass(frozen=True)
class Loader:
    """Batches of ``size`` of ``samples``, in one of ``ORDERS``; ``last`` says what becomes of a smaller last batch.

    It is kept with its own mean (``keep``), with its mean weighted by its size (``weight``), or left out (``drop``).
    """

    samples: int
    size: int
    order: str = "shuffled"
    last: str = "keep"

    def __str__(self) -> str:
        if self.size == self.samples and self.order != "replacement":
            return f"All {self.samples} samples"
        how = {
            "shuffled": "each epoch in a new order",
            "independent": "its samples all different",
            "replacement": "each sample anew",
        }[self.order]
        rest = self.samples % self.size if self.order == "shuffled" else 0
        became = {"keep": "kept", "weight": "weighted", "drop": "dropped"}[self.last]
        last = f", the last of {rest} {became}" if rest else ""
        return f"Batches of {self.size} of {self.samples}, {how}{last}"

    @property
    def sizes(self) -> list[int]:
        """The samples of each batch of an epoch, which is one batch where batches are independent."""
        if self.order != "shuffled":
            return [self.size]
        whole, rest = divmod(self.samples, self.size)
        return [self.size] * whole + [rest] * (rest > 0 and self.last != "drop")

    @property
    def weights(self) -> list[float]:
        """What each batch's mean gradient is multiplied by."""
        sizes = self.sizes
        return [count * len(sizes) / sum(sizes) if self.last == "weight" else 1.0 for count in sizes]

    def share(self, size: int) -> float:
        """The covariance of the gradient of so many samples over that of a single one's, each being equally likely."""
        if self.order == "replacement" or self.samples == 1:
            return 1 / size
        return (self.samples - size) / (self.samples - 1) / size

    @property
    def epoch_shares(self) -> tuple[float, float]:
        """What the mean over all orders of an epoch descends has of ``(η/4)‖g‖²``, and of a sample's covariance.

        A step of a batch with weight w takes ``w g_b``; two different batches share ``−C/(n − 1)``.
        """
        whole, squares = sum(self.weights), sum(weight**2 for weight in self.weights)
        return squares / whole, (whole**2 - squares) / whole / max(1, self.samples - 1)

    def epoch(self, generator: np.random.Generator) -> Iterator[tuple[np.ndarray, float]]:
        """The numbers of the samples of each batch of an epoch, and the batch's weight."""
        if self.order == "shuffled":
            ends = np.cumsum(self.sizes)
            yield from zip(np.split(generator.permutation(self.samples), ends)[: len(ends)], self.weights, strict=True)
        else:
            yield generator.choice(self.samples, self.size, replace=self.order == "replacement"), 1.0

    def partition(self, generator: np.random.Generator) -> list[np.ndarray]:
        """The numbers of the samples of each batch of one epoch, were it shuffled."""
        shuffled = replace(self, order="shuffled", size=min(self.size, self.samples))
        return [chosen for chosen, _ in shuffled.epoch(generator)]
