"""From an optax transformation to a rule: its ``update`` is traced once, and what it does becomes a step function.

A transformation is a pair of closures, so that nothing can be read off it.  The primitives of ``update`` on a vector of
three parameters are read one by one: ``+ − * /``, roots and integer powers go into the rule, what kinks, jumps or mixes
parameters is refused by its name.  ``b**count`` becomes a memory ``c ← b c``; the last factor of the updates, −lr, is
the step size.  ``optax_reader`` does the reading.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from eomsym.arrays.library import AllMoving, blocks_of
from eomsym.errors import InputError
from eomsym.exact_numbers import read_rational
from eomsym.jax.flat_model import doubles
from eomsym.jax.library import LIBRARY
from eomsym.jax.optax_reader import FUNCTIONS, Number, Program, read_program, read_programs, refuse
from eomsym.optimizers import Optimizer, Parameter
from eomsym.optimizers.groups import Part, composed

_THETA = np.array([0.3, -0.7, 0.9])
#: The rule is stepped so often beside the transformation before it is handed out.
_STEPS, _CLOSE = 8, 1e-12


def from_optax(transformation: Any, params: Any = None) -> tuple[Optimizer, dict[str, Fraction]]:
    """The rule of an optax transformation and its hyperparameters, as ``(Optimizer, dict)``.

    The learning rate is split off: it is the factor that the updates are scaled with last, ``θ⁺ = θ − lr · direction``,
    and is given as eta.  Other numbers become parameters: ``beta1``, … those that a memory keeps itself with, ``c1``, …
    the rest, each by its shortest decimal.

    With ``params``, the pytree that it is for, it may tell parameters apart, by a mask or ``multi_transform``: the rule
    is then of these arrays (``optimizers.groups.composed``), eta the largest of the rates, and what is set to zero
    stays.

    Raises ``InputError`` that names the operation for what has no rule
    (``sign``, ``max``, sums over parameters, a schedule), and where the last factor is no learning rate.
    """
    entry, values, _ = rule_and_rate(transformation, params)
    return entry, values


def rule_and_rate(transformation: Any, params: Any = None) -> tuple[Optimizer, dict[str, Fraction], float]:
    """The same, with the learning rate that was split off, the largest where there are several."""
    with jax.enable_x64(True):
        if params is not None:
            return _of_leaves(transformation, doubles(params))
        program, rate = read_program(transformation, jnp.asarray(_THETA))
        _check_alike(transformation, program)
        entry = _optimizer(program, rate)
        values = entry.complete({})
        _check(transformation, entry, values, rate, _THETA)
    return entry, values, rate


def _of_leaves(transformation: Any, params: Any) -> tuple[Optimizer, dict[str, Fraction], float]:
    programs = read_programs(transformation, params)
    kinds = [kind for kind in dict.fromkeys(programs) if kind is not None]
    if not kinds:
        refuse("update", "moves nothing")
    largest = max(rate for _, rate in kinds)
    blocks, parts = blocks_of(LIBRARY, params, AllMoving(params)), []
    for program, rate in kinds:
        members = tuple(place for place, one in enumerate(programs) if one == (program, rate))
        factor = read_rational("learning rate", rate) / read_rational("learning rate", largest)
        parts.append(Part(blocks.names[members[0]], members, _optimizer(program, rate), factor))
    alike = len(kinds) == 1 and None not in programs
    entry = parts[0].optimizer if alike else composed(tuple(parts), blocks)
    values = entry.complete({})
    _check(transformation, entry, values, largest, params)
    return entry, values, largest


def _optimizer(program: Program, rate: float) -> Optimizer:
    """The rule, with parameters for its numbers; 1 − share is no number of its own."""
    numbers, shares = program.numbers, program.shares
    rests = {1.0 - share: share for share in shares if 1.0 - share in numbers and 1.0 - share not in shares}
    others = [number for number in numbers if number not in shares and number not in rests]
    names = {number: f"beta{place}" for place, number in enumerate(shares, 1)}
    names |= {number: f"c{place}" for place, number in enumerate(others, 1)}
    runner = _Runner(program, names, rests)
    return Optimizer(
        name=f"optax-{hashlib.sha256(repr(runner).encode()).hexdigest()[:12]}",
        summary=f"an optax transformation of {len(program.operations)} operations, its learning rate {rate!r} being η",
        source="DeepMind, optax",
        parameters=tuple(_parameter(name, number, number in shares) for number, name in names.items()),
        step=runner.step,
        memory=tuple(part.name for part in program.memory),
        initial=runner.initial,
    )


def _parameter(name: str, number: float, share: bool) -> Parameter:
    meaning = "share that a memory keeps of itself" if share else "a number of the transformation"
    kind, supremum = ("share", Fraction(1)) if share else ("number", None)
    return Parameter(name, name, meaning, Fraction(0), supremum, Fraction(repr(number)), kind=kind)


@dataclass(frozen=True)
class _Runner:
    """Runs a program on arrays or symbols: ``names`` are the parameters of its numbers, ``rests`` holds 1 − share."""

    program: Program
    names: Mapping[float, str]
    rests: Mapping[float, float]

    def number(self, value: float, values: Mapping[str, Any]) -> Any:
        size = abs(value)
        if size == int(size):
            return int(value)
        exact = 1 - values[self.names[self.rests[size]]] if size in self.rests else values[self.names[size]]
        return exact if value > 0 else -1 * exact

    def run(self, state: Sequence[Any], slope: Any, values: Mapping[str, Any], count: int | None = None) -> Any:
        """The values at all places after the first ``count`` operations."""
        places = (0, *(part.place for part in self.program.memory))
        known = {1: slope, **dict(zip(places, state, strict=True))}
        for operation in self.program.operations[:count]:
            parts = [
                self.number(part.value, values) if isinstance(part, Number) else known[part]  # type: ignore[index]
                for part in operation.operands
            ]
            known[operation.result] = FUNCTIONS[operation.name](*parts)
        return known

    def step(self, gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any, **values: Any) -> tuple[Any, ...]:
        known = self.run(state, gradient(state[0]), values)
        following = (known[part.following] for part in self.program.memory)
        return state[0] - eta * known[self.program.direction], *following

    def initial(self, gradient: Callable[..., Any], theta: Any, **values: Any) -> tuple[Any, ...]:
        memory = self.program.memory
        state = {part.place: 0 * (theta[:1] if part.shared else theta) + part.start for part in memory}
        for place, operand, count in self.program.first:
            known = self.run((theta, *state.values()), gradient(theta), values, count)
            state[place] = known[operand]
        return tuple(state.values())


def _check_alike(transformation: Any, program: Program) -> None:
    """Decay, say, is often for matrices only, or for all but what is called bias: that is no rule for one vector."""
    vector, matrix = jnp.ones(3), jnp.ones((3, 2))
    for params in (matrix, {"bias": vector}, {"kernel": matrix}):
        other = read_program(transformation, params)[0]
        memory = (replace(mine, name=part.name) for mine, part in zip(other.memory, program.memory, strict=False))
        if replace(other, memory=tuple(memory)) != program:
            refuse("update", "tells parameters apart by shape or name, as a mask does, and a rule treats them alike")


def _check(transformation: Any, entry: Optimizer, values: Mapping[str, Fraction], rate: float, params: Any) -> None:
    """The rule stepped beside the transformation, along gradients that change."""
    numbers = {name: float(value) for name, value in values.items()}
    state, (theta, shaped) = transformation.init(jax.tree.map(jnp.asarray, params)), ravel_pytree(params)

    def gradient(point: Any, field: int = 0) -> Any:
        return np.sin(3 * np.asarray(point)) + 0.4

    ours = entry.initial_state(np.asarray(theta), gradient, **numbers)
    for _ in range(_STEPS):
        updates, state = transformation.update(shaped(jnp.asarray(gradient(theta))), state, shaped(theta))
        theta = theta + ravel_pytree(updates)[0]
        ours = entry.step(gradient, ours, rate, **numbers)
    if not np.allclose(ours[0], theta, rtol=_CLOSE, atol=_CLOSE):
        raise InputError(
            "optax: what was read off is another sequence than the transformation's; take it as optax_state"
        )
