"""The look-ahead field: the logarithm of a step by its weights at whole steps, which are plain gradients."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from eomsym.checks import check_integer
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
