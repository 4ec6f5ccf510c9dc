"""Vectors of arrays of any library: a model's gradient as an array program, along all nodes at once.

Values are lists, one for each array of parameters, of lists of arrays, one for each node; what is the same at every
node, as all is at order 0, may be there once.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from types import MappingProxyType
from typing import Any

from eomsym.arrays.batches import Arrays, BatchGradient, compared, summed
from eomsym.arrays.check import Watch, check_finite_rows, check_gradient
from eomsym.arrays.machine import Backend, Machine, combined, total
from eomsym.arrays.round_off import round_off, tiny
from eomsym.errors import InputError
from eomsym.exact_numbers import Coefficient
from eomsym.optimizers.blockwise import Blockwise
from eomsym.optimizers.maps import Map
from eomsym.optimizers.rule import UpdateRule
from eomsym.optimizers.stepping import number
from eomsym.step_index import solve
from eomsym.step_index.frozen import takes_roots
from eomsym.step_index.solver import Algebra, solve_slow
from eomsym.step_index.tables import FewestRows, Matrix, fewest_rows


class GradientSeries:
    """A g along a point whose levels come one after the other.

    Of many batches no more is kept than their sum: each level is made with all below it again.
    """

    def __init__(
        self,
        batches: Sequence[BatchGradient],
        tables: FewestRows,
        backend: Backend,
        watch: Watch,
        others: Sequence[Sequence[BatchGradient]],
        roots: bool,
    ) -> None:
        self._batches, self._tables, self._backend, self._watch = batches, tables, backend, watch
        self._others, self._roots = others, roots
        #: Where g may be other than 0, if some is round-off; where it was 0 at first, and where it still is.
        self._kept: Arrays = []
        self.zero: Arrays = []
        self.still: Arrays = []
        self._point: list[Arrays] = []
        self._machine: Machine | None = None

    def __call__(self, point: Arrays) -> Arrays:
        level = len(self._point)
        rows = self._tables.rows(level)
        at_rows = [value[:rows] if len(value) > 1 else rows * value for value in point]
        self._point.append(at_rows if level else [value[0] for value in point])
        found = self._total(level)
        if level == 0:
            self._watch.begun(self._machine or self._started(*self._firsts[0]))
            for others in self._others:
                found = compared(found, others, self._point[0], self._backend)
        found = found if level else [[value] for value in found]
        return self._extended(self._without_noise(found, level) if self._roots else found, level)

    def _extended(self, values: Arrays, level: int) -> Arrays:
        """A level of g at all nodes."""
        if level == 0 or self._tables.last is not None:
            return values  # the same everywhere; or nothing else is asked for but the sum
        further = self._tables.further(level, len(self._tables.nodes))
        return [[*rows, *(combined(weights, rows, self._backend) for weights in further)] for rows in values]

    def finish(self) -> None:
        """Has the watch look at what was made: at the first of many batches."""
        seen = [*self._point[0], *(row for level in self._point[1:] for rows in level for row in rows)]
        if not self._watch.looks or not all(map(self._backend.concrete, seen)):
            return
        for batch, data in self._firsts:
            machine = self._machine or self._started(batch, data)
            check_gradient(machine, partial(batch.at, data))

    @property
    def _firsts(self) -> list[tuple[BatchGradient, list[Any]]]:
        return [(batch, batch.first()) for batch in self._batches]

    def _total(self, level: int) -> Arrays:
        if len(self._batches) == self._batches[0].count == 1:
            if self._machine is None:
                self._machine = self._started(*self._firsts[0])
            else:
                self._machine.advance(level, self._point[level])
            return self._machine.outputs(level)

        def made(batch: BatchGradient) -> Callable[..., Arrays]:
            def rows(*data: Any) -> Arrays:
                outputs = self._started(batch, data).outputs(level)
                return [row for values in outputs for row in values] if level else outputs

            return rows

        found, rows = summed(self._batches, made, self._backend), self._tables.rows(level)
        return [found[place : place + rows] for place in range(0, len(found), rows)] if level else found

    def _without_noise(self, found: Arrays, level: int) -> Arrays:
        """A level of g, 0 where it is round-off everywhere; notes where it is 0."""
        if level == 0 and self._watch.looks:
            self._kept = self._looked([value for (value,) in found])
        if self._kept:
            found = [[kept * row for row in rows] for rows, kept in zip(found, self._kept, strict=True)]
        zero = [reduce(operator.and_, [row == 0 for row in rows]) for rows in found]
        self.zero = self.zero or zero
        self.still = list(map(operator.and_, self.still, zero)) if level else zero
        return found

    def _looked(self, found: Arrays) -> Arrays:
        """Where g is no round-off, if anywhere it is; what cannot be looked at is replaced by what can."""
        backend = self._backend
        small = tiny(found, backend)
        if all(map(backend.concrete, small)) and not any(bool(part.any()) for part in small):
            return []
        with backend.looking():
            point = list(map(backend.stand_in, self._point[0]))
            batches = [replace(batch, batches=tuple(map(backend.stand_in, batch.batches))) for batch in self._batches]
            noise, loud = round_off(
                lambda values: summed(batches, lambda batch: partial(batch.gradient, *values), backend), point, backend
            )
            for_sure = loud and all(map(backend.concrete, small))
            told = list(map(operator.and_, small, loud)) if for_sure else loud
            self._watch.hold([int(part.sum()) for part in told], [part.shape for part in told])
        return [~(part & one) for part, one in zip(small, noise, strict=True)] if noise else []

    def _started(self, batch: BatchGradient, data: Sequence[Any]) -> Machine:
        """A machine that has come as far as the point is known."""
        machine = Machine(batch.program, self._point[0], self._tables, self._backend, list(data))
        for level, values in enumerate(self._point[1:], 1):
            machine.advance(level, values)
        return machine


class ArrayAlgebra(Algebra):
    """Vectors at one point, ``states``, θ first; ``models`` are what each field's g is the sum of."""

    def __init__(
        self,
        tables: FewestRows,
        models: Sequence[Sequence[BatchGradient]],
        states: Sequence[Sequence[Any]],
        backend: Backend,
        watch: Watch,
        others: Sequence[Sequence[Sequence[BatchGradient]]] = (),
        roots: bool = False,
        maps: Mapping[Map, BatchGradient] = MappingProxyType({}),
    ) -> None:
        super().__init__(tables)
        self._tables, self._models, self._states, self._backend = tables, models, states, backend
        self._watch, self._others, self._roots, self._maps = watch, dict(enumerate(others)), roots, maps
        self._gradients: list[GradientSeries] = []
        self._images: list[GradientSeries] = []

    def slow(self, index: int) -> Arrays:
        return [[part] for part in self._states[index]]

    def ones(self) -> Arrays:
        return [[0 * argument + 1] for argument in self._states[0]]

    def combine(self, parts: Sequence[tuple[Coefficient, Arrays]]) -> Arrays:
        if not parts:
            return [[self._backend.zeros(argument)] for argument in self._states[0]]
        scaled = [values if weight == 1 else self._scaled(weight, values) for weight, values in parts]
        return _rowwise(lambda *rows: total(rows), *scaled) if len(scaled) > 1 else scaled[0]

    def _scaled(self, weight: Coefficient, values: Arrays) -> Arrays:
        each = list(map(number, weight.values if isinstance(weight, Blockwise) else [weight] * len(values)))
        return [[_times(factor, row) for row in rows] for factor, rows in zip(each, values, strict=True)]

    def transform(self, matrix: Matrix, values: Arrays) -> Arrays:
        repeated = [rows * len(matrix[0]) if matrix and len(rows) == 1 else rows for rows in values]
        return [[combined(weights, rows, self._backend) for weights in matrix] for rows in repeated]

    def gradient(self, field: int) -> Callable[[Arrays], Arrays]:
        batches, others = self._models[field], self._others.pop(field, ())  # compared once
        self._gradients.append(GradientSeries(batches, self._tables, self._backend, self._watch, others, self._roots))
        return self._gradients[-1]

    def image(self, map: Map) -> Callable[..., Arrays]:
        series = GradientSeries([self._maps[map]], self._tables, self._backend, self._watch, (), False)
        self._images.append(series)
        return lambda *arguments: series([rows for argument in arguments for rows in argument])

    def finish(self) -> None:
        """Has the watch look at what was made."""
        for series in (*self._gradients, *self._images):
            series.finish()

    def check_finite(self, rows: Sequence[Arrays]) -> None:
        """Raises ``InputError`` for a row with numbers that are none, where the watch looks and can."""
        if not self._watch.looks or not all(self._backend.concrete(value) for row in rows for value in row):
            return
        for gradient in self._gradients:
            if any(bool((zero & ~still).any()) for zero, still in zip(gradient.zero, gradient.still, strict=True)):
                raise InputError(
                    "params: a component of g is 0 there, and not around, where a root or quotient of the optimizer "
                    "has no derivative; take other params, or a rule with epsilon inside the root"
                )
        check_finite_rows(rows)

    def multiply(self, left: Arrays, right: Arrays) -> Arrays:
        return _rowwise(lambda a, b: a * b, left, right)

    def divide(self, numerator: Arrays, denominator: Arrays) -> Arrays:
        return _rowwise(lambda a, b: a / b, numerator, denominator)

    def below_root(self, rest: Arrays, root: Arrays) -> Arrays:
        """0/0 is 0 where all gradients so far are 0, at every level."""
        still = [[reduce(operator.and_, parts)] for parts in zip(*(one.still for one in self._gradients), strict=True)]
        return _rowwise(lambda a, b, frozen: a / (b + (frozen & (a == 0) & (b == 0))), rest, root, still)

    def root(self, argument: Arrays) -> Arrays:
        return _rowwise(self._backend.seeds["sqrt"], argument)


def _times(factor: Any, row: Any) -> Any:
    opposite = isinstance(factor, (int, float)) and factor == -1  # a schedule's factor may be traced
    return -row if opposite else factor * row


def _rowwise(function: Callable[..., Any], *values: Arrays) -> Arrays:
    """At every node; what is the same at all is there once."""
    found = []
    for parts in zip(*values, strict=True):
        places = range(max(map(len, parts)))
        found.append([function(*(rows[place if len(rows) > 1 else 0] for rows in parts)) for place in places])
    return found


def array_whole_terms(
    rule: UpdateRule,
    models: Sequence[Sequence[BatchGradient]],
    states: Sequence[Sequence[Any]],
    terms: int,
    backend: Backend,
    watch: Watch,
    maps: Mapping[Map, BatchGradient] = MappingProxyType({}),
) -> list[list[Arrays]]:
    """Rows ``f̃_0, …, f̃_{terms−1}`` of the field of the whole state, θ first; all of a rule's states are slow."""
    tables, roots = fewest_rows(rule, terms), takes_roots(rule)
    algebra = ArrayAlgebra(tables, models, states, backend, watch, roots=roots, maps=maps)
    solved = solve_slow(rule, algebra, terms)
    algebra.finish()
    rows = [[[value[0] for value in field] for field in row] for row in solved]
    algebra.check_finite([[value for field in row for value in field] for row in rows])
    return rows


def array_counterterms(
    rule: UpdateRule,
    models: Sequence[Sequence[BatchGradient]],
    arguments: Sequence[Any],
    terms: int,
    backend: Backend,
    watch: Watch,
    steps: int = 1,
    others: Sequence[Sequence[Sequence[BatchGradient]]] = (),
    maps: Mapping[Map, BatchGradient] = MappingProxyType({}),
) -> list[Arrays]:
    """``−f̃_0, …, −f̃_{terms−1}`` where the models are each field's g at θ: of descent g, ξ_0, ξ_1, …

    ``steps`` is how many step sizes of time a step of the rule takes; ``others`` are each model in other batches, with
    which its g is compared; ``maps`` has the program of each map of the rule.  Each row is a list of arrays.
    """
    seen = watch.looks and all(map(backend.concrete, arguments))
    tables, roots = fewest_rows(rule, terms, theta_alone=True, seen=seen), takes_roots(rule)
    algebra = ArrayAlgebra(tables, models, [arguments], backend, watch, others, roots, maps)
    fields = solve(rule, algebra, terms)[::-1]
    algebra.finish()
    rows = []
    while fields:  # one after the other, so that not all are there twice
        rows.append([-value[0] if steps == 1 else value[0] * (-1 / steps) for value in fields.pop()])
    algebra.check_finite(rows)
    return rows
