"""Gradients of more than one loss: of batches, and of two players.

``mini-batches`` visits the batches in their order, every epoch the same; ``random-reshuffling`` is the mean of the
epoch's end over all m! orders.  One step of the rule is one epoch, so time goes on by m step sizes.  Fields
``g_1 … g_m`` are the gradients of the batches' mean losses; g is their mean.
Two players have half of the parameters each, one descends the loss and the other ascends: gradient descent-ascent.
``simultaneous``: both move at once, gradient descent for a vector field that is no gradient; its trees are those of
gradient descent.  ``alternating``: the second player answers the first one's move.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import permutations
from math import factorial
from typing import Any

from eomsym.checks import check_choice, check_integer, shown
from eomsym.errors import InputError
from eomsym.optimizers.descent import GRADIENT_DESCENT
from eomsym.optimizers.optimizer import Arrays, Field, Optimizer, Parameter, Slope, coefficient

BATCHES = Parameter(
    "batches",
    "m",
    "number of batches",
    Fraction(1),
    Fraction(7),
    default=Fraction(2),
    kind="count",
    reason="all m! orders are visited exactly",
)


def fields(batches: Any) -> tuple[Field, ...]:
    """The mean loss of each batch."""
    return tuple(Field("batch", index, int(batches)) for index in range(int(batches)))


def epoch(gradient: Slope, theta: Any, eta: Any, order: Sequence[int]) -> Any:
    """θ after one step on each batch, or of each player, in this order."""
    for batch in order:
        theta = theta - eta * gradient(theta, batch)
    return theta


def steps(batches: Any) -> int:
    """An epoch takes m step sizes of time."""
    return int(batches)


def _step_in_order(gradient: Slope, state: Arrays, eta: Any, batches: Any) -> Arrays:
    """one epoch: θ ← θ − η g_i(θ) for i = 1 … m

    Source: Smith, Dherin, Barrett & De, On the origin of implicit regularization in SGD, ICLR 2021

    Limits: compared at the end of epochs; the number of samples must be a multiple of m
    """
    return (epoch(gradient, state[0], eta, range(int(batches))),)


IN_ORDER = Optimizer(
    "mini-batches",
    _step_in_order,
    (BATCHES,),
    fields=fields,
    steps=steps,
    aliases=("incremental-gradient", "cyclic-sgd"),
)


def _step_mean(gradient: Slope, state: Arrays, eta: Any, batches: Any) -> Arrays:
    """mean over all orders of the epoch θ ← θ − η g_i(θ)

    Source: Smith, Dherin, Barrett & De, On the origin of implicit regularization in SGD, ICLR 2021

    Limits: the mean is taken after every epoch; it says nothing about the spread; samples a multiple of m
    """
    count, (theta,) = int(batches), state
    total = 0 * theta
    for order in permutations(range(count)):
        total = total + (epoch(gradient, theta, eta, order) - theta)
    return (theta + total / factorial(count),)


RESHUFFLED = Optimizer(
    "random-reshuffling", _step_mean, (BATCHES,), fields=fields, steps=steps, aliases=("sgd-without-replacement",)
)
_GAMES = "Rosca, Wu, Dherin & Barrett, Discretization drift in two-player games, ICML 2021"
SIMULTANEOUS = Optimizer(
    "simultaneous-players",
    GRADIENT_DESCENT.step,
    fields=lambda: (Field("game"),),
    aliases=("gradient-descent-ascent", "gda"),
    summary="θ⁺ = θ − η g(θ), g = (∇_x L, −∇_y L)",
    source=_GAMES,
    limits="equal step sizes; g is not a gradient, so no counter term has a loss",
)


def _step_alternating(gradient: Slope, state: Arrays, eta: Any) -> Arrays:
    """x⁺ = x − η ∇_x L(x, y), y⁺ = y + η ∇_y L(x⁺, y)

    Limits: equal step sizes, the first player moves first
    """
    return (epoch(gradient, state[0], eta, (0, 1)),)


ALTERNATING = Optimizer(
    "alternating-players",
    _step_alternating,
    fields=lambda: (Field("player", 0, 2), Field("player", 1, 2)),
    aliases=("alternating-gda",),
    source=_GAMES,
)
RULES = (IN_ORDER, RESHUFFLED, SIMULTANEOUS, ALTERNATING)


def batch_passes(visits: Sequence[int], *, positive: bool = False) -> Optimizer:
    """Rounds of several passes over ``batches`` batches, each forward or reversed, and with a weight of its own.

    ``visits`` has the number of each pass's weight, 1, 2, …, with a minus where the pass is reversed: ``[1, -1]`` is
    forward, then reversed with one weight, ``[1, 2]`` twice forward with two.  A step of a pass is
    ``θ ← θ − η w g_i(θ)``; parameters are ``w1, w2, …``, ``positive`` or of any sign, and ``batches``.  A round of p
    passes counts as p epochs, so that the mean of the gradients is descended at pace 1 where the mean weight is 1.
    Raises ``InputError`` for what is no list of such numbers.
    """
    if isinstance(visits, str) or not isinstance(visits, Sequence):
        raise InputError(f"visits {shown(visits)}; give a list of numbers of weights, such as [1, -1]")
    passes = tuple(check_integer("visit", visit, -99, 99) for visit in visits)
    weights = sorted({abs(visit) for visit in passes})
    if not passes or weights != list(range(1, len(weights) + 1)):
        raise InputError(f"visits {list(passes)}: weights are numbered from 1 on, and none is left out, as in [1, -1]")

    def step(gradient: Slope, state: Arrays, eta: Any, batches: Any, **values: Any) -> Arrays:
        theta, forward = state[0], range(int(batches))
        for visit in passes:
            rate = eta * values[f"w{abs(visit)}"]
            theta = epoch(gradient, theta, rate, forward if visit > 0 else forward[::-1])
        return (theta,)

    directions = "-".join(f"{'f' if visit > 0 else 'r'}{abs(visit)}" for visit in passes)
    count = replace(BATCHES, default=Fraction(3), supremum=None, reason="")
    return Optimizer(
        f"passes-{directions}",
        step,
        (*(coefficient(f"w{i}", f"weight {i}", positive=positive) for i in weights), count),
        summary=f"rounds of {len(passes)} passes over the batches",
        source="Nguyen, Phan & Kalagnanam, Learning to shuffle, arXiv 2604.00260, 2026 (forward, then reversed)",
        fields=lambda batches, **values: fields(batches),
        steps=lambda batches, **values: int(batches) * len(passes),
        limits="compared at the end of rounds; the number of samples must be a multiple of the batches",
    )


#: What may become of a last batch that is smaller: left out; taken with its own mean, as a data loader does; or with
#: its mean weighted by its size, so that the mean over a round is that of all samples.
LAST = ("drop", "keep", "weight")
#: In which order the batches of a round are visited: as they are; or forward, then backward.
ORDERS = ("forward", "palindrome")
#: Stands for the mean over all orders.
RESHUFFLED_ORDER = "reshuffled"


@dataclass(frozen=True)
class Batches:
    """Batches of any size by the numbers of their samples, and the order in which a round visits them.

    ``weights`` multiply the batches' mean gradients; ``reshuffled`` stands for the mean over all orders.  Raises
    ``InputError`` for a batch that is empty, a sample that is in two, and an order that leaves out a batch or names one
    that is not there.
    """

    members: tuple[tuple[int, ...], ...]
    order: tuple[int, ...]
    weights: tuple[Fraction, ...]
    reshuffled: bool = False

    def __post_init__(self) -> None:
        seen = set[int]()
        for index, batch in enumerate(self.members):
            if not batch:
                raise InputError(f"batches: number {index} is empty; give each at least one sample")
            twice = seen.intersection(batch)
            if twice or len(set(batch)) < len(batch):
                raise InputError(
                    f"batches: sample {min(twice, default=batch[0])} is there twice; give each sample once"
                )
            seen.update(batch)
        if set(self.order) != set(range(len(self.members))):
            raise InputError(
                f"batches: order {shown(list(self.order))} of {len(self.members)} batches; name each by its number, "
                f"0 to {len(self.members) - 1}, at least once"
            )

    @property
    def visits(self) -> list[tuple[int, Fraction]]:
        """``(batch, weight)`` of each step of a round."""
        return [(index, self.weights[index]) for index in self.order]

    @property
    def fields(self) -> tuple[Field, ...]:
        """The mean loss of each batch."""
        return tuple(Field("batch", i, len(self.members), members) for i, members in enumerate(self.members))


def cut(samples: int, size: int, last: str = "keep", order: Any = "forward") -> Batches:
    """``samples`` in their order as batches of ``size``.

    ``last`` says what becomes of the rest, one of ``LAST``.  ``order`` is one of ``ORDERS``, ``reshuffled``, or the
    numbers of the batches as a round visits them.  Raises ``InputError`` for what does not fit.
    """
    size = check_integer("batch size", size, 1)
    if size > samples:
        raise InputError(f"batch size {size}: there are {samples} samples; give at most as many")
    last = check_choice("last batch", last, LAST)
    end = samples - samples % size if last == "drop" else samples
    members = [tuple(range(start, min(start + size, end))) for start in range(0, end, size)]
    mean = Fraction(sum(map(len, members)), len(members))
    weights = [len(batch) / mean if last == "weight" else Fraction(1) for batch in members]
    return visited(members, order, weights)


def of_index_sets(sets: Sequence[Sequence[int]], samples: int, order: Any = "forward") -> Batches:
    """Batches given by the numbers of their samples, which must be all of them, ``0 … samples − 1``, each once."""
    if isinstance(sets, str) or not isinstance(sets, Iterable):
        raise InputError(f"batches: sets {shown(sets)}; give a list of lists of sample numbers")
    members = tuple(_numbers("sample", part, samples) for part in sets)
    missing = sorted(set(range(samples)).difference(*members))
    if missing:
        raise InputError(
            f"batches: {len(missing)} of {samples} samples are in none, such as number {missing[0]}; put each into "
            "one, or leave them out of the data"
        )
    return visited(members, order)


def visited(
    members: Sequence[tuple[int, ...]], order: Any = "forward", weights: Sequence[Fraction] | None = None
) -> Batches:
    """Batches in the order that a user gives, of weight 1 if none are given."""
    numbers, reshuffled = tuple(range(len(members))), False
    if isinstance(order, str):
        name = check_choice("order of batches", order, (*ORDERS, RESHUFFLED_ORDER))
        numbers, reshuffled = numbers + numbers[::-1] * (name == "palindrome"), name == RESHUFFLED_ORDER
    else:
        numbers = _numbers("batch", order, len(members))
    return Batches(tuple(members), numbers, tuple(weights or [Fraction(1)] * len(members)), reshuffled)


def _numbers(what: str, given: Any, count: int) -> tuple[int, ...]:
    """Numbers below ``count``, as a tuple."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InputError(f"batches: {shown(given)} in place of the numbers of each {what}; give a list of integers")
    return tuple(check_integer(what, number, 0, count - 1) for number in given)
