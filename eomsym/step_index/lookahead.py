"""The logarithm of a step, or of any map, by its weights at whole steps: no derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from eomsym.checks import check_integer
from eomsym.errors import InputError
from eomsym.step_index.weights import logarithm, weights

#: The weights grow like 2^N: at 20 six digits of the gradients are lost.
MAX_LOOKAHEAD_ORDER = 20
#: Two steps at once have real multipliers (1 − ηλ)² ≥ 0, which a flow can have; more steps are no better.
MOST_STRIDE = 2


@lru_cache(maxsize=64)  # a path asks for them at every point of it
def lookahead_weights(order: int) -> tuple[Fraction, ...]:
    """``w_0 … w_order`` of ``f̃ ≈ −Σ_i w_i g(y_i)``, y_i the i-th iterate: 3/2, −1/2 for order 1."""
    return tuple(map(Fraction, weights(list(map(Fraction, range(order + 1))), logarithm)))


@lru_cache(maxsize=128)
def _float_weights(order: int, stride: int) -> tuple[float, ...]:
    return tuple(float(weight / stride) for weight in lookahead_weights(order))


def check_lookahead_order(order: int) -> int:
    """The order.  Raises ``InputError`` unless it is from 0 to 20."""
    return check_integer("order", order, 0, MAX_LOOKAHEAD_ORDER)


def check_stride(stride: int) -> int:
    """1, or 2 for the even-step equation: the logarithm of two steps at once.  Raises ``InputError`` for another."""
    return check_integer("stride", stride, 1, MOST_STRIDE)


def map_logarithm(
    step: Callable[[Any], Any],
    state: Any,
    order: int,
    tree_map: Callable[..., Any] = lambda f, *parts: f(*parts),
    stride: int = 1,
) -> Any:
    """``Σ_{n≤order+1} (−1)^{n+1}/n Δⁿ z`` of the map ``step`` at ``state``: its equation of motion, per step.

    The state is an array, or a tree of arrays with the ``tree_map`` of its library.  Summed as
    ``Σ_i w_i (z_{i+1} − z_i)`` over order + 1 steps from there: differences of what moved lose fewer digits than those
    of z.  It converges where ``|r − 1| < 1`` for the multipliers r of the map; with ``stride`` 2, where z_i are every
    second state and the sum is halved, where ``|r² − 1| < 1``.  Raises ``InputError`` for an order outside 0 … 20.
    """
    point, total = state, None
    for part in _float_weights(check_lookahead_order(order), check_stride(stride)):
        following = point
        for _ in range(stride):
            following = step(following)
        share = tree_map(lambda after, before, part=part: part * (after - before), following, point)
        total = share if total is None else tree_map(lambda a, b: a + b, total, share)
        point = following
    return total


def check_growth(growth: float | None, name: str) -> None:
    """Raises ``InputError`` where the differences of every second state grow, so that the even-step sum diverges."""
    if growth is not None and not growth < 1:
        raise InputError(
            f"stride 2: |mu^2 - 1| is {growth:.3g} for the multipliers mu of {name} that matter here, as the "
            "differences of its states grow; the sum converges below 1; take stride 1 below eta lambda = 1, or order 0"
        )


def difference_growth(states: Sequence[tuple[Any, ...]]) -> Any:
    """``(‖Δ^{n+1} z‖/‖Δ z‖)^{1/n}`` of n + 2 states, n ≥ 1: about |r − 1| of the multiplier that leads."""
    rows, sizes = list(states), []
    while len(rows) > 1:
        rows = [each(lambda after, before: after - before, *pair) for pair in zip(rows[1:], rows, strict=False)]
        sizes.append(sum((part * part).sum() for part in rows[0]) ** 0.5)
    return (sizes[-1] / (sizes[0] + (sizes[0] == 0))) ** (1 / (len(sizes) - 1))


def each(function: Callable[..., Any], *states: tuple[Any, ...]) -> tuple[Any, ...]:
    """The ``tree_map`` of tuples."""
    return tuple(function(*parts) for parts in zip(*states, strict=True))
