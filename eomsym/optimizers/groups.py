"""Groups of parameters: rates, decay, shares of memories and ε that differ from one array of parameters to the next.

Where only numbers differ, a rule with groups is the same step function with numbers that differ by block
(``blockwise``): its memory is not doubled, and a gradient at a point ahead is taken where all groups are then.  Where
the groups have rules of their own, as in optax's ``multi_transform``, each rule keeps its memory of the whole vector
and moves its own arrays (``composed``), which is right where every gradient is taken at θ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import lru_cache
from itertools import chain
from typing import Any

from eomsym.blocks import Blocks
from eomsym.checks import shown, suggestion
from eomsym.errors import InputError
from eomsym.optimizers.blockwise import blockwise
from eomsym.optimizers.optimizer import Arrays, Optimizer, Parameter, Slope, from_zero
from eomsym.optimizers.stepping import number_for

#: What the rate of a group is called: as ``eta`` would be, it is no rate by itself.
FACTOR = from_zero("eta_factor", "r", "factor of the learning rate in a group, 0 freezes it", Fraction(1))
#: Names that a message lists.
LISTED = 8


@dataclass(frozen=True)
class Group:
    """Arrays by their numbers in the vector θ, ``members``, with ``values`` of their own, sorted by name."""

    label: str
    members: tuple[int, ...]
    values: tuple[tuple[str, Fraction], ...]


def read_groups(entry: Optimizer, groups: Any, blocks: Blocks) -> tuple[Group, ...]:
    """The groups of ``groups={pattern: {parameter: value}}``, patterns as a shell has them, of names of arrays.

    ``eta_factor`` is a factor of the learning rate.  Raises ``InputError`` for a pattern that matches nothing, an array
    that two patterns give different values, a parameter that the rule does not have, and a value out of range.
    """
    if not isinstance(groups, Mapping) or not all(isinstance(values, Mapping) for values in groups.values()):
        raise InputError(f"groups {shown(groups)}: give {{pattern: {{parameter: value}}}}, such as {{'*bias': …}}")
    found = tuple(_read(entry, pattern, values, blocks) for pattern, values in groups.items())
    owners: dict[tuple[int, str], tuple[Group, Fraction]] = {}
    for group in found:
        for name, value in group.values:
            for member in group.members:
                other, before = owners.setdefault((member, name), (group, value))
                if before != value:
                    raise InputError(
                        f"groups: {blocks.names[member]!r} has {name} = {before} by {other.label!r} and {value} by "
                        f"{group.label!r}; let one of them match it"
                    )
    return found


def _read(entry: Optimizer, pattern: object, given: Mapping[str, object], blocks: Blocks) -> Group:
    members = tuple(place for place, name in enumerate(blocks.names) if fnmatchcase(name, str(pattern)))
    if not members:
        names = ", ".join(blocks.names[:LISTED]) + (", …" if len(blocks.names) > LISTED else "")
        raise InputError(f"groups: {shown(pattern)} matches no parameter; they are {names or 'without names'}")
    known = numbers_of(entry)
    values = {}
    for name, value in given.items():
        if name not in known:
            why = "; eta_factor is a factor of it" if name in ("eta", "lr", "learning_rate") else ""
            listed = ", ".join(known) + (why or suggestion(name, tuple(known)))
            raise InputError(
                f"groups: {pattern!r}: {entry.name} has no number {name!r} to differ; choose from {listed}"
            )
        values[name] = known[name].read(value)
    return Group(str(pattern), members, tuple(sorted(values.items())))


def numbers_of(entry: Optimizer) -> dict[str, Parameter]:
    """What may differ between groups, by name."""
    own = {one.name: one for one in entry.parameters if one.kind in ("number", "share")}
    return {**own, FACTOR.name: FACTOR}


@lru_cache(maxsize=64)
def grouped(entry: Optimizer, groups: tuple[Group, ...], blocks: Blocks) -> Optimizer:
    """The rule in which numbers differ by group; each is a parameter of its own, ``decay[*bias]``, at its value.

    The same object for the same groups.  Without groups it is the rule itself.
    """
    known, own, begin = numbers_of(entry), {}, entry.initial
    #: Of each number that differs, what it is called in each block.
    names: dict[str, list[str]] = {}
    for group in groups:
        for name, value in group.values:
            called = f"{name}[{group.label}]"
            own[called] = _named(known[name], called, value)
            for member in group.members:
                names.setdefault(name, [name] * len(blocks.shapes))[member] = called
    if not own:
        return entry
    exact = not entry.step.__module__.startswith("eomsym.")
    kinds = [tuple(places) for places in zip(*names.values(), strict=True)]

    def alone(values: Mapping[str, Any], calls: Sequence[str]) -> dict[str, Any]:
        """The numbers of the rule in one kind of block."""
        numbers = {FACTOR.name: 1, **values}
        theirs = {name: numbers[call] for name, call in zip(names, calls, strict=True)}
        return {name: value for name, value in {**values, **theirs}.items() if name not in own}

    def step(gradient: Slope, state: Arrays, eta: Any, **values: Any) -> Arrays:
        numbers, masks = {FACTOR.name: 1, **values}, Masks(blocks, state[0], exact)
        together = {
            name: sum(numbers[call] * masks.at([other == call for other in calls]) for call in dict.fromkeys(calls))
            for name, calls in names.items()
        }
        rest = {name: value for name, value in values.items() if name not in own}
        return entry.run(gradient, state, eta * together.pop(FACTOR.name, 1), **{**rest, **together})

    def initial(gradient: Slope, theta: Any, **values: Any) -> Arrays:
        """Of each kind of block by itself, as what a memory begins with may be chosen by a number."""
        masks, parts = Masks(blocks, theta, exact), []
        for calls in dict.fromkeys(kinds):
            numbers = {name: value for name, value in alone(values, calls).items() if name != FACTOR.name}
            mask = masks.at([other == calls for other in kinds])
            parts.append([part * mask for part in entry.initial_state(theta, gradient, **numbers)[1:]])
        return tuple(sum(others, first) for first, *others in zip(*parts, strict=True))

    return replace(
        entry,
        name=f"{entry.name} by group",
        step=step,
        initial=None if begin is None else initial,
        parameters=(*entry.parameters, *own.values()),
        fields=lambda **values: entry.fields(**_without(values, own)),
        steps=lambda **values: entry.steps(**_without(values, own)),
        options=(),
        form=None,
        plain=entry.plain or entry,
        blocks=blocks,
        grouped=True,
    )


@dataclass(frozen=True)
class Part:
    """A rule that moves the arrays with these numbers, at ``factor`` times the learning rate."""

    label: str
    members: tuple[int, ...]
    optimizer: Optimizer
    factor: Fraction


def composed(parts: tuple[Part, ...], blocks: Blocks) -> Optimizer:
    """The rule in which each part moves its own arrays, and arrays of none stay.

    All parts see the gradient of all arrays, and have a memory of all; at θ it is taken once.
    """
    every = [(part, one, f"{one.name}[{part.label}]") for part in parts for one in part.optimizer.parameters]

    def each(values: Mapping[str, Any]) -> Iterator[tuple[Part, dict[str, Any]]]:
        for part in parts:
            yield part, {one.name: values[name] for owner, one, name in every if owner is part}

    def step(gradient: Slope, state: Arrays, eta: Any, **values: Any) -> Arrays:
        theta, *memory = state
        slope, masks = gradient(theta), Masks(blocks, theta)

        def once(point: Any, field: int = 0) -> Any:
            return slope if point is theta else gradient(point, field)

        moved = theta * masks.at([not any(place in part.members for part in parts) for place in range(masks.count)])
        after: list[Any] = []
        for part, own in each(values):
            before = memory[len(after) :][: len(part.optimizer.memory)]
            rate = eta * number_for(theta, part.factor)
            there, *rest = part.optimizer.run(once, (theta, *before), rate, **own)
            moved = moved + there * masks.at([place in part.members for place in range(masks.count)])
            after += rest
        return moved, *after

    def initial(gradient: Slope, theta: Any, **values: Any) -> Arrays:
        begun = [part.optimizer.initial_state(theta, gradient, **own)[1:] for part, own in each(values)]
        return tuple(chain.from_iterable(begun))

    text = repr([(part.optimizer.name, part.members, part.factor) for part in parts])
    return Optimizer(
        name=f"composed-{hashlib.sha256((text + repr(blocks)).encode()).hexdigest()[:12]}",
        summary=f"{len(parts)} rules, each of arrays of its own",
        step=step,
        initial=initial,
        parameters=tuple(_named(one, name, one.usual()) for _, one, name in every),
        memory=tuple(f"{name}[{part.label}]" for part in parts for name in part.optimizer.memory),
        blocks=blocks,
        grouped=True,
    )


def places_of(optimizer: Any, blocks: Blocks, arrays: Sequence[Any]) -> list[tuple[int, ...]]:
    """Which blocks each group of a ``torch.optim`` object has, and which none has, by identity with ``arrays``.

    Parameters that are none of the blocks are left out, as frozen ones are.  Where none is one of them, they are known
    by their shapes, no two of which may be the same.  Raises ``InputError`` where they do not fit.
    """
    theirs = [list(group["params"]) for group in optimizer.param_groups]
    numbers = {id(array): number for number, array in enumerate(arrays)}
    if not any(id(one) in numbers for group in theirs for one in group):
        every = {tuple(one.shape): one for group in theirs for one in group}
        if sorted(every) != sorted(blocks.shapes) or sum(map(len, theirs)) > len(every):
            raise InputError("groups: the optimizer's parameters are other arrays; make it for these")
        numbers = {id(every[shape]): number for number, shape in enumerate(blocks.shapes)}
    found = [tuple(numbers[id(one)] for one in group if id(one) in numbers) for group in theirs]
    held = set(range(len(blocks.shapes))).difference(*found)
    return [*found, tuple(sorted(held))]


def _named(parameter: Parameter, name: str, value: Fraction) -> Parameter:
    label = name[name.index("[") :]
    return replace(parameter, name=name, symbol=f"{parameter.symbol}{label}", default=value, trial=None, brought_by=())


def _without(values: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


class Masks:
    """1 in some blocks and 0 elsewhere: in a trace a coefficient, and an array of the library that ``theta`` is of.

    ``exact`` is for a step function of the user's own, in which exact numbers may stand.
    """

    def __init__(self, blocks: Blocks, theta: Any, exact: bool = False) -> None:
        self._theta, self._sizes, self._exact = theta, blocks.sizes, exact
        self.count = len(self._sizes)
        size = getattr(theta, "shape", (blocks.size,))[-1]
        if size != blocks.size:
            raise InputError(f"groups: of {blocks.size} parameters, and theta has {size}; give those of this model")

    def at(self, places: Sequence[bool]) -> Any:
        """The mask of these blocks."""
        theta, numbers = self._theta, list(map(int, places))
        if hasattr(theta, "builder"):
            return blockwise(numbers, self._sizes)
        import numpy as np

        from eomsym.optimizers.floats import Floats

        array = np.repeat(np.array(numbers, dtype=float), self._sizes)
        if hasattr(theta, "new_tensor"):  # PyTorch's
            return theta.new_tensor(array)
        if isinstance(theta, np.ndarray):
            return array.view(Floats) if self._exact else array
        return array.astype(getattr(theta, "dtype", array.dtype))
