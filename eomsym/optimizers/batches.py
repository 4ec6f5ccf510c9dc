"""Gradient descent on mini-batches: one step of the rule is one epoch, so time goes on by m step sizes.

``mini-batches`` visits the batches in their order, every epoch the same; ``random-reshuffling`` is the mean of the
epoch's end over all m! orders.  Fields ``g_1 … g_m`` are the gradients of the batches' mean losses; g is their mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import permutations
from math import factorial
from typing import Any

from eomsym.optimizers._base import Field, Optimizer, Parameter

BATCHES = Parameter(
    "batches",
    "m",
    "number of batches",
    Fraction(1),
    Fraction(7),
    default=Fraction(2),
    integer=True,
    reason="all m! orders are visited exactly",
)


def fields(batches: Any) -> tuple[Field, ...]:
    """The mean loss of each batch."""
    return tuple(Field("batch", index, int(batches)) for index in range(int(batches)))


def epoch(gradient: Callable[..., Any], theta: Any, eta: Any, order: Sequence[int]) -> Any:
    """θ after one step on each batch, or of each player, in this order."""
    for batch in order:
        theta = theta - eta * gradient(theta, batch)
    return theta


def step_in_order(gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any, batches: Any) -> tuple[Any, ...]:
    """One epoch."""
    return (epoch(gradient, state[0], eta, range(int(batches))),)


def step_mean(gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any, batches: Any) -> tuple[Any, ...]:
    """The mean of one epoch over all orders."""
    count, (theta,) = int(batches), state
    total = 0 * theta
    for order in permutations(range(count)):
        total = total + (epoch(gradient, theta, eta, order) - theta)
    return (theta + total / factorial(count),)


def steps(batches: Any) -> int:
    """An epoch takes m step sizes of time."""
    return int(batches)


IN_ORDER = Optimizer(
    name="mini-batches",
    aliases=("incremental-gradient", "cyclic-sgd"),
    summary="one epoch: θ ← θ − η g_i(θ) for i = 1 … m",
    source="Smith, Dherin, Barrett & De, On the origin of implicit regularization in SGD, ICLR 2021",
    parameters=(BATCHES,),
    step=step_in_order,
    fields=fields,
    steps=steps,
    limits="compared at the end of epochs; the number of samples must be a multiple of m",
)
RESHUFFLED = Optimizer(
    name="random-reshuffling",
    aliases=("sgd-without-replacement",),
    summary="mean over all orders of the epoch θ ← θ − η g_i(θ)",
    source="Smith, Dherin, Barrett & De, On the origin of implicit regularization in SGD, ICLR 2021",
    parameters=(BATCHES,),
    step=step_mean,
    fields=fields,
    steps=steps,
    limits="the mean is taken after every epoch; it says nothing about the spread; samples a multiple of m",
)
