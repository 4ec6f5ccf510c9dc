"""The look-ahead field: an equation of motion of order N for N + 1 plain gradients, for models of any size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from eomsym.arrays.library import Library
from eomsym.errors import InputError
from eomsym.optimizers import Optimizer, check_one_gradient, chosen
from eomsym.step_index import check_growth, difference_growth, lookahead_weights, map_logarithm
from eomsym.step_index.lookahead import check_lookahead_order, check_stride, each


def lookahead(
    grad_fn: Callable[[Any], Any],
    params: Any,
    eta: Any,
    order: int,
    tree_map: Callable[..., Any],
    like: Callable,
    stride: int = 1,
) -> Any:
    """``−Σ_i w_i (g(y_{si}) + … + g(y_{si+s−1}))/s``, s the stride, on trees of arrays.

    ``like(array, y)`` gives a moved array the type of y.  Raises ``InputError`` for an order outside 0 … 20 or another
    stride than 1 and 2.
    """
    check_lookahead_order(order)
    check_stride(stride)
    weights_of_steps = [weight / stride for weight in lookahead_weights(order) for _ in range(stride)]
    point, total = params, None
    for index, weight in enumerate(weights_of_steps):
        gradient = grad_fn(point)
        share = tree_map(lambda g, weight=weight: -float(weight) * g, gradient)
        total = share if total is None else tree_map(lambda a, b: a + b, total, share)
        if index < len(weights_of_steps) - 1:
            point = tree_map(lambda y, g: like(y - eta * g, y), point, gradient)
    return total


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
    visited: list[Any] = []

    def step(point: Any) -> Any:
        visited.append(point)
        return entry.run(gradient, point, eta, **numbers)

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
