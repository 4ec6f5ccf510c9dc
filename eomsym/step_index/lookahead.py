"""The look-ahead field: the logarithm of a step, or of any map, by its weights at whole steps: no derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from eomsym.checks import check_integer
from eomsym.errors import InputError
from eomsym.optimizers import Optimizer, check_one_gradient, chosen
from eomsym.step_index.weights import logarithm, weights

#: The weights grow like 2^N: at 20 six digits of the gradients are lost.
MAX_LOOKAHEAD_ORDER = 20
#: Two steps at once have real multipliers (1 − ηλ)² ≥ 0, which a flow can have; more steps are no better.
MOST_STRIDE = 2


def lookahead_weights(order: int) -> list[Fraction]:
    """``w_0 … w_order`` of ``f̃ ≈ −Σ_i w_i g(y_i)``, y_i the i-th iterate: 3/2, −1/2 for order 1."""
    return [*_exact_weights(order)]


@lru_cache(maxsize=64)  # a path asks for them at every point of it
def _exact_weights(order: int) -> tuple[Fraction, ...]:
    return tuple(map(Fraction, weights(list(map(Fraction, range(order + 1))), logarithm)))


@lru_cache(maxsize=128)
def _shares(order: int, stride: int) -> tuple[float, ...]:
    return tuple(float(weight / stride) for weight in _exact_weights(order))


def check_lookahead_order(order: int) -> int:
    """The order.  Raises ``InputError`` unless it is from 0 to 20."""
    return check_integer("order", order, 0, MAX_LOOKAHEAD_ORDER)


def check_stride(stride: int) -> int:
    """1, or 2 for the even-step equation: the logarithm of two steps at once.  Raises ``InputError`` for another."""
    return check_integer("stride", stride, 1, MOST_STRIDE)


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
    for part in _shares(check_lookahead_order(order), check_stride(stride)):
        following = point
        for _ in range(stride):
            following = step(following)
        share = tree_map(lambda after, before, part=part: part * (after - before), following, point)
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
    stride: int = 1,
    number: Callable[[Any], float | None] = float,
) -> tuple[Any, ...]:
    """The look-ahead field of a rule's whole state ``(params, *memory)``, in time nη: a tuple of trees.

    ``state`` is the memory, each part a tree like ``params``, or one number for all; None is the rule's own before the
    first step.  ``stride`` 2 gives the even-step equation: there a memory has to be given, and the differences of every
    second state must not grow, by what ``number`` reads, or does not where it is None.  ``flat`` makes a vector of a
    tree and ``shaped`` a tree of a vector.  A part of the result that is one number for all stays a vector of length 1.
    Raises ``InputError`` for an order outside 0 … 20, an optimiser of batches or players, a state of another shape, and
    where the even-step sum diverges.
    """
    entry, exact = chosen(optimizer, hyperparameters)
    values = entry.complete(exact)
    check_one_gradient(entry, values)
    numbers = {name: float(value) for name, value in values.items()}
    theta = flat(params)

    def gradient(point: Any, field: int = 0) -> Any:
        return flat(grad_fn(shaped(point)))

    begun = entry.initial_state(theta, gradient, **numbers)
    if check_stride(stride) > 1 and state is None and entry.memory:
        raise InputError(
            f"state: {entry.name} has a memory ({', '.join(entry.memory)}); with stride 2 give it, as state"
        )
    given = begun[1:] if state is None else _checked_memory(entry, begun[1:], [flat(part) for part in state])
    visited: list[Any] = []

    def step(point: Any) -> Any:
        visited.append(point)
        return entry.run(gradient, point, eta, **numbers)

    moved = map_logarithm(step, (theta, *given), order, _each, stride)
    if stride > 1 and order and entry.memory:
        check_growth(number(difference_growth(visited[::stride])), entry.name)
    return tuple(shaped(part / eta) if part.shape == theta.shape else part / eta for part in moved)


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
        rows = [_each(lambda after, before: after - before, *pair) for pair in zip(rows[1:], rows, strict=False)]
        sizes.append(sum((part * part).sum() for part in rows[0]) ** 0.5)
    return (sizes[-1] / (sizes[0] + (sizes[0] == 0))) ** (1 / (len(sizes) - 1))


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
