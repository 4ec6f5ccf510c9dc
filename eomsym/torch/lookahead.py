"""The look-ahead field: an equation of motion of order N for N + 1 plain gradients, for models of any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.utils import _pytree as pytree

from eomsym.step_index import lookahead


def lookahead_field(grad_fn: Callable[[Any], Any], params: Any, eta: Any, order: int) -> Any:
    """``−Σ_i w_i g(y_i)`` with ``y_{i+1} = y_i − η g(y_i)``, a pytree like ``params``.

    ``grad_fn`` maps ``params`` to its gradient, such as ``torch.func.grad(loss_fn)``.  Its distance to the equation of
    motion is O(η^{order+1}), so that paths have slope ``order + 1`` as well; it is not the truncated series and
    gives no single ξ_k.  Raises ``InputError`` for an order outside 0 … 20.
    """
    return lookahead(grad_fn, params, eta, order, pytree.tree_map, lambda moved, y: moved)
