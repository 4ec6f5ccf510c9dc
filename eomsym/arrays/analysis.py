"""What a flat program is made of, as the kinds of its values tell: what varies, what jumps, the coarsest numbers.

The numbers in the values tell nothing, so that it is found once for arguments of the same kinds, and kept with the
program: no value is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eomsym.arrays.program import FlatProgram, Instruction
from eomsym.errors import InputError

if TYPE_CHECKING:
    from eomsym.arrays.machine import Backend

#: Of floating-point numbers they make what is no such number, but jump on single points only.
EQUALITIES = frozenset(["eq", "isnan", "isinf"])
INEQUALITIES = frozenset(["ne", "is_finite", "isfinite", "logical_not", "not"])
CONJUNCTIONS = frozenset(["logical_and", "bitwise_and", "and"])


@dataclass(frozen=True)
class Analysis:
    """``instructions`` have results that vary: ``varying`` are these and the arguments.

    ``kinks`` are the operations with a kink, by the names that a user knows, and ``coarsest`` is the precision of the
    coarsest numbers in a series, with the name of what made them.
    """

    instructions: tuple[Instruction, ...]
    varying: frozenset[int]
    kinks: tuple[str, ...]
    coarsest: tuple[float, str]


def analysis_of(program: FlatProgram, values: Mapping[int, Any], moving: int, backend: Backend) -> Analysis:
    """Of a program whose first ``moving`` arguments move, by all its values.  Raises ``InputError``."""
    arguments = (values[number] for number in program.arguments)
    kinds = moving, *((tuple(value.shape), value.dtype) for value in arguments)
    if kinds not in program.analyses:
        program.analyses[kinds] = _Analyst(program, values, program.arguments[:moving], backend).found
    return program.analyses[kinds]


class _Analyst:
    """Goes through the instructions in order."""

    def __init__(
        self, program: FlatProgram, values: Mapping[int, Any], arguments: Sequence[int], backend: Backend
    ) -> None:
        self._values, self._backend, needed = {**values}, backend, program.needed()
        self._varying = set(arguments)
        #: What depends on the arguments, by jumps too, and of that what jumps, with the name of the operation.
        self._moving, self._chosen = set(arguments), dict[int, str]()
        #: Conditions that hold nowhere but on single points.
        self._rare: set[int] = set()
        self._kinks = list(program.decisions)
        self._coarsest = max(((backend.precision(values[number]), "params") for number in arguments), default=(0.0, ""))
        self._carried, self._bare = program.needed(backend.flat), program.needed(backend.barriers)
        instructions = [
            instruction
            for instruction in program.instructions
            if needed & set(instruction.outputs) and self._varies(instruction)
        ]
        self._kinks += [self._chosen[number] for number in program.results if number in self._chosen]
        self.found = Analysis(tuple(instructions), frozenset(self._varying), tuple(self._kinks), self._coarsest)

    def _varies(self, instruction: Instruction) -> bool:
        if not self._values.keys() >= set(instruction.outputs):  # what is known came of it once, and may go by its name
            made = instruction.apply(*(self._values[number] for number in instruction.inputs))
            self._values.update(zip(instruction.outputs, made, strict=True))
        floating = [number for number in instruction.outputs if self._backend.floating(self._values[number])]
        moving = any(number in self._moving for number in instruction.inputs)
        self._refuse_complex(instruction, moving)
        self._moving |= set(instruction.outputs) if moving else set()
        carried = self._carried & set(instruction.outputs)
        varying = carried and floating and any(number in self._varying for number in instruction.inputs)
        varies = bool(varying) and instruction.name not in self._backend.flat
        self._note_kinks(instruction, set(floating) if varies else set(), moving)
        if not varies:
            return False
        if instruction.name not in self._backend.rules:
            raise InputError(
                f"loss_fn: the operation {instruction.name!r} has no rule for power series; {self._backend.advice}"
            )
        self._varying |= set(floating)
        precision = max(self._backend.precision(self._values[number]) for number in floating)
        if precision > self._coarsest[0]:
            self._coarsest = precision, instruction.known_as
        return True

    def _refuse_complex(self, instruction: Instruction, moving: bool) -> None:
        if moving and any(self._backend.is_complex(self._values[number]) for number in instruction.outputs):
            raise InputError(
                f"loss_fn: {instruction.known_as!r} makes complex numbers of the parameters, which have no rules; "
                "write real and imaginary parts as arrays of their own, or use lookahead_field"
            )

    def _note_kinks(self, instruction: Instruction, varying: set[int], moving: bool) -> None:
        """Follows what jumps until it meets something that moves: there the derivative jumps."""
        names = [self._chosen[number] for number in instruction.inputs if number in self._chosen]
        joined = instruction.name in CONJUNCTIONS and bool(self._rare & set(instruction.inputs))
        if joined or (moving and not names and instruction.name in EQUALITIES):
            self._rare |= set(instruction.outputs)
            return
        shift = instruction.name in self._backend.shifts and not self._bare & set(instruction.outputs)
        if moving and self._jumps(instruction) and not shift and instruction.origin not in self._backend.smooth:
            names.append(instruction.known_as)
        if names:
            self._chosen |= {number: names[0] for number in instruction.outputs if number not in varying}
            self._kinks += names if varying else []

    def _jumps(self, instruction: Instruction) -> bool:
        """Whether a result or its derivative jumps where inputs move: no number of floating point can do else."""
        if instruction.name in self._backend.kinks | self._backend.choices:
            return True
        real = self._backend.floating
        given = [real(self._values[number]) for number in instruction.inputs if number in self._moving]
        made = [real(self._values[number]) for number in instruction.outputs]
        return any(given) and not any(made) and instruction.name not in INEQUALITIES
