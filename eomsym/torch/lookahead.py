"""The look-ahead field: an equation of motion of order N for N + 1 plain gradients, for models of any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.utils import _pytree as pytree

from eomsym.derivation.counterterms import check_order
from eomsym.series.lookahead import MAX_LOOKAHEAD_ORDER, lookahead_weights


def lookahead_field(grad_fn: Callable[[Any], Any], params: Any, eta: Any, order: int) -> Any:
    """``−Σ_i w_i g(y_i)`` with ``y_{i+1} = y_i − η g(y_i)``, a pytree like ``params``.

    ``grad_fn`` maps ``params`` to its gradient, such as ``torch.func.grad(loss_fn)``.  Its distance to the equation of
    motion is O(η^{order+1}), so that paths have slope ``order + 1`` as well; it is not the truncated series and
    gives no single ξ_k.  Raises ``InputError`` for an order outside 0 … 20.
    """
    check_order(order, MAX_LOOKAHEAD_ORDER)
    point, total = params, None
    for index, weight in enumerate(lookahead_weights(order)):
        gradient = grad_fn(point)
        share = -float(weight)
        if total is None:
            total = pytree.tree_map(lambda g, share=share: share * g, gradient)
        else:
            total = pytree.tree_map(lambda sum_, g, share=share: sum_ + share * g, total, gradient)
        if index < order:
            point = pytree.tree_map(lambda y, g: y - eta * g, point, gradient)
    return total
