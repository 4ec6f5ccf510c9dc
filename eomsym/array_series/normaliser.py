"""Softmax and logsumexp by their own equation: the shift of the exponents follows ``log Σ exp z``.

Libraries write both with ``e = exp(z − m)``, ``s = Σ e``, where m is the largest score; with m as it is, e and s are
series that grow like ``(z')^k/k!`` and the quotient loses digits.  What such a program computes does not depend on m,
so coefficients above order 0 of m may be chosen: those of ``log Σ exp z`` make s constant and e/s the softmax p with
``m' = Σ_j p_j z_j'``, ``p_i' = p_i (z_i' − m')``.

That nothing depends on m is proved on the flat program, operation by operation: when m grows by δ a value grows by
``a δ``, or is multiplied by ``e^{a δ}``, or stays; ``Weight`` is one of the first two, with the number of the δ at each
place of the array.  Every value that reaches another operation or a result must stay, otherwise nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eomsym.array_series.machine import Backend, Operand, Rule
from eomsym.array_series.program import FlatProgram, Instruction

#: The operations that this module puts into a program: m, z − m, and s, which does not vary.
SHIFT, SHIFTED, TOTAL = "normaliser", "sub", "total of shares"

MOVES = {
    *("broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose"),
    *("view", "_unsafe_view", "expand", "unsqueeze", "permute", "t"),
}
KEEPS = {"stop_gradient", "copy", "copy_p", "detach", "alias", "clone"}
SUMS = {"reduce_sum", "sum"}
SIGNS = {"add": 1, "add_any": 1, "sub": -1, "mul": 1, "div": -1}
POWERS = {"abs": 1, "square": 2, "reciprocal": -1}
CHOICES = {"select_n", "where"}

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Weight:
    """What δ does to a value: adds ``degree δ``, or multiplies by ``exp(degree δ)``; ``labels`` say which δ where."""

    additive: bool
    degree: int
    labels: Labels


class _Varies(Exception):
    """A value that changes with δ reaches an operation that does not carry the change."""


def with_normalisers(program: FlatProgram, backend: Backend) -> FlatProgram:
    """The program with the shifts of its softmaxes following ``log Σ exp``, where its results do not depend on them."""
    program = program.without_dead()
    tried: set[int] = set()
    while True:
        graph = _Graph(program, backend)
        found = next((new for new in graph.rewritten(tried) if new), None)
        if found is None:
            return program
        program = found


class _Graph:
    """A program with who makes and who uses its values."""

    def __init__(self, program: FlatProgram, backend: Backend) -> None:
        self.program, self.backend = program, backend
        self.carried = program.needed(backend.flat)
        self.maker: dict[int, int] = {}
        self.users: dict[int, list[int]] = {}
        self.zeros = {number for number, value in program.constants.items() if backend.zero(value)}
        for place, instruction in enumerate(program.instructions):
            for number in instruction.inputs:
                self.users.setdefault(number, []).append(place)
            for number in instruction.outputs:
                self.maker[number] = place
            if instruction.name in MOVES | KEEPS and set(instruction.inputs) <= self.zeros:
                self.zeros |= set(instruction.outputs)

    def made_by(self, number: int) -> Instruction | None:
        return self.program.instructions[self.maker[number]] if number in self.maker else None

    def rewritten(self, tried: set[int]) -> Iterator[FlatProgram | None]:
        """One program for each argument of exponentials that are summed, ``None`` where nothing may be changed."""
        for instruction in self.program.instructions:
            argument = instruction.inputs[0] if instruction.name == "exp" else None
            if argument is None or argument in tried or argument not in self.program.shapes:
                continue
            exponentials = [
                self.program.instructions[place].outputs[0]
                for place in self.users[argument]
                if self.program.instructions[place].name == "exp"
            ]
            sums = [
                user
                for number in exponentials
                for user in (self.program.instructions[place] for place in self.users.get(number, ()))
                if user.name in SUMS
            ]
            tried.add(argument)
            if sums:
                yield self._follow(argument, exponentials, sums)

    def _follow(self, argument: int, exponentials: list[int], sums: list[Instruction]) -> FlatProgram | None:
        axes = self._axes(sums[0])
        if any(self._axes(other) != axes for other in sums):
            return None
        with suppress(_Varies):
            if (found := self._with_shift(argument, axes, sums)) is not None:
                return found
        with suppress(_Varies):
            return self._with_new_shift(argument, exponentials, axes, sums)
        return None

    def _axes(self, instruction: Instruction) -> tuple[int, ...]:
        rank = len(self.program.shapes[instruction.inputs[0]])
        given = instruction.params["axes"]
        return tuple(sorted(axis % rank for axis in given)) if given else tuple(range(rank))

    def _with_shift(self, argument: int, axes: tuple[int, ...], sums: list[Instruction]) -> FlatProgram | None:
        """Where the argument is ``z − m`` with one m for each sum; ``None`` where it is something else."""
        difference = self.made_by(argument)
        if difference is None or difference.name != "sub" or difference.params.get("kwargs"):
            return None
        scores, shift = difference.inputs
        while (maker := self.made_by(shift)) is not None and maker.name in MOVES | KEEPS and len(maker.inputs) == 1:
            shift = maker.inputs[0]
        if not {scores, shift} <= self.program.shapes.keys():
            return None
        shape = self.program.shapes[shift]
        numbers = np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)
        weights = self._spread({shift: Weight(True, 1, numbers)})
        if argument not in weights or scores in weights:
            return None
        labels = np.broadcast_to(weights[argument].labels, self.program.shapes[argument])
        if not np.array_equal(labels, np.broadcast_to(_groups(labels.shape, axes), labels.shape)):
            return None
        place = max(self.maker.get(scores, -1), self.maker.get(shift, -1)) + 1
        if min(self.users[shift]) < place:
            return None
        new = self.program.unused
        made = Instruction(SHIFT, lambda z, m: [m], (scores, shift), (new,), {"axes": axes})
        return self._replaced([made], place, shift, new, sums, {new: shape})

    def _with_new_shift(
        self, argument: int, exponentials: list[int], axes: tuple[int, ...], sums: list[Instruction]
    ) -> FlatProgram | None:
        """Where nothing is subtracted, the program is tried with an m of 0."""
        shape = self.program.shapes[argument]
        labels = np.broadcast_to(_groups(shape, axes), shape)
        self._spread({number: Weight(False, -1, labels) for number in exponentials})
        kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
        shift, argued = self.program.unused, self.program.unused + 1
        made = [
            Instruction(SHIFT, lambda z: [0 * z.sum(axes).reshape(kept)], (argument,), (shift,), {"axes": axes}),
            Instruction(SHIFTED, lambda z, m: [z - m], (argument, shift), (argued,)),
        ]
        place = min(place for place in self.users[argument] if self.program.instructions[place].name == "exp")
        return self._replaced(made, place, argument, argued, sums, {shift: kept, argued: shape}, only="exp")

    def _replaced(
        self,
        made: Sequence[Instruction],
        place: int,
        old: int,
        new: int,
        sums: list[Instruction],
        shapes: Mapping[int, tuple[int, ...]],
        only: str | None = None,
    ) -> FlatProgram:
        """``made`` at a place, from where on ``old`` (in operations ``only``) is ``new``, and ``sums`` do not vary."""

        def read(instruction: Instruction) -> Instruction:
            if any(instruction is other for other in sums):
                instruction = replace(instruction, name=TOTAL)
            if only not in {None, instruction.name}:
                return instruction
            return replace(instruction, inputs=tuple(new if number == old else number for number in instruction.inputs))

        before, after = self.program.instructions[:place], self.program.instructions[place:]
        instructions = (*before, *made, *map(read, after))
        return replace(self.program, instructions=instructions, shapes={**self.program.shapes, **shapes})

    def _spread(self, weights: dict[int, Weight]) -> dict[int, Weight]:
        """The weights of all values, from those where it starts.  Raises ``_Varies`` where one does not cancel."""
        waiting = [place for number in weights for place in self.users.get(number, ())]
        heapify(waiting)
        seen: set[int] = set(weights)
        while waiting:
            instruction = self.program.instructions[heappop(waiting)]
            if seen & set(instruction.outputs) or not self.carried & set(instruction.outputs):
                continue  # of what is not carried, order 0 is all that is used
            seen |= set(instruction.outputs)
            weight = self._carried(instruction, weights)
            if weight is not None and weight.degree:
                (number,) = instruction.outputs
                weights[number] = weight
                for user in self.users.get(number, ()):
                    heappush(waiting, user)
        if weights.keys() & set(self.program.results):
            raise _Varies
        return weights

    def _carried(self, instruction: Instruction, weights: Mapping[int, Weight]) -> Weight | None:
        """The weight of an operation's result; ``None`` if it has none."""
        name, given = instruction.name, [weights.get(number) for number in instruction.inputs]
        if name in self.backend.flat and name != TOTAL:
            return None  # it sees order 0 only
        match given:
            case [Weight() as one]:
                return self._of_one(instruction, one)
            case [left, right] if name in SIGNS and not instruction.params.get("kwargs"):
                if name in {"mul", "div"}:
                    return self._joined(left, right, False, SIGNS[name])
                return self._sum_of(left, right, SIGNS[name])
            case [None, *cases] if name in CHOICES:
                return self._chosen(instruction, cases)
        raise _Varies

    def _of_one(self, instruction: Instruction, one: Weight) -> Weight:
        name = instruction.name
        if name in MOVES:
            full = np.broadcast_to(one.labels, self.program.shapes[instruction.inputs[0]])
            return replace(one, labels=self.backend.moved(instruction.apply, full.copy()))
        if name in KEEPS or (name == "neg" and not one.additive):
            return one
        if name in SUMS and not one.additive:
            return self._summed(instruction, one)
        if name == "neg":
            return replace(one, degree=-one.degree)
        if (name, one.additive) in {("exp", True), ("log", False)}:
            return replace(one, additive=not one.additive)
        power = instruction.params.get("y") if name == "integer_pow" else POWERS.get(name)
        if power is None or one.additive:
            raise _Varies
        return replace(one, degree=power * one.degree)

    def _summed(self, instruction: Instruction, one: Weight) -> Weight:
        axes, labels = self._axes(instruction), np.broadcast_to(one.labels, self.program.shapes[instruction.inputs[0]])
        first = labels[tuple(slice(0, 1) if axis in axes else slice(None) for axis in range(labels.ndim))]
        if not np.array_equal(labels, np.broadcast_to(first, labels.shape)):
            raise _Varies
        return replace(one, labels=first.reshape(self.program.shapes[instruction.outputs[0]]))

    def _sum_of(self, left: Weight | None, right: Weight | None, sign: int) -> Weight:
        some = left or right
        assert some is not None
        if some.additive:
            return self._joined(left, right, True, sign)
        if left is None or right is None or (left.additive, left.degree) != (right.additive, right.degree):
            raise _Varies
        return replace(left, labels=_agreed(left.labels, right.labels))

    def _joined(self, left: Weight | None, right: Weight | None, additive: bool, sign: int) -> Weight:
        """Degrees add up."""
        both = [weight for weight in (left, right) if weight is not None]
        if any(weight.additive != additive for weight in both):
            raise _Varies
        degree = (left.degree if left else 0) + sign * (right.degree if right else 0)
        return Weight(additive, degree, _agreed(*(weight.labels for weight in both)))

    def _chosen(self, instruction: Instruction, cases: Sequence[Weight | None]) -> Weight:
        """A choice between values of one weight; 0 has any."""
        some = [case for case in cases if case is not None]
        others = {number for number, case in zip(instruction.inputs[1:], cases, strict=True) if case is None}
        if any((case.additive, case.degree) != (False, some[0].degree) for case in some) or not others <= self.zeros:
            raise _Varies
        return replace(some[0], labels=_agreed(*(case.labels for case in some)))


def _groups(shape: tuple[int, ...], axes: tuple[int, ...]) -> Labels:
    """Numbers of the groups that sums along ``axes`` make, with these axes of length 1."""
    kept = [1 if axis in axes else size for axis, size in enumerate(shape)]
    return np.arange(int(np.prod(kept, dtype=np.int64))).reshape(kept)


def _agreed(*labels: Labels) -> Labels:
    """Labels of arrays that meet in one operation; raises ``_Varies`` where they are not the same."""
    first, *others = np.broadcast_arrays(*labels)
    if any(not np.array_equal(first, other) for other in others):
        raise _Varies
    return first


def shift_rule(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """``m = log Σ exp z`` above order 0, by ``m' = Σ p z'``, ``p' = p (z' − m')``.

    The mean of z is subtracted at each order: what all scores have in common does not cost digits of p.
    """
    scores, axes = series[0], instruction.params["axes"]
    inner = tuple(axis + 1 for axis in axes)
    start = instruction.apply(*(operand[0] for operand in series))[0]
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(scores[0].shape))
    exponentials = backend.seeds["exp"](scores[0] - start.reshape(kept))
    first = exponentials / exponentials.sum(axes, keepdims=True)
    shares: list[Any] = []  # p from order 1 on
    slopes: list[Any] = []  # n z_n without its mean
    changes: list[Any] = []  # n z_n − n m_n

    def convolved(factors: list[Any]) -> Any:
        """``Σ_{n=1}^k factor_n p_{k−n}``."""
        total = first * factors[-1]
        if len(factors) > 1:
            total = total + (backend.stack(factors[:-1]) * backend.stack(shares[::-1])).sum(0)
        return total

    def rule(level: int) -> list[Any]:
        value = scores[level]
        mean = (first * value).sum(inner, keepdims=True)
        slopes.append(level * (value - mean))
        total = convolved(slopes).sum(inner, keepdims=True)
        changes.append(slopes[-1] - total)
        shares.append(convolved(changes) / level)
        return [(mean + total / level).reshape(-1, *start.shape)]

    return rule
