"""Gradient descent on reshuffled batches: the mean of a round over all orders, for any number of batches.

The terms come from symmetric sums (``derivation.reshuffling``), evaluated as elementary differentials of the batches'
losses: sums over one batch, or over pairs of them, and no order is visited.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import permutations
from typing import Any

import numpy as np

from eomsym.checks import check_integer
from eomsym.derivation.reshuffling import FREE, MAX_RESHUFFLED_ORDER, symmetric_sums
from eomsym.dynamics.differentials import SeriesKernel, directional_derivative
from eomsym.dynamics.kernel import Data, check_order, check_theta
from eomsym.dynamics.loop_kernel import LoopKernel
from eomsym.errors import InputError
from eomsym.optimizers.batches import Batches
from eomsym.optimizers.loop import Loop
from eomsym.trees import Tree

#: The mean over all orders is run with at most so many batches: 120 rounds for one.
MOST_BATCHES = 5


class ReshuffledKernel(LoopKernel):
    """As ``LoopKernel`` for the mean over all orders in which a round may visit its batches."""

    def __init__(self, kernel: SeriesKernel, loop: Loop, pieces: Mapping[str, int] | None = None) -> None:
        super().__init__(kernel, loop, pieces)
        self.order = min(kernel.order, MAX_RESHUFFLED_ORDER)

    def _rows(self, state: np.ndarray, order: int, data: Data) -> np.ndarray:
        """Order at most 3."""
        assert self.loop.batches is not None
        return reshuffled_counterterms(self.inner, state[:-1], order, data, self.loop.batches)

    def check_run(self) -> None:
        """Raises ``InputError`` for more than five batches: too many orders."""
        count = len(self.loop.visits)
        if count > MOST_BATCHES:
            raise InputError(
                f"batches: the mean over all orders of {count} is a mean of {count}! rounds; at most {MOST_BATCHES} "
                "are run, the terms are there for any number"
            )

    def step(self, gradient: Callable[..., Any], state: tuple[Any, ...], eta: float, first: float) -> tuple[Any, ...]:
        """The mean is taken after every round.  Raises as ``check_run`` does."""
        self.check_run()
        (theta,), visits = state, self.loop.visits
        ends = []
        for order in permutations(visits):
            place = theta
            for index, weight in order:
                place = place - eta * float(weight) * gradient(place, index)
            ends.append(place - theta)
        return (theta + np.mean(ends, axis=0),)


def reshuffled_counterterms(
    kernel: SeriesKernel, theta: np.ndarray, order: int, data: Data, batches: Batches
) -> np.ndarray:
    """``g, ξ_0, …, ξ_{order−1}`` (order + 1, d) of the mean over all orders of a round, at ``theta`` (d,).

    ``order`` is at most 3.  From η² on the mean of the round is no longer what the mean of the iterates obeys: there
    the spread that shuffling makes counts too.  Raises ``InputError`` for a bad point or order.
    """
    check_order(kernel, check_integer("order", order, 0, MAX_RESHUFFLED_ORDER), "derivatives of the gradient")
    sums = _Sums(kernel, check_theta(kernel, theta), data, batches)
    rows = np.zeros((order + 1, kernel.size))
    for level, terms in enumerate(symmetric_sums(order)):
        for coefficient, tree in terms:
            rows[level] -= float(coefficient) * sums.of(tree, {})
    return rows / len(batches.visits)


class _Sums:
    """Elementary differentials summed over batches, each once."""

    def __init__(self, kernel: SeriesKernel, theta: np.ndarray, data: Data, batches: Batches) -> None:
        self._kernel, self._theta, self._visits = kernel, theta, batches.visits
        self._parts = [
            [np.ascontiguousarray(array[field.samples(len(array))]) for array in data] for field in batches.fields
        ]
        self._known: dict[tuple[Tree, tuple[tuple[int, int], ...]], np.ndarray] = {}

    def of(self, tree: Tree, chosen: dict[int, int]) -> np.ndarray:
        """F(tree) with the batches ``chosen`` for some colours, summed over those of all others."""
        colours = _colours(tree)
        key = tree, tuple(sorted((colour, batch) for colour, batch in chosen.items() if colour in colours))
        if key not in self._known:
            self._known[key] = self._value(tree, dict(key[1]))
        return self._known[key]

    def _value(self, tree: Tree, chosen: dict[int, int]) -> np.ndarray:
        """A sum is taken as deep inside as can be: where its colour is in one child only, by that child."""
        places = Counter(colour for child in tree.children for colour in _colours(child))
        open_ = {colour for colour, count in places.items() if count > 1} | {tree.colour}
        waiting = sorted(open_ - chosen.keys() - {FREE})
        if waiting:
            parts = (self.of(tree, {**chosen, waiting[0]: batch}) for batch in range(len(self._visits)))
            return np.sum(list(parts), axis=0)
        same = Counter(tree.children)
        arguments = [(self.of(child, chosen), count) for child, count in same.items()]
        batches = range(len(self._visits)) if tree.colour == FREE else [chosen[tree.colour]]
        return np.sum([self._derivative(batch, arguments) for batch in batches], axis=0)

    def _derivative(self, batch: int, arguments: list[tuple[np.ndarray, int]]) -> np.ndarray:
        index, weight = self._visits[batch]

        def taylor(direction: np.ndarray, order: int) -> np.ndarray:
            series = np.zeros((order + 1, self._kernel.size))
            series[0] = self._theta
            if order:
                series[1] = direction
            return self._kernel.gradient_series(series, *self._parts[index])[order]

        return float(weight) * directional_derivative(taylor, arguments, self._kernel.size)


def _colours(tree: Tree) -> frozenset[int]:
    """Those that share a batch."""
    own = frozenset() if tree.colour == FREE else frozenset((tree.colour,))
    return own.union(*map(_colours, tree.children))
