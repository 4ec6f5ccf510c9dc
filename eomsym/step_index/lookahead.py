"""The look-ahead field: the logarithm of a step, or of any map, by its weights at whole steps: no derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from eomsym.checks import check_integer
from eomsym.optimizers import Optimizer
from eomsym.step_index.weights import logarithm, weights

#: The weights grow like 2^N: at 20 six digits of the gradients are lost.
MAX_LOOKAHEAD_ORDER = 20


def lookahead_weights(order: int) -> list[Fraction]:
    """``w_0 … w_order`` of ``f̃ ≈ −Σ_i w_i g(y_i)``, y_i the i-th iterate: 3/2, −1/2 for order 1."""
    return list(map(Fraction, weights(list(map(Fraction, range(order + 1))), logarithm)))


def lookahead(
    grad_fn: Callable[[Any], Any], params: Any, eta: Any, order: int, tree_map: Callable[..., Any], like: Callable
) -> Any:
    """``−Σ_i w_i g(y_i)`` on trees of arrays; ``like(array, y)`` gives a moved array the type of y.

    Raises ``InputError`` for an order outside 0 … 20.
    """
    check_integer("order", order, 0, MAX_LOOKAHEAD_ORDER)
    point, total = params, None
    for index, weight in enumerate(lookahead_weights(order)):
        gradient = grad_fn(point)
        share = tree_map(lambda g, weight=weight: -float(weight) * g, gradient)
        total = share if total is None else tree_map(lambda a, b: a + b, total, share)
        if index < order:
            point = tree_map(lambda y, g: like(y - eta * g, y), point, gradient)
    return total


def map_logarithm(
    step: Callable[[Any], Any], state: Any, order: int, tree_map: Callable[..., Any] = lambda f, *parts: f(*parts)
) -> Any:
    """``Σ_{n≤order+1} (−1)^{n+1}/n Δⁿ z`` of the map ``step`` at ``state``: its equation of motion, per step.

    The state is an array, or a tree of arrays with the ``tree_map`` of its library.  Summed as
    ``Σ_i w_i (z_{i+1} − z_i)`` over order + 1 steps from there: differences of what moved lose fewer digits than those
    of z.  It converges where ``|r − 1| < 1`` for the multipliers r of the map.  Raises ``InputError`` for an order
    outside 0 … 20.
    """
    check_integer("order", order, 0, MAX_LOOKAHEAD_ORDER)
    point, total = state, None
    for weight in map(float, lookahead_weights(order)):
        following = step(point)
        share = tree_map(lambda after, before, weight=weight: weight * (after - before), following, point)
        total = share if total is None else tree_map(lambda a, b: a + b, total, share)
        point = following
    return total


def rule_lookahead(
    optimizer: Optimizer,
    values: Mapping[str, Any],
    gradient: Callable[..., Any],
    state: tuple[Any, ...],
    eta: Any,
    order: int,
) -> tuple[Any, ...]:
    """The look-ahead field of a rule's whole state ``(θ, memory)``, a tuple of flat arrays, in time nη.

    Raises ``InputError`` for an order outside 0 … 20.
    """
    moved = map_logarithm(lambda z: optimizer.step(gradient, z, eta, **values), state, order, _each)
    return tuple(part / eta for part in moved)


def _each(function: Callable[..., Any], *states: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(function(*parts) for parts in zip(*states, strict=True))
