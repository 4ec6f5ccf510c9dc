"""On which side of its kinks an optax transformation is: its update is traced, and what jumps or kinks is looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eomsym.arrays.program import FlatProgram, Instruction
from eomsym.dynamics.sides import refuse_jump, refuse_kept
from eomsym.errors import InputError
from eomsym.jax.rules import BACKEND, CHOICES, KINKS
from eomsym.jax.tracing import flatten

#: Their values jump from one piece to the next, and their derivative does not show where.
JUMPS = CHOICES | {"rem"}


def update_sides(
    optimizer: Any, values: Any, state: Any
) -> tuple[tuple[str, ...], Callable[[Any, Any, Any], list[Any]]] | None:
    """Returns names of the update's kinks, and ``(gradient, state, values) →`` the side of each, one array a kink.

    Only what depends on the gradient or the parameters counts: a switch at a number of steps is none.  None where there
    is no kink.  Raises ``InputError`` for what jumps, such as a sign, for a memory that is the maximum of itself and
    something new, and for an update that cannot be traced.
    """
    leaves, structure = jax.tree.flatten((values, state, values))

    def update(*parts: Any) -> list[Any]:
        return jax.tree.leaves(optimizer.update(*jax.tree.unflatten(structure, parts)))

    try:
        program = flatten(update, leaves)
    except InputError as error:
        reason = str(error).partition(":")[2].split(";")[0].strip()
        raise InputError(f"optimizer: {reason} in its update, which cannot be looked into; take one without") from error
    count = len(jax.tree.leaves(values))
    memory = list(zip(program.arguments[count:-count], program.results[count:], strict=True))
    moving = _moving(program, {*program.arguments[:count], *program.arguments[-count:]}, memory)
    known, carried = jax.eval_shape(program.values, leaves), program.needed(BACKEND.flat)
    kinks = [part for part in program.wanted if _has_side(part, known, moving, carried)]
    for part in kinks:
        if part.name in JUMPS:
            refuse_jump(part.name)
        if part.name in KINKS and len(moving.intersection(part.inputs)) > 1 and _is_kept(program, part, memory):
            refuse_kept(part.known_as)
    if not kinks:
        return None

    def sides(*trees: Any) -> list[Any]:
        at = program.values(jax.tree.leaves(trees))
        return [_side(part, at, moving) for part in kinks]

    names = (part.known_as if part.name in KINKS else f"comparison {part.name}" for part in kinks)
    return tuple(names), sides


def _moving(program: FlatProgram, arguments: set[int], memory: Sequence[tuple[int, int]]) -> set[int]:
    """What depends on these arguments, through the memories, (before, after), too."""
    moving, more = set[int](), arguments
    while not more <= moving:
        moving = _reached(program, moving | more)
        more = {before for before, after in memory if after in moving}
    return moving


def _reached(program: FlatProgram, numbers: set[int]) -> set[int]:
    """These values and what depends on them within a step."""
    reached = set(numbers)
    for instruction in program.wanted:
        if not reached.isdisjoint(instruction.inputs):
            reached |= set(instruction.outputs)
    return reached


def _is_kept(program: FlatProgram, kink: Instruction, memory: Sequence[tuple[int, int]]) -> bool:
    """Whether a memory goes through the kink into itself."""
    after_kink = _reached(program, set(kink.outputs))
    kept = [before for before, after in memory if after in after_kink]
    return any(not _reached(program, {before}).isdisjoint(kink.inputs) for before in kept)


def _has_side(instruction: Instruction, known: dict[int, Any], moving: set[int], carried: set[int]) -> bool:
    """Whether a result or its derivative jumps where real inputs move, and is ``carried`` by more than comparisons."""
    real = BACKEND.floating
    compared = any(real(known[number]) for number in instruction.inputs if number in moving)
    if instruction.name in KINKS | JUMPS:
        return compared and not carried.isdisjoint(instruction.outputs)
    return compared and not any(real(known[number]) for number in instruction.outputs)


def _side(instruction: Instruction, known: dict[int, Any], moving: set[int]) -> Any:
    """The derivative along a fixed direction, which is constant between kinks; the value of what is no real number."""
    values = [known[number] for number in instruction.inputs]
    tangents = [
        _direction(value, place) if number in moving and BACKEND.floating(value) else None
        for place, (number, value) in enumerate(zip(instruction.inputs, values, strict=True))
    ]
    parts: Sequence[Any] = BACKEND.push(instruction.apply, values, tangents)
    return jnp.concatenate([jnp.ravel(part).astype(float) for part in parts])


def _direction(value: Any, place: int) -> Any:
    """Numbers of which no two are equal, here and at other places, so that another entry's are seen."""
    return jnp.asarray(np.random.default_rng(place).uniform(1, 2, value.shape), value.dtype)
