"""The run as it is made: an optimiser, its schedules, and the batches that it sees one after the other.

One *round* is one visit of all batches in their order, a single step where there is one batch; it is the rule whose
equation of motion is asked for, traced like any other: the optimiser's own step function is run through the round.
A number that depends on time enters as its Taylor polynomial at the time of the round, with the clock of each step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from itertools import count
from typing import Any

from eomsym.errors import InputError
from eomsym.exact_numbers import Coefficient
from eomsym.optimizers.batches import ORDERS, Batches, visited
from eomsym.optimizers.optimizer import AVERAGING_TIME, Arrays, Field, Optimizer, Slope, from_zero, spelt
from eomsym.optimizers.registry import check_one_gradient, chosen
from eomsym.optimizers.rule import UpdateRule
from eomsym.optimizers.tracing import StepSize, trace, trace_settled
from eomsym.schedules import Schedule
from eomsym.schedules.schedule import RATE, read_schedules

#: What a schedule of η is a factor of.
_RATE = from_zero(RATE, "η", "the learning rate", Fraction(1))


@dataclass(frozen=True, eq=False)
class Loop:
    """An optimiser with ``values`` for all parameters, ``schedules`` by the names of what they are of, and batches.

    A schedule of ``RATE`` is a factor of η wherever the step has it: outside of all memories in the libraries' rules.
    One of a parameter takes the place of its value.  Raises ``InputError`` for a schedule of what the optimiser does
    not have, of what counts something, and for batches of an optimiser that has batches or players itself.
    """

    optimizer: Optimizer
    values: Mapping[str, Fraction]
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    batches: Batches | None = None

    def __post_init__(self) -> None:
        known = {parameter.name: parameter for parameter in self.optimizer.parameters}
        for name in self.schedules:
            if name != RATE and (name not in known or known[name].kind == "count"):
                listed = ", ".join((RATE, *(name for name, p in known.items() if p.kind != "count")))
                raise InputError(
                    f"schedule of {name!r}: {self.optimizer.name} has no such number; choose from {listed}"
                )
        if self.schedules and (self.optimizer.local_losses(**self.values) or self.optimizer.steps(**self.values) != 1):
            raise InputError(
                f"schedule: one step of {self.optimizer.name} is an epoch; take one of a single gradient with batching"
            )
        if RATE in self.schedules and AVERAGING_TIME in self.optimizer.memory:
            raise InputError(
                f"schedule: the average of {self.optimizer.name} weighs all steps alike, or by the square of the "
                "largest rate so far, a maximum; take a constant rate"
            )
        if self.batches is not None and {one.kind for one in self.optimizer.fields(**self.values)} != {"loss"}:
            raise InputError(
                f"batches: {self.optimizer.name} has batches or players of its own; take another optimizer"
            )
        reshuffled = self.batches is not None and self.batches.reshuffled
        if reshuffled and (self.optimizer.name != "gradient-descent" or self.schedules):
            raise InputError(
                "batches: the mean over all orders is there for gradient-descent at a constant rate; take those, or "
                "another order"
            )

    @property
    def visits(self) -> list[tuple[int | None, Fraction]]:
        """The batch of each step of a round, and the weight of its gradient."""
        return [(None, Fraction(1))] if self.batches is None else [*self.batches.visits]

    @property
    def steps(self) -> int:
        """Step sizes of time in one round."""
        return self.optimizer.steps(**self.values) if self.batches is None else len(self.batches.order)

    @property
    def fields(self) -> tuple[Field, ...]:
        """What the round's gradients are of."""
        return self.optimizer.fields(**self.values) if self.batches is None else self.batches.fields

    @property
    def breaks(self) -> tuple[float, ...]:
        """Times at which a schedule begins a new piece."""
        return tuple(sorted({time for schedule in self.schedules.values() for time in schedule.breaks}))

    def check(self, time: float) -> None:
        """Raises ``InputError`` where a schedule leaves what is allowed before ``time``."""
        for name, schedule in self.schedules.items():
            for tau, value in schedule.looked_at(time):
                self._check_value(name, value, f" at tau = {tau:.6g}")

    def check_values(self, values: Mapping[str, Coefficient]) -> None:
        """The same at one time, by the values there; those that are known only later are not looked at."""
        for name, value in values.items():
            if isinstance(value, float):
                self._check_value(name, value, "")

    def _check_value(self, name: str, value: float, where: str) -> None:
        known = {parameter.name: parameter for parameter in (_RATE, *self.optimizer.parameters)}[name]
        if not known.holds(value, 1e-12):  # at the very end a decay arrives at 0 but for rounding
            least = f"{'above' if known.open_minimum else 'at least'} {known.minimum}"
            below = "" if known.supremum is None else f" and below {known.supremum}"
            what = known.meaning if known is _RATE else name
            raise InputError(f"schedule of {what}: {value:.6g}{where}; give one of {least}{below}")

    def rule(self, taylor: Mapping[str, Sequence[Coefficient]], complete: bool = False) -> UpdateRule:
        """One round on the slow manifold; ``taylor`` has the Taylor coefficients of each schedule at its first step.

        States that only fade are zero there and left out, unless the rule is to be ``complete``.
        """
        self.optimizer.check_derivable()

        def step(gradient: Slope, state: Arrays, eta: StepSize) -> Arrays:
            pace = self.steps
            return self.round(gradient, state, eta, lambda name, number: _polynomial(taylor[name], (number, pace)))

        return (trace if complete else trace_settled)(step, 1 + len(self.optimizer.memory), {})

    def rule_at(
        self, tau: float, terms: int, pieces: Mapping[str, int] | None = None, complete: bool = False
    ) -> UpdateRule:
        """The same in numbers, at a time; ``pieces`` says which pieces of the schedules hold, those there if none."""
        if not self.schedules:
            tau, terms, pieces = 0.0, 0, {}
        return _rule_at(self, tau, terms, tuple((pieces or {}).items()), complete)

    def pieces_at(self, tau: float) -> dict[str, int]:
        """The piece of each schedule that holds at a time."""
        return {name: schedule.piece_at(tau) for name, schedule in self.schedules.items()}

    def step(self, gradient: Slope, state: Arrays, eta: float, first: float) -> Arrays:
        """One round in floating point, whose first step is number ``first`` of the run, or a time between two."""
        return self.round(gradient, state, eta, lambda name, number: self.schedules[name](number * eta), first)

    def initial_state(self, theta: Any, gradient: Slope, tau: float = 0.0) -> Arrays:
        """θ and the memory before the first step; where that holds a gradient it is the first step's."""
        index, weight = self.visits[0]
        own = gradient if index is None else _of_batch(gradient, index, float(weight))
        return self.optimizer.initial_state(theta, own, **self.numbers_at(tau))

    def numbers_at(self, tau: float) -> dict[str, float]:
        """The parameters in floating point at a time."""
        numbers = {name: float(value) for name, value in self.values.items()}
        return numbers | {name: schedule(tau) for name, schedule in self.schedules.items() if name != RATE}

    def round(
        self, gradient: Slope, state: Arrays, eta: Any, scheduled: Callable[[str, Any], Any], first: float = 0
    ) -> Arrays:
        """One round in any kind of numbers; ``scheduled(name, number)`` is a schedule's value at a step."""
        exact = isinstance(eta, StepSize)
        fixed = {name: value if exact else float(value) for name, value in self.values.items()}
        for number, (index, weight) in zip(count(first), self.visits, strict=False):
            values = {name: scheduled(name, number) for name in self.schedules}
            rate = eta * values.pop(RATE) if RATE in values else eta
            if exact and number > first:
                state = state[0].builder.named(state)  # else the last step would be a sum over all before it
            own = gradient if index is None else _of_batch(gradient, index, weight if exact else float(weight))
            state = self.optimizer.run(own, state, rate, **{**fixed, **values})
        return state


@lru_cache(maxsize=32)
def _rule_at(loop: Loop, tau: float, terms: int, pieces: tuple[tuple[str, int], ...], complete: bool) -> UpdateRule:
    """A method asks for the same few times again: twice at the end of a step, and for derivatives of a field."""
    numbers = {
        name: [float(value) for value in schedule.taylor(tau, terms, dict(pieces).get(name))]
        for name, schedule in loop.schedules.items()
    }
    return loop.rule(numbers, complete)


def _of_batch(gradient: Slope, index: int, weight: Any) -> Callable[..., Any]:
    if weight == 1:
        return lambda point, field=0: gradient(point, index)
    return lambda point, field=0: weight * gradient(point, index)


def _polynomial(taylor: Sequence[Coefficient], clock: tuple[int, int]) -> StepSize:
    return StepSize({(0, m): value for m, value in enumerate(taylor)}, clock, len(taylor) - 1)


def loop_of(
    optimizer: str | Optimizer,
    schedule: object = None,
    batches: Batches | None = None,
    groups: tuple[Any, ...] = (),
    /,
    **given: object,
) -> Loop:
    """The run as it is made: an optimiser with its schedules and batches.

    ``schedule`` is read by ``schedules.read_schedules``; parameters not given have their defaults; ``groups`` are what
    ``chosen`` takes of groups of parameters.  Raises
    ``InputError`` as this, ``chosen`` and ``Loop`` do, and for a parameter that has a value and a schedule.
    """
    entry, exact = chosen(optimizer, given, *groups)
    schedules = read_schedules(schedule)
    told = spelt(given, exact)
    for name in schedules.keys() & told.keys():
        raise InputError(f"{name} = {told[name]}: has a schedule, so it has no value; leave one of the two out")
    return Loop(entry, entry.complete(exact), schedules, batches)


def loop_of_losses(
    count: int, visits: Any, optimizer: Any, schedule: object, groups: tuple[Any, ...], **given: object
) -> Loop:
    """``loop_of`` for a list of losses: one for each of the optimiser's workers, or all in turn where it has none.

    Raises ``InputError`` where there are not as many as it has, or ``visits`` say what it says itself.
    """
    entry, exact = chosen(optimizer, given, *groups)
    own = entry.local_losses(**entry.complete(exact))
    if not own:
        return loop_of(optimizer, schedule, losses_in_turn(count, visits), groups, **given)
    if count == 1:
        check_one_gradient(entry, entry.complete(exact))
    if count != own:
        raise InputError(f"losses: {count} given, {entry.name} has {own}; give one for each")
    if not (isinstance(visits, str) and visits == "forward"):
        raise InputError(f"visits {visits!r}: {entry.name} visits its losses itself; leave visits out")
    return loop_of(optimizer, schedule, None, groups, **given)


def losses_in_turn(count: int, visits: Any) -> Batches | None:
    """So many losses as batches, visited in the order ``visits``; None where a round is one step."""
    batches = visited([(index,) for index in range(count)], visits)
    if batches.reshuffled:
        raise InputError(f"visits {visits!r}: the mean over all orders is there for kernels; take {', '.join(ORDERS)}")
    return batches if len(batches.order) > 1 else None
