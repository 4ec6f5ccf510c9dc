"""Rounds of local steps: workers that see losses of their own, and a rule along the mean of their ways.

In a round each of M workers starts at θ and takes K steps of an *inner* rule on its own loss; the weighted mean of
their ways, θ less where they end, is what an *outer* rule takes for a gradient.  It is divided by η and the outer rate
is αη, so that all memories are of the size of gradients: θ is that of the rate α along the ways themselves, but what
else an outer rule has in units of a gradient, ε or a decay, stands beside a way over η.
A round is one step of a rule like any other, and takes Kη of time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

from eomsym.checks import check_integer, shown
from eomsym.errors import InputError
from eomsym.exact_numbers import read_rational
from eomsym.optimizers.descent import NESTEROV
from eomsym.optimizers.optimizer import Arrays, Field, Optimizer, Parameter, Slope, from_zero
from eomsym.optimizers.registry import chosen
from eomsym.optimizers.rule import Gradient, Linear
from eomsym.optimizers.stepping import named_step, number_for, per_step
from eomsym.optimizers.tracing import trace
from eomsym.optimizers.variants import SYNC_PERIOD, form_of

LOCAL_STEPS = replace(
    SYNC_PERIOD,
    name="local_steps",
    symbol="K",
    meaning="inner steps of each worker in a round",
    default=Fraction(2),
    trial=None,
    brought_by=(),
)
OUTER_RATE = replace(
    from_zero("outer_rate", "α", "rate along the mean of the ways", Fraction(1), "at 0 nothing moves"),
    open_minimum=True,
)
#: Before the names of the outer rule's own parameters.
OUTER = "outer_"
MOST_WORKERS = 64
_SOURCE = (
    "McMahan et al., Communication-efficient learning of deep networks, AISTATS 2017 (FedAvg); Nichol, Achiam & "
    "Schulman, On first-order meta-learning algorithms, 2018 (Reptile); Karimireddy et al., SCAFFOLD, ICML 2020; "
    "Douillard et al., DiLoCo, 2023"
)


def rounds(
    inner: str | Optimizer,
    workers: int,
    outer: str | Optimizer = "sgd",
    *,
    batches: int | Sequence[Sequence[int]] | None = None,
    weights: Sequence[Any] | None = None,
    control_variates: bool = False,
) -> Optimizer:
    """Returns the rule of rounds: K ``inner`` steps on each of so many workers, then an ``outer`` step.

    The outer step is along the weighted mean of the workers' ways.  ``rounds("sgd", M)`` is FedAvg, and Reptile, whose
    ε is ``outer_rate``; with ``control_variates`` it is SCAFFOLD (option II: a worker's variate is the mean of its
    gradients in the last round, 0 at first); ``rounds("adamw", M, "nesterov")`` is DiLoCo, whose inner memories stay on
    their workers.  ``"nesterov"`` is PyTorch's here (``lookahead=yes``), as in DiLoCo; any other outer rule is as it is
    called, and takes one gradient, at θ.

    Parameters of the rule are those of the inner rule; those of the outer one with ``outer_`` before their names, and
    its rate α, ``outer_rate`` (1); and K, ``local_steps`` (2).  Values in a text, ``"adam(beta2=0.95)"``, are defaults.
    ``batches`` fixes K: an integer, or for each worker the numbers of the losses that its steps take.  Else worker i
    has loss number i: of a network's data, the i-th of equal parts of the samples.  ``weights`` are exact and sum to
    1; by default all are the same.

    Raises ``InputError`` for a rule that has batches, players or groups, or a whole state only; for an outer rule of
    other gradients than one at θ; for control variates of an inner rule of more than one gradient; and for bad numbers.
    """
    workers = check_integer("workers", workers, 1, MOST_WORKERS)
    if not isinstance(control_variates, bool):
        raise InputError(f"control_variates {shown(control_variates)}: give True or False")
    local, server = _read("inner", inner), _read("outer", outer)
    if server.rule is NESTEROV:
        server = replace(server, rule=form_of(NESTEROV, {"lookahead": True})[0])
    if not server.takes_one_gradient(at_theta=True):
        raise InputError(f"outer {server.rule.name!r}: takes other gradients than one at theta; take sgd or nesterov")
    if control_variates and not local.takes_one_gradient():
        raise InputError(f"control_variates: a step of {local.rule.name} takes other than one gradient; take sgd, say")
    visits = None if batches is None else _visits(batches, workers)
    return _made(_Round(local, server, workers, visits, _weights(weights, workers), control_variates))


@dataclass(frozen=True)
class _Given:
    """A rule with the values that its text gives."""

    rule: Optimizer
    values: tuple[tuple[str, Fraction], ...]

    def parameters(self, prefix: str = "") -> list[Parameter]:
        """The rule's own under new names, with these values by default."""
        own, found = dict(self.values), []
        for one in self.rule.parameters:
            given = replace(one, default=own[one.name], trial=None) if one.name in own else one
            found.append(replace(given, name=prefix + one.name))
        return found

    def takes_one_gradient(self, at_theta: bool = False) -> bool:
        """Whether a step takes one gradient, or just that at θ."""
        entry, values = self.rule, self.rule.complete(dict(self.values))

        def step(gradient: Slope, state: Arrays, eta: Any) -> Arrays:
            return entry.step(gradient, state, eta, **values)

        rule = trace(step, 1 + len(entry.memory), {}, checked=False)
        points = [atom.point for atom in rule.atoms if isinstance(atom, Gradient)]
        if at_theta:
            return points == [Linear(((rule.state(0), 0, 1),))]
        return len(points) == 1 and not rule.stages


@dataclass(frozen=True)
class _Round:
    """What a round is composed of; ``visits`` are the losses of each worker's steps, None where they are its number."""

    inner: _Given
    outer: _Given
    workers: int
    visits: tuple[tuple[int, ...], ...] | None
    weights: tuple[Fraction, ...]
    control_variates: bool

    def losses(self, local_steps: Any = 0) -> list[tuple[int, ...]]:
        """The losses that the steps of each worker take."""
        return [(i,) * int(local_steps) for i in range(self.workers)] if self.visits is None else [*self.visits]

    def fields(self, **values: Any) -> tuple[Field, ...]:
        """The losses of all workers."""
        count = self.workers if self.visits is None else 1 + max(map(max, self.visits))
        return tuple(Field("local", i, count) for i in range(count)) if count > 1 else (Field(),)

    def steps(self, local_steps: Any = 0, **values: Any) -> int:
        """K steps of the inner rule are the time of a round."""
        inner = {one.name: values[one.name] for one in self.inner.rule.parameters if one.name in values}
        return len(self.losses(local_steps)[0]) * self.inner.rule.steps(**inner)

    def split(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The values of the inner rule and of the outer."""
        inner = {one.name: values[one.name] for one in self.inner.rule.parameters}
        return inner, {one.name: values[OUTER + one.name] for one in self.outer.rule.parameters}

    @property
    def memory(self) -> tuple[str, ...]:
        """Of each worker that of the inner rule, then its control variate; then that of the outer rule."""
        local = [*self.inner.rule.memory, *["control variate"] * self.control_variates]
        own = [f"{name} of worker {i}" for i in range(1, self.workers + 1) for name in local]
        return *own, *(f"outer {name}" for name in self.outer.rule.memory)

    def parted(self, memory: Sequence[Any]) -> tuple[list[list[Any]], list[Any]]:
        """The memories of the workers, and that of the outer rule."""
        size = len(self.inner.rule.memory) + self.control_variates
        end = size * self.workers
        return [list(memory[i * size : (i + 1) * size]) for i in range(self.workers)], list(memory[end:])

    def initial(self, gradient: Slope, theta: Any, local_steps: Any = 1, **values: Any) -> Arrays:
        """Both rules' own, of each worker on the loss of its first step; control variates are 0."""
        inner, outer = self.split(values)
        begun: list[Any] = []
        for losses in self.losses(local_steps):
            start = self.inner.rule.initial_state(theta, _of_loss(gradient, losses[0]), **inner)
            begun += [*start[1:], *[0 * theta] * self.control_variates]
        return *begun, *self.outer.rule.initial_state(theta, self._no_way, **outer)[1:]

    def _no_way(self, point: Any, field: int = 0) -> Any:
        raise InputError(f"outer {self.outer.rule.name!r}: its memory starts with a gradient, and no round was before")

    def step(
        self, gradient: Slope, state: Arrays, eta: Any, outer_rate: Any, local_steps: Any = 0, **values: Any
    ) -> Arrays:
        """One round."""
        theta, (workers, server) = state[0], self.parted(state[1:])
        inner, outer = self.split(values)
        own = [worker.pop() for worker in workers] if self.control_variates else []
        shifts = [self._mean(own) - one for one in own]
        ways, memory = [], list[Any]()
        for i, losses in enumerate(self.losses(local_steps)):
            seen, local = list[Any](), (theta, *workers[i])
            for loss in losses:
                slope = _of_loss(gradient, loss)
                slope = _corrected(slope, shifts[i], seen) if own else slope
                local = named_step(theta, local[0], self.inner.rule.run(slope, local, eta, **inner), eta)
            ways.append(theta - local[0])
            memory += [*local[1:], *([sum(seen[1:], seen[0]) / len(losses)] if own else [])]
        way = per_step(self._mean(ways), eta)
        after = self.outer.rule.run(lambda point, field=0: way, (theta, *server), eta * outer_rate, **outer)
        return after[0], *memory, *after[1:]

    def _mean(self, parts: Sequence[Any]) -> Any:
        shares = [part * number_for(part, weight) for part, weight in zip(parts, self.weights, strict=True)]
        return sum(shares[1:], shares[0])


def _of_loss(gradient: Slope, loss: int) -> Slope:
    return lambda point, field=0: gradient(point, loss)


def _corrected(gradient: Slope, shift: Any, seen: list[Any]) -> Slope:
    """The gradient with its variates; what it was without them is ``seen``."""

    def slope(point: Any, field: int = 0) -> Any:
        seen.append(gradient(point))
        return seen[-1] + shift

    return slope


@lru_cache(maxsize=64)
def _made(parts: _Round) -> Optimizer:
    """The same object for the same parts."""
    inner, outer = parts.inner.rule, parts.outer.rule
    counted = [LOCAL_STEPS] if parts.visits is None else []
    parameters = (*parts.inner.parameters(), *counted, OUTER_RATE, *parts.outer.parameters(OUTER))
    names = [one.name for one in parameters]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"rounds: {name} is a number of the round and of {inner.name} or {outer.name}; take another"
            )
    several = "" if parts.workers == 1 else f" of {parts.workers} workers"
    steps = "K" if parts.visits is None else str(len(parts.visits[0]))
    variates = ", with control variates" if parts.control_variates else ""
    return Optimizer(
        _name(parts),
        parts.step,
        parameters,
        parts.memory,
        parts.initial,
        parts.fields,
        parts.steps,
        summary=f"rounds{several}: {steps} steps of {inner.name}{variates}, then {outer.name} along the mean way",
        source=_SOURCE,
        limits="compared at the end of rounds; of data, the number of samples must be a multiple of the losses"
        + ("; holds after the transient of the memories" if parts.memory else ""),
    )


def _name(parts: _Round) -> str:
    """Says the rules and the number of workers, and what else there is by a hash."""
    words = ["rounds", str(parts.workers), parts.inner.rule.name]
    words += [] if parts.outer.rule.name == "gradient-descent" else [parts.outer.rule.name]
    words += ["control-variates"] * parts.control_variates
    rest = (parts.inner.values, parts.outer.values, parts.visits, parts.weights)
    if rest != ((), (), None, _weights(None, parts.workers)):
        words.append(hashlib.sha256(repr(rest).encode()).hexdigest()[:8])
    return re.sub("[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")


def _read(what: str, rule: str | Optimizer) -> _Given:
    try:
        entry, values = chosen(rule)
        entry.check_derivable()
        entry.check_ungrouped("a round")
    except InputError as error:
        raise InputError(f"{what}: {error}") from None
    if {field.kind for field in entry.fields(**entry.complete(values))} != {"loss"}:
        raise InputError(f"{what} {entry.name!r}: takes gradients of batches or players; take a rule of one gradient")
    return _Given(entry, tuple(sorted(values.items())))


def _visits(batches: Any, workers: int) -> tuple[tuple[int, ...], ...]:
    """The losses that each worker's steps take."""
    if not isinstance(batches, Iterable) or isinstance(batches, (str, Mapping)):
        steps = check_integer("batches", batches, 1, int(LOCAL_STEPS.supremum or 0) - 1)
        return tuple((i,) * steps for i in range(workers))
    listed = list(batches)
    if not all(isinstance(losses, Iterable) and not isinstance(losses, (str, Mapping)) for losses in listed):
        raise InputError(
            f"batches {shown(batches)}: give the numbers of each worker's losses, such as [[0, 1], [2, 3]]"
        )
    visits = tuple(tuple(check_integer("batches: loss", loss) for loss in losses) for losses in listed)
    lengths = sorted({len(losses) for losses in visits})
    if len(visits) != workers or len(lengths) != 1 or lengths[0] == 0:
        told = f"{len(visits)} lists of {' and '.join(map(str, lengths)) or 'no'} losses"
        raise InputError(f"batches: {told} for {workers} workers; give each worker a list, all of one length")
    seen = {loss for losses in visits for loss in losses}
    if seen != set(range(len(seen))):
        missing = min(set(range(len(seen))) - seen)
        raise InputError(
            f"batches: no step takes loss {missing}, and one takes loss {max(seen)}; number them from 0 on"
        )
    return visits


def _weights(weights: Any, workers: int) -> tuple[Fraction, ...]:
    """The weights of the workers, exact."""
    if weights is None:
        return (Fraction(1, workers),) * workers
    if isinstance(weights, (str, Mapping)) or not isinstance(weights, Iterable):
        raise InputError(f"weights {shown(weights)}: give one number for each worker, such as ['1/3', '2/3']")
    numbers = tuple(read_rational("weights", weight) for weight in weights)
    if len(numbers) != workers:
        raise InputError(f"weights: {len(numbers)} numbers for {workers} workers; give one for each")
    if min(numbers) < 0:
        raise InputError(f"weights: {min(numbers)} is below 0; give shares of the mean, from 0 to 1")
    if sum(numbers) != 1:
        raise InputError(f"weights: their sum is {sum(numbers)}; give exact shares of sum 1, such as ['1/3', '2/3']")
    return numbers
