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

#: They compare for equality, and jump on single points only.
EQUALITIES = frozenset(["eq", "ne", "isnan", "isinf", "is_finite", "isfinite", "logical_not", "not"])


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
        #: What depends on the arguments; of that what has series, and what jumps, with the name of the operation.
        self._moving, self._varying, self._chosen = set(arguments), set(arguments), dict[int, str]()
        self._kinks = list(program.decisions)
        self._coarsest = max(((backend.precision(values[number]), "params") for number in arguments), default=(0.0, ""))
        self._carried, self._bare = program.needed(backend.flat), program.needed(backend.barriers)
        wanted = [instruction for instruction in program.instructions if needed & set(instruction.outputs)]
        instructions = tuple([instruction for instruction in wanted if self._varies(instruction)])
        self._kinks += [self._chosen[number] for number in program.results if number in self._chosen]
        self.found = Analysis(instructions, frozenset(self._varying), tuple(self._kinks), self._coarsest)

    def _varies(self, instruction: Instruction) -> bool:
        backend, outputs = self._backend, set(instruction.outputs)
        if not self._values.keys() >= outputs:  # what is known came of it once, and may go by its name
            made = instruction.apply(*(self._values[number] for number in instruction.inputs))
            self._values.update(zip(instruction.outputs, made, strict=True))
        moving = bool(self._moving & set(instruction.inputs))
        if moving and any(backend.is_complex(self._values[number]) for number in outputs):
            raise InputError(
                f"loss_fn: {instruction.known_as!r} makes complex numbers of the parameters, which have no rules; "
                "write real and imaginary parts as arrays of their own, or use lookahead_field"
            )
        self._moving |= outputs if moving else set()
        varying = {number for number in outputs if backend.floating(self._values[number])}
        if instruction.name in backend.flat or not (
            self._carried & outputs and self._varying & set(instruction.inputs)
        ):
            varying = set()
        self._note_kinks(instruction, varying, moving)
        if not varying:
            return False
        if instruction.name not in backend.rules:
            raise InputError(
                f"loss_fn: the operation {instruction.name!r} has no rule for power series; {backend.advice}"
            )
        self._varying |= varying
        precision = max(backend.precision(self._values[number]) for number in varying)
        if precision > self._coarsest[0]:
            self._coarsest = precision, instruction.known_as
        return True

    def _note_kinks(self, instruction: Instruction, varying: set[int], moving: bool) -> None:
        """Follows what jumps until it meets something that moves: there the derivative jumps."""
        names = [self._chosen[number] for number in instruction.inputs if number in self._chosen]
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
        compared = any(real(self._values[number]) for number in instruction.inputs if number in self._moving)
        made = any(real(self._values[number]) for number in instruction.outputs)
        return compared and not made and instruction.name not in EQUALITIES
