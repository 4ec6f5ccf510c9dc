"""The look-ahead field: an equation of motion of order N for N + 1 plain gradients, for models of any size."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from eomsym.arrays.library import Library
from eomsym.blocks import Blocks
from eomsym.errors import InputError, ResummationWarning, warn_outside
from eomsym.optimizers import Optimizer, chosen
from eomsym.optimizers.registry import check_one_gradient
from eomsym.step_index.lookahead import (
    check_growth,
    check_lookahead_order,
    check_stride,
    difference_growth,
    each,
    lookahead_weights,
    map_logarithm,
)

#: Growth of the differences of every second state of descent, beyond which the even-step sum is said to diverge.  Where
#: ηλ = 1 it is 1: what one step loses the flow loses a few steps later, and round-off must not decide.
DIVERGES = 1.001


def lookahead(
    library: Library, grad_fn: Callable[[Any], Any], params: Any, eta: Any, order: int, stride: int = 1
) -> Any:
    """``−Σ_i w_i (g(y_{si}) + … + g(y_{si+s−1}))/s``, s the stride, on trees of arrays.

    With stride 2 ``ResummationWarning`` tells that the sum diverges, where the differences of every second state show
    it and can be looked at.  Raises ``InputError`` for an order outside 0 … 20 or another stride than 1 and 2.
    """
    weights = lookahead_weights(check_lookahead_order(order))
    moves = _EvenMoves(library, order) if check_stride(stride) > 1 and order else None
    point, gradient, total = params, None, None
    for weight in weights:
        for _ in range(stride):
            if gradient is not None:
                point = library.map(lambda y, g: library.cast(y - eta * g, y), point, gradient)
            gradient = grad_fn(point)
            share = library.map(lambda g, w=-float(weight / stride): w * g, gradient)
            total = share if total is None else library.map(lambda a, b: a + b, total, share)
            if moves is not None:
                moves.add(gradient)
    if moves is not None:
        moves.tell_growth()
    return total


class _EvenMoves:
    """How much the differences of every second state of descent grow, from its gradients in their order.

    Of all moves d_0 … d_N over two steps no more is held than d_0 and the sum Δ^N d_0.
    """

    def __init__(self, library: Library, order: int) -> None:
        self._map, self._library, self._order = library.map, library, order
        self._count, self._first, self._difference = 0, None, None

    def add(self, gradient: Any) -> None:
        """The next gradient; two make a move, over −η."""
        move, self._count = self._count // 2, self._count + 1
        sign = (-1) ** (self._order - move) * math.comb(self._order, move)
        with self._library.quiet():
            if move == 0:
                self._first = self._sum(self._first, 1, gradient)
            self._difference = self._sum(self._difference, sign, gradient)

    def _sum(self, total: Any, factor: int, gradient: Any) -> Any:
        if total is None:
            return self._map(lambda g: factor * g, gradient)
        return self._map(lambda part, g: part + factor * g, total, gradient)

    def tell_growth(self) -> None:
        """Warns where they grow, if their values can be looked at."""
        before, after = self._norm(self._first), self._norm(self._difference)
        if before is None or after is None or not before:
            return
        growth = (after / before) ** (1 / self._order)
        if growth > DIVERGES:
            warn_outside(
                f"stride 2: each difference of the states of gradient descent is {growth:.3g} times the one before, "
                "and the sum converges below 1: eta lambda is beyond 1 + sqrt 2, g turns within these steps, or at "
                "high orders round-off grows; take a smaller eta or a lower order",
                ResummationWarning,
            )

    def _norm(self, tree: Any) -> float | None:
        """Of all leaves together, without squares that a short floating-point type cannot hold."""
        with self._library.quiet():
            leaves = [abs(part) for part in self._library.flatten(tree)[0] if math.prod(part.shape)]
            tops = [self._library.number(part.max()) for part in leaves]
            sizes = [top for top in tops if top is not None]
            if len(sizes) < len(tops):
                return None
            if not (top := max(sizes, default=0.0)):
                return top
            factor = 1 / math.sqrt(top)  # twice, as 1/top may be too large
            means = [(float(((part * factor * factor) ** 2).mean()), math.prod(part.shape)) for part in leaves]
        return float(top * math.sqrt(sum(mean * count for mean, count in means)))


def rule_lookahead(
    library: Library,
    grad_fn: Callable[[Any], Any],
    params: Any,
    eta: Any,
    order: int,
    optimizer: str | Optimizer,
    state: Sequence[Any] | None,
    hyperparameters: Mapping[str, object],
    stride: int,
) -> tuple[Any, ...]:
    """The look-ahead field of a rule's whole state ``(params, *memory)``, in time nη: a tuple of trees.

    ``state`` is the memory, each part a tree like ``params``, or one number for all; None is the rule's own before the
    first step.  ``stride`` 2 gives the even-step equation: there a memory has to be given, and the differences of every
    second state must not grow, where they can be looked at.  A part of the result that is one number for all stays a
    vector of length 1.  Raises ``InputError`` for an order outside 0 … 20, an optimiser of batches or players, a state
    of another shape, and where the even-step sum diverges.
    """
    entry, exact = chosen(optimizer, hyperparameters)
    values = entry.complete(exact)
    check_one_gradient(entry, values)
    numbers = {name: float(value) for name, value in values.items()}
    theta, shaped = library.ravel(params)
    entry = entry.on(Blocks(tuple(tuple(leaf.shape) for leaf in library.flatten(params)[0])))

    def gradient(point: Any, field: int = 0) -> Any:
        return library.ravel(grad_fn(shaped(point)))[0]

    begun = entry.initial_state(theta, gradient, **numbers)
    if check_stride(stride) > 1 and state is None and entry.memory:
        raise InputError(
            f"state: {entry.name} has a memory ({', '.join(entry.memory)}); with stride 2 give it, as state"
        )
    memory = (
        begun[1:] if state is None else _checked_memory(entry, begun[1:], [library.ravel(part)[0] for part in state])
    )
    visited: list[Any] = [(theta, *memory)]

    def step(point: Any) -> Any:
        visited.append(entry.run(gradient, point, eta, **numbers))
        return visited[-1]

    moved = map_logarithm(step, (theta, *memory), order, each, stride)
    if stride > 1 and order and entry.memory:
        check_growth(library.number(difference_growth(visited[::stride])), entry.name)
    return tuple(shaped(part / eta) if part.shape == theta.shape else part / eta for part in moved)


def _checked_memory(entry: Optimizer, wanted: Sequence[Any], given: Sequence[Any]) -> list[Any]:
    names = ", ".join(entry.memory) or "none, it has no memory"
    if len(given) != len(wanted):
        raise InputError(f"state: {len(given)} parts given; {entry.name} has {len(wanted)}: {names}")
    for name, part, like in zip(entry.memory, given, wanted, strict=True):
        if part.shape != like.shape:
            shapes = f"{name} has shape {tuple(part.shape)}; {entry.name} keeps one of {tuple(like.shape)} there"
            raise InputError(f"state: as one vector {shapes}")
    return list(given)
