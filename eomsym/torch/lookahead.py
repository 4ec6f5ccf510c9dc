"""The look-ahead field: an equation of motion of order N for N + 1 plain gradients, for models of any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils import _pytree as pytree

from eomsym.optimizers import Optimizer
from eomsym.step_index import lookahead, rule_lookahead
from eomsym.torch.moving import Moving


def lookahead_field(
    grad_fn: Callable[[Any], Any],
    params: Any,
    eta: Any,
    order: int,
    *,
    stride: int = 1,
    optimizer: str | Optimizer = "gradient-descent",
    state: Sequence[Any] | None = None,
    **hyperparameters: object,
) -> Any:
    """``−Σ_i w_i g(y_i)`` with ``y_{i+1} = y_i − η g(y_i)``, a pytree like ``params``.

    ``grad_fn`` maps ``params`` to its gradient, such as ``torch.func.grad(loss_fn)``.  Its distance to the equation of
    motion is O(η^{order+1}), so that paths have slope ``order + 1`` as well; it is not the truncated series and
    gives no single ξ_k.

    ``stride`` 2 is the **even-step equation**, the logarithm of two steps at once from 2(order + 1) gradients: it
    converges for ηλ up to 1 + √2, where stride 1 ends at ηλ = 1.

    Another ``optimizer``, a name, a library's (``"torch.Adam()"``) or an ``Optimizer`` of one gradient with its
    hyperparameters, gives the field of the **whole state**: a tuple ``(params, *memory)`` of trees, at ``params`` and
    the memory ``state``, a tuple of trees like ``params`` (of vectors of length 1 where one number serves all, as a
    bias correction's); without ``state``, at the rule's own before the first step.  Its distance to the logarithm of a
    step falls with the order where ``|r − 1| < 1`` for the multipliers r of the step: heavy ball ηλ < 1.
    With stride 2 it does where ``|r² − 1| < 1``; elsewhere, as the differences of every second state show, it is
    refused, and ``state`` has to be given.
    Leaves that require no gradient beside others that do are frozen: they are held, whatever ``grad_fn`` says of them.
    Raises ``InputError`` for an order outside 0 … 20, an optimiser of batches or players, and a state of another shape.
    """
    moving = Moving(params)
    if moving.holds:
        own = None if state is None else [moving.of_tree(part) for part in state]
        options: dict[str, Any] = {"stride": stride, "optimizer": optimizer, "state": own, **hyperparameters}
        found = lookahead_field(moving.slope(grad_fn), moving.leaves, eta, order, **options)
        return (
            moving.row(found)
            if isinstance(found, list)
            else tuple(moving.row(part) if isinstance(part, list) else part for part in found)
        )
    if optimizer != "gradient-descent":
        leaves, structure = pytree.tree_flatten(params)
        sizes = [leaf.numel() for leaf in leaves]

        def shaped(vector: Any) -> Any:
            parts = zip(vector.split(sizes), leaves, strict=True)
            return pytree.tree_unflatten([part.reshape(leaf.shape) for part, leaf in parts], structure)

        return rule_lookahead(grad_fn, params, eta, order, optimizer, state, hyperparameters, _flat, shaped, stride)
    return lookahead(grad_fn, params, eta, order, pytree.tree_map, lambda moved, y: moved, stride)


def _flat(tree: Any) -> torch.Tensor:
    return torch.cat([leaf.reshape(-1) for leaf in pytree.tree_leaves(tree)])
