"""The look-ahead field: an equation of motion of order N for N + 1 plain gradients, for models of any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.flatten_util import ravel_pytree

from eomsym.optimizers import Optimizer
from eomsym.step_index import lookahead, rule_lookahead


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

    ``grad_fn`` maps ``params`` to its gradient, a pytree of the same kind; ``eta`` is a number or a scalar array.  Its
    distance to the equation of motion is O(η^{order+1}), so that paths have slope ``order + 1`` as well; it is not the
    truncated series and gives no single ξ_k.  Only sums of arrays of one shape are taken: whatever sharding, device and
    precision the gradients have, the result has.

    ``stride`` 2 is the **even-step equation**, the logarithm of two steps at once from 2(order + 1) gradients: it
    converges for ηλ up to 1 + √2, where stride 1 ends at ηλ = 1.

    Another ``optimizer``, a name, a library's (``"torch.Adam()"``) or an ``Optimizer`` of one gradient with its
    hyperparameters, gives the field of the **whole state**: a tuple ``(params, *memory)`` of trees, at ``params`` and
    the memory ``state``, a tuple of trees like ``params`` (of vectors of length 1 where one number serves all, as a
    bias correction's); without ``state``, at the rule's own before the first step.  Its distance to the logarithm of a
    step falls with the order where ``|r − 1| < 1`` for the multipliers r of the step: heavy ball ηλ < 1.
    With stride 2 it does where ``|r² − 1| < 1``; elsewhere, as the differences of every second state show, it is
    refused, and ``state`` has to be given; under ``jax.jit`` that is not looked at.
    Raises ``InputError`` for an order outside 0 … 20, an optimiser of batches or players, and a state of another shape.
    """
    if optimizer != "gradient-descent":
        _, shaped = ravel_pytree(params)

        def flat(tree: Any) -> Any:
            return ravel_pytree(tree)[0]

        return rule_lookahead(
            grad_fn, params, eta, order, optimizer, state, hyperparameters, flat, shaped, stride, _number
        )
    return lookahead(grad_fn, params, eta, order, jax.tree.map, lambda moved, y: moved.astype(y.dtype), stride)


def _number(value: Any) -> float | None:
    """None for a value that is traced."""
    return None if isinstance(value, jax.core.Tracer) else float(value)
