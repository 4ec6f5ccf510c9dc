"""Gradient descent without its counter term, with a part of it, or with more of it, as an optax transformation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from eomsym.derivation import corrected_step
from eomsym.errors import InputError, MissingExtraError


class CounterState(NamedTuple):
    """Steps made, for a learning rate that is a schedule."""

    count: Any


def with_counterterm(order: int, strength: object = 1, *, learning_rate: Any = None) -> Any:
    """A link of an optax chain, before plain descent: with it ``θ̇ = −g − (1 − strength) η ξ`` holds to η^order.

    Strength 1 follows gradient flow, 0 is plain descent, −1 doubles the counter term; a step takes 0, 1, 2, 4 gradients
    more at orders 0 … 3 (``eomsym.derivation.corrected_step``).  In front of the others:
    ``optax.chain(with_counterterm(2, learning_rate=rate), optax.clip_by_global_norm(1.0), optax.sgd(rate))``, and then
    ``update(gradients, state, params, grad_fn=grad_fn)`` with the gradient as a function of the parameters, of this
    step's batch.  What comes out is a gradient again.  The learning rate, a number or a schedule of the step, is that
    of the descent that follows; it may be given to ``update`` instead, as ``learning_rate=``.  Where that has groups,
    as by ``optax.multi_transform``, it is a tree like the parameters, of their rates.
    Raises ``InputError`` for what ``corrected_step`` refuses and where something is missing.
    """
    try:
        import optax
    except ModuleNotFoundError as error:
        raise MissingExtraError("with_counterterm: the package optax is not installed; pip install optax") from error
    made, given = corrected_step(order, strength), learning_rate

    def init(params: Any) -> CounterState:
        return CounterState(jax.numpy.zeros((), int))

    def update(
        updates: Any,
        state: CounterState,
        params: Any = None,
        *,
        grad_fn: Callable[[Any], Any] | None = None,
        learning_rate: Any = None,
        **others: Any,
    ) -> tuple[Any, CounterState]:
        rate = given if learning_rate is None else learning_rate
        missing = [
            name for name, value in (("params", params), ("grad_fn", grad_fn), ("learning_rate", rate)) if value is None
        ]
        if grad_fn is None or missing:
            raise InputError(f"{missing[0]} None: update(gradients, state, params, grad_fn=…) needs it to look ahead")
        eta = rate(state.count) if callable(rate) else rate
        slopes = [updates]
        by_group = jax.tree.structure(eta) == jax.tree.structure(params)  # type: ignore[operator, unused-ignore]
        rates = eta if by_group else jax.tree.map(lambda _: eta, params)
        for row in made.matrix[1:]:
            ahead = _combined(slopes, row)
            point = jax.tree.map(lambda y, g, own: (y - own * g).astype(y.dtype), params, ahead, rates)
            slopes.append(grad_fn(point))
        return _combined(slopes, made.weights), CounterState(state.count + 1)

    return optax.GradientTransformationExtraArgs(init, update)


def _combined(slopes: Sequence[Any], shares: Sequence[Any]) -> Any:
    return jax.tree.map(
        lambda *parts: sum(float(share) * part for share, part in zip(shares, parts, strict=True)), *slopes
    )
