"""The look-ahead field: the logarithm of a step, or of any map, by its weights at whole steps: no derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from eomsym.checks import check_integer
from eomsym.errors import InputError
from eomsym.optimizers import Optimizer, check_one_gradient, chosen
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
    grad_fn: Callable[[Any], Any],
    params: Any,
    eta: Any,
    order: int,
    optimizer: str | Optimizer,
    state: Sequence[Any] | None,
    hyperparameters: Mapping[str, object],
    flat: Callable[[Any], Any],
    shaped: Callable[[Any], Any],
) -> tuple[Any, ...]:
    """The look-ahead field of a rule's whole state ``(params, *memory)``, in time nη: a tuple of trees.

    ``state`` is the memory, each part a tree like ``params``, or one number for all; None is the rule's own before the
    first step.  ``flat`` makes a vector of a tree and ``shaped`` a tree of a vector.  A part of the result that is one
    number for all stays a vector of length 1.
    Raises ``InputError`` for an order outside 0 … 20, an optimiser of batches or players, and a state of another shape.
    """
    entry, exact = chosen(optimizer, hyperparameters)
    values = entry.complete(exact)
    check_one_gradient(entry, values)
    numbers = {name: float(value) for name, value in values.items()}
    theta = flat(params)

    def gradient(point: Any, field: int = 0) -> Any:
        return flat(grad_fn(shaped(point)))

    begun = entry.initial_state(theta, gradient, **numbers)
    given = begun[1:] if state is None else _checked_memory(entry, begun[1:], [flat(part) for part in state])
    moved = map_logarithm(lambda z: entry.step(gradient, z, eta, **numbers), (theta, *given), order, _each)
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


def _each(function: Callable[..., Any], *states: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(function(*parts) for parts in zip(*states, strict=True))
