"""The primitives of an optax update, one by one: numbers folded, steps counted, all else as a list of operations."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np

from eomsym.arrays.program import FlatProgram, Instruction
from eomsym.errors import InputError
from eomsym.jax.sides import JUMPS
from eomsym.jax.tracing import flatten
from eomsym.optimizers import sqrt
from eomsym.optimizers.variants import WHY_NOT_BY_VALUE


@dataclass(frozen=True)
class Number:
    """A number that stands in the update."""

    value: float


@dataclass(frozen=True)
class Count:
    """The number of the step, counted from 0, and some more."""

    ahead: int


@dataclass(frozen=True)
class First:
    """True in the first step only."""


#: A place, whose value is computed in each step, or what is known of it before.
Operand = int | Number | Count | First


@dataclass(frozen=True)
class Operation:
    """``result = name(operands)``."""

    name: str
    operands: tuple[Operand, ...]
    result: int


@dataclass(frozen=True)
class Memory:
    """A state beside θ: its place, its value in the next step, its start, and whether it is one number for all."""

    name: str
    place: int
    following: Operand
    start: float
    shared: bool = False


@dataclass(frozen=True)
class Program:
    """An update as operations on places, of which 0 is θ and 1 its gradient.

    ``first`` has, for memories that start with a value of the first step, their place, the value's, and how many
    operations it needs.
    """

    operations: tuple[Operation, ...]
    direction: Operand
    memory: tuple[Memory, ...]
    first: tuple[tuple[int, Operand, int], ...]

    @property
    def shares(self) -> list[float]:
        """Every b with ``memory ← b memory + …``, once."""
        made = {operation.result: operation for operation in self.operations}
        found = []
        for memory in self.memory:
            parts = [memory.following]
            for part in parts:  # it grows
                operation = made.get(part)  # type: ignore[arg-type]
                if operation is not None and operation.name in ("add", "sub"):
                    parts += operation.operands
                elif operation is not None and operation.name == "mul" and memory.place in operation.operands:
                    found += [factor.value for factor in operation.operands if isinstance(factor, Number)]
        return list(dict.fromkeys(share for share in found if 0 < share < 1))

    @property
    def numbers(self) -> list[float]:
        """Every number that is no integer, without its sign, once."""
        operands = [part for operation in self.operations for part in operation.operands]
        sizes = [abs(part.value) for part in operands if isinstance(part, Number)]
        return list(dict.fromkeys(size for size in sizes if size != int(size)))


def _integer_power(value: Any, exponent: int) -> Any:
    return value**exponent if exponent > 0 else 1 / value**-exponent if exponent else 0 * value + 1


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -1 * a,
    "sqrt": lambda a: math.sqrt(a) if isinstance(a, float) else sqrt(a),
    "integer_pow": _integer_power,
}
_SAME = ("convert_element_type", "copy", "copy_p", "broadcast_in_dim", "stop_gradient")
_JUMPS, _KINK = "jumps, so that the step has no derivative", "has a kink, where the step has no derivative"
_MIXES = "mixes parameters, and a rule treats each alike"
_REASONS = {
    **dict.fromkeys(("sign", "round", "floor", "ceil", "lt", "le", "gt", "ge", "eq", "ne", "select_n"), _JUMPS),
    **dict.fromkeys(("max", "min", "abs", "clamp"), _KINK),
    **dict.fromkeys(("reduce_sum", "reduce_max", "reduce_min", "reduce_and", "dot_general", "sort", "argmax"), _MIXES),
    **dict.fromkeys(("random_bits", "random_seed", "random_wrap", "random_unwrap", "random_split"), "is noise"),
}
_SCHEDULE = "depends on the number of the step, as a schedule does, and not by b**count"
_NO_RATE = "is not -lr times something, with one number lr other than 1, so that no learning rate can be split off"


def refuse(what: str, reason: str = "") -> NoReturn:
    """Raises ``InputError`` for an operation, or for ``what``."""
    reason = reason or _REASONS.get(what, "is none of + - * / sqrt and integer powers")
    instead = "" if what in JUMPS else ", or follow the run itself (optax_state)"
    raise InputError(f"optax: {what} {reason}; take another transformation{instead}")


def read_program(transformation: Any, params: Any) -> tuple[Program, float]:
    """The program of an update for ``params``, one array, and its learning rate.  Raises as ``from_optax`` does."""
    (made,) = read_programs(transformation, params)
    if made is None:
        refuse("update", _NO_RATE)
    return made


def read_programs(transformation: Any, params: Any) -> list[tuple[Program, float] | None]:
    """The same for each leaf of ``params``; None where the leaf stays what it is.  Raises as ``from_optax`` does."""
    if not all(callable(getattr(transformation, name, None)) for name in ("init", "update")):
        kind = type(transformation).__name__
        raise InputError(f"optax: {kind} has no init and update; give a transformation such as optax.adam(0.1)")
    leaves, shape = jax.tree.flatten(params)
    count = len(leaves)

    def update(*parts: Any) -> list[Any]:
        slope, point = (jax.tree.unflatten(shape, part) for part in (parts[:count], parts[count : 2 * count]))
        updates, after = transformation.update(slope, jax.tree.unflatten(structure, parts[2 * count :]), point)
        if jax.tree.structure(after) != structure:  # type: ignore[operator, unused-ignore]
            raise TypeError("its state changes its structure")
        return jax.tree.leaves((updates, after))

    try:
        state = transformation.init(params)
        memory, structure = jax.tree.flatten(state)
        flat = flatten(update, [*leaves, *leaves, *memory])
    except (TypeError, ValueError, AttributeError, InputError) as error:
        raise InputError(f"optax: its update cannot be traced ({str(error).splitlines()[0]})") from error
    words = [_word(path) for path, _ in jax.tree.leaves_with_path(state)]
    states = [*zip(words, memory, flat.arguments[2 * count :], flat.results[count:], strict=True)]
    return [_read_leaf(flat, states, count, leaf) for leaf in range(count)]


def _word(path: Any) -> str:
    """What a state calls a part of itself, the last name that is none of the parameters' own."""
    named = [entry.name for entry in path if hasattr(entry, "name")]
    return str(named[-1]) if named else jax.tree_util.keystr(path[-1:], simple=True)


def _read_leaf(
    flat: FlatProgram, states: Sequence[tuple[str, Any, int, int]], count: int, leaf: int
) -> tuple[Program, float] | None:
    """The program of what moves one leaf: its update, and the states that this depends on."""
    result = flat.results[leaf]
    own: list[tuple[str, Any, int, int]] = []
    needed = replace(flat, results=(result,)).needed()
    while len(reached := [state for state in states if state[2] in needed]) > len(own):
        own = reached
        needed = replace(flat, results=(result, *(after for *_, after in own))).needed()
    instructions = [part for part in flat.instructions if needed & set(part.outputs)]
    if any(number in needed for place, number in enumerate(flat.arguments[: 2 * count]) if place % count != leaf):
        refuse(next((part.name for part in instructions if _REASONS.get(part.name) == _MIXES), "update"), _MIXES)
    results = [result, *(after for *_, after in own)]
    uses = Counter([*results, *(number for part in instructions for number in part.inputs)])
    reader = _Reader(dict(flat.constants), {flat.arguments[leaf]: 1, flat.arguments[count + leaf]: 0}, uses)
    words = [word for word, *_ in own]
    names = [word if words.count(word) == 1 else f"{word} {place}" for place, word in enumerate(words, 1)]
    checks = [reader.begin(name, *state) for name, (_, *state) in zip(names, own, strict=True)]
    for instruction in instructions:
        reader.known[instruction.outputs[0]] = reader.read(instruction)
    memory = tuple(made for check in checks if (made := check()) is not None) + reader.powers_of()
    direction = reader.operand(result)
    if direction == Number(0):
        return None
    return _without_rate(Program(tuple(reader.operations), direction, memory, tuple(reader.first)))


def _without_rate(program: Program) -> tuple[Program, float]:
    """The program with 1 for −lr, and lr: the negative factor that all of the updates are multiples of."""
    found = []
    for place, operation in enumerate(program.operations):
        rates = [-part.value for part in operation.operands if isinstance(part, Number) and part.value < 0]
        if operation.name == "mul" and rates and _is_factor(program, operation):
            parts = tuple(Number(1) if isinstance(part, Number) else part for part in operation.operands)
            changed = [*program.operations]
            changed[place] = replace(operation, operands=parts)
            found.append((replace(program, operations=tuple(changed)), rates[0]))
    if len(found) != 1 or found[0][1] == 1:
        refuse("update", _NO_RATE)
    return found[0]


def _is_factor(program: Program, scaled: Operation) -> bool:
    """Whether what follows from an operation is linear in its result, the updates among it."""
    linear: set[Operand] = set()
    more: set[Operand] = {scaled.result}
    while more:  # through the memories, too
        linear |= more
        more = {part.result for part in program.operations if not linear.isdisjoint(part.operands)}
        more = (more | {part.place for part in program.memory if part.following in linear}) - linear
    if program.direction not in linear or not linear.isdisjoint(scaled.operands):
        return False
    if any(part.start for part in program.memory if part.place in linear) or any(
        part[0] in linear for part in program.first
    ):
        return False
    return all(_is_linear(part, linear) for part in program.operations if part is not scaled)


def _is_linear(operation: Operation, linear: set[Operand]) -> bool:
    scales = [part in linear for part in operation.operands]
    if operation.name == "mul" and sum(scales) == 1:
        return any(isinstance(part, Number) for part in operation.operands)
    return not any(scales) or (operation.name in ("add", "sub", "neg") and all(scales))


def _uniform(value: Any, what: str) -> float:
    """The number of which an array consists."""
    array = jnp.asarray(value)
    plain = jnp.issubdtype(array.dtype, jnp.number) or array.dtype == jnp.bool_
    if not plain or not array.size or not bool((array == array.ravel()[0]).all() & jnp.isfinite(array).all()):
        refuse(what, "is not one finite number for all parameters, and a rule treats them alike")
    return np.asarray(array).flat[0].item()


@dataclass
class _Reader:
    """What is known of each value of the flat program, by its number, while its instructions are read."""

    constants: dict[int, Any]
    known: dict[int, Operand]
    uses: Counter[int]
    operations: list[Operation] = field(default_factory=list)
    states: dict[int, int] = field(default_factory=dict)
    powers: dict[float, int] = field(default_factory=dict)
    first: list[tuple[int, Operand, int]] = field(default_factory=list)
    places: int = 2
    #: Places that are at least 0, and whether they are above; that a state is has to be shown where it was used.
    signs: dict[int, bool] = field(default_factory=dict)
    signs_used: bool = False

    def place(self) -> int:
        self.places += 1
        return self.places - 1

    def operand(self, number: int) -> Operand:
        if number not in self.known:
            self.known[number] = Number(_uniform(self.constants[number], "a constant array"))
        return self.known[number]

    def begin(self, path: str, leaf: Any, before: int, after: int) -> Callable[[], Memory | None]:
        """What a leaf of the state is; returns the check of it once all is read, which gives the memory that it is."""
        kind = leaf.dtype
        numbers = kind == jnp.bool_ or jnp.issubdtype(kind, jnp.signedinteger)
        own = jnp.issubdtype(kind, jnp.floating) and jnp.ndim(leaf)
        if before != after and not numbers and not own:
            self.known[before] = self.place()
            return partial(refuse, path, "is a state that changes and no memory of each parameter's own")
        start = _uniform(leaf, f"the start of {path}")
        if before == after:
            self.known[before] = Number(start)
            return lambda: None
        if isinstance(start, (bool, int)):
            wanted: Operand = Number(False) if isinstance(start, bool) else Count(start + 1)
            self.known[before] = Count(start) if not isinstance(start, bool) else First() if start else Number(False)
            return lambda: None if self.operand(after) == wanted else refuse(path, "is neither a count nor a number")
        self.known[before] = place = self.place()
        self.states[place] = before
        if start > 0:
            self.signs[place] = True
        return partial(self._memory, path, place, after, start)

    def _memory(self, path: str, place: int, after: int, start: float) -> Memory:
        following = self.operand(after)
        if not isinstance(following, int):
            refuse(path, "is set to a number")
        if self.signs_used and start > 0 and not self.signs.get(following):
            refuse("gt")
        return Memory(path, place, following, start)

    def powers_of(self) -> tuple[Memory, ...]:
        """The memories ``c ← b c`` that b**count became."""
        return tuple(
            Memory(f"share of the start {index}", place, self.emit("mul", Number(base), place), 1, shared=True)
            for index, (base, place) in enumerate(self.powers.items(), 1)
        )

    def read(self, instruction: Instruction) -> Operand:
        name, parts = instruction.name, [self.operand(number) for number in instruction.inputs]
        if name in _SAME:
            return parts[0]
        if name == "select_n" and isinstance(parts[0], Number):
            return parts[1 + int(parts[0].value)]
        if name == "select_n" and isinstance(parts[0], First):
            return self._of_first_step(later=parts[1], at_first=parts[2])
        if instruction.known_as == "clip" and any(isinstance(part, int) for part in parts):
            refuse(
                name, f"{_KINK}: optax.clip {WHY_NOT_BY_VALUE}; take a rule by name with clip_norm, by the norm of all"
            )
        if any(isinstance(part, Count) for part in parts):
            return self._counted(name, *parts)
        if name == "gt" and parts[0] in self.signs and self.signs[parts[0]] and parts[1] == Number(0):
            self.signs_used = True
            return Number(True)
        if name == "rsqrt":
            return self.emit("div", Number(1), self.emit("sqrt", *parts))
        if name in ("square", "integer_pow"):
            return self.emit("integer_pow", parts[0], Number(instruction.params.get("y", 2)))
        return self.emit("add" if name == "add_any" else name, *parts)

    def emit(self, name: str, *parts: Operand) -> Operand:
        """One operation more, or its value if that is a number."""
        if name not in FUNCTIONS or any(isinstance(part, First) for part in parts):
            refuse(name)
        if all(isinstance(part, Number) for part in parts):
            return Number(FUNCTIONS[name](*(part.value for part in parts)))  # type: ignore[union-attr]
        result = self.place()
        self.operations.append(Operation(name, parts, result))
        self._sign(name, parts, result)
        return result

    def _sign(self, name: str, parts: tuple[Operand, ...], result: int) -> None:
        if name == "integer_pow" or (name == "mul" and parts[0] == parts[1]):
            if name == "mul" or parts[1].value % 2 == 0:  # type: ignore[union-attr]
                self.signs[result] = False
        elif name == "add" and all(part in self.signs for part in parts):
            self.signs[result] = any(self.signs[part] for part in parts)  # type: ignore[index]

    def _counted(self, name: str, *parts: Operand) -> Operand:
        match name, *parts:
            case "add", Count(ahead), Number(int(more)):
                return Count(ahead + more)
            case "lt", Count(), Number(int(bound)) if bound >= 2**31 - 1:
                return Number(True)  # it would take that many steps
            case "eq", Count(0), Number(0):
                return First()
            case "pow", Number(base), Count(ahead) if 0 < base < 1:
                value: Operand = self.powers.setdefault(base, self.places)
                self.places += value == self.places
                for _ in range(ahead):
                    value = self.emit("mul", Number(base), value)
                return value
        refuse(name, _SCHEDULE)

    def _of_first_step(self, later: Operand, at_first: Operand) -> Operand:
        """Two values, one for the first step: a state, or x less a state, which is to start so that they agree."""
        made = next((entry for entry in self.operations if entry.result == later and entry.name == "sub"), None)
        state = later if made is None else made.operands[1]
        if state not in self.states or self.uses[self.states[state]] > 1:
            refuse("select_n", "makes the first step another one than the rest")
        value = at_first if made is None else self.emit("sub", made.operands[0], at_first)
        self.first.append((state, value, len(self.operations)))
        return later
