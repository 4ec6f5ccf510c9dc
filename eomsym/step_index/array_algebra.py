"""Vectors of arrays of any library: a model's gradient as an array program, along all nodes at once.

Values are lists, one for each array of parameters, of lists of arrays, one for each node; what is the same at every
node, as all is at order 0, may be there once.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

from eomsym.array_series.check import Watch, check_finite_rows
from eomsym.array_series.machine import Backend, Machine, combined, total
from eomsym.array_series.program import FlatProgram
from eomsym.errors import InputError
from eomsym.optimizers import Coefficient, UpdateRule, number
from eomsym.step_index.layout import NodeLayout, layout_of, spread_tables
from eomsym.step_index.solver import NodeAlgebra, solve, solve_slow
from eomsym.step_index.tables import Matrix

Arrays = list[Any]

#: How far two sums of gradients over the same samples may be from each other: this power of the precision.
SAME = 0.5


@dataclass(frozen=True)
class Share:
    """What is added to a g: ``weight`` times that of each of ``count`` batches of data.

    ``program`` has the arrays of parameters as arguments, then those of a batch; ``batches`` are these with one more
    axis, the first.  ``gradient`` is the library's own, of the same arguments.
    """

    program: FlatProgram
    gradient: Callable[..., Arrays]
    batches: tuple[Any, ...] = ()
    count: int = 1
    weight: float = 1.0

    def first(self) -> list[Any]:
        """The first batch."""
        return [array[0] for array in self.batches]


class _Along:
    """A g along a point whose levels come one after the other.

    Of many batches no more is kept than their sum: each level is made with all below it again.
    """

    def __init__(
        self,
        shares: Sequence[Share],
        layout: NodeLayout,
        backend: Backend,
        watch: Watch | None,
        others: Sequence[Sequence[Share]] = (),
    ) -> None:
        self._shares, self._layout, self._backend, self._watch = shares, layout, backend, watch
        self._others = others
        self._point: list[Arrays] = []
        self._machine: Machine | None = None

    def __call__(self, point: Arrays) -> Arrays:
        level = len(self._point)
        count = self._layout.rows(level)
        self._point.append(
            [(count * value if len(value) == 1 else value)[:count] if level else value[0] for value in point]
        )
        found = self._total(level)
        if level == 0 and self._watch is not None:
            self._watch.begun(self._machine or self._started(*self._firsts[0]), found, self._own)
            for others in self._others:
                found = compared(found, others, self._point[0], self._backend)
        rows = found if level else [[value] for value in found]
        held = None if self._watch is None else self._watch.held
        return rows if held is None else [self._still(*pair) for pair in zip(rows, held, strict=True)]

    def _still(self, rows: list[Any], held: Any) -> list[Any]:
        """The rows of a parameter, 0 where it is held."""
        return [self._backend.where(held, self._backend.zeros(row), row) for row in rows]

    def finish(self) -> None:
        """Has the watch look at what was made: at the first of many batches."""
        if self._watch is None or not self._watch.looks or not all(map(self._backend.concrete, self._seen())):
            return
        for share, data in self._firsts:
            machine = self._machine or self._started(share, data)
            self._watch.done(machine, partial(_bound, share.gradient, data))

    def _seen(self) -> list[Any]:
        return [*self._point[0], *(row for level in self._point[1:] for rows in level for row in rows)]

    @property
    def _firsts(self) -> list[tuple[Share, list[Any]]]:
        return [(share, share.first()) for share in self._shares]

    def _total(self, level: int) -> Arrays:
        if len(self._shares) == self._shares[0].count == 1:
            if self._machine is None:
                self._machine = self._started(*self._firsts[0])
            else:
                self._machine.advance(level, self._point[level])
            return self._machine.outputs(level)

        def made(share: Share) -> Callable[..., Arrays]:
            return lambda *data: [row for rows in self._started(share, data).outputs(level) for row in rows]

        if level == 0:
            return self._sum(lambda share: lambda *data: self._started(share, data).outputs(0))
        found, rows = self._sum(made), self._layout.rows(level)
        return [found[place : place + rows] for place in range(0, len(found), rows)]

    def _own(self, values: Arrays) -> Arrays:
        """The library's."""
        return self._sum(lambda share: lambda *data: share.gradient(*values, *data))

    def _sum(self, made: Callable[[Share], Callable[..., Arrays]]) -> Arrays:
        return summed(self._shares, made, self._backend)

    def _started(self, share: Share, data: Sequence[Any]) -> Machine:
        """A machine that has come as far as the point is known."""
        machine = Machine(share.program, self._point[0], self._layout, self._backend, list(data))
        for level, values in enumerate(self._point[1:], 1):
            machine.advance(level, values)
        return machine


def summed(shares: Sequence[Share], made: Callable[[Share], Callable[..., Arrays]], backend: Backend) -> Arrays:
    """The sum over all batches of what a function of each returns, which is made for each kind."""
    parts = []
    for share in shares:
        function = made(share)
        found = backend.accumulate(function, share.batches) if share.count > 1 else function(*share.first())
        parts.append(found if share.weight == 1 else [share.weight * value for value in found])
    return [total(column) for column in zip(*parts, strict=True)]


def compared(found: Arrays, others: Sequence[Share], point: Arrays, backend: Backend) -> Arrays:
    """g, if it is that of other batches of the same samples.  Raises ``InputError``, or g is NaN (``check_same``)."""

    def with_sizes(share: Share) -> Callable[..., Arrays]:
        def both(*data: Any) -> Arrays:
            slopes = share.gradient(*point, *data)
            return [*slopes, *map(abs, slopes)]

        return both

    made = summed(others, with_sizes, backend)
    sizes = [size.max() for size in made[len(found) :] if 0 not in size.shape]
    largest = reduce(lambda one, other: backend.where(one > other, one, other), sizes)
    return check_same(found, made[: len(found)], largest, backend)


def check_same(found: Arrays, others: Arrays, largest: Any, backend: Backend) -> Arrays:
    """g, if it is the same as ``others``.  Raises ``InputError``; where that cannot be looked at, g is NaN then."""
    pairs = zip(found, others, strict=True)
    holds = [(abs(one - other) <= largest * backend.precision(one) ** SAME).all() for one, other in pairs]
    same = reduce(operator.and_, holds)
    if not backend.concrete(same):
        return [backend.where(same, one, one + math.nan) for one in found]
    if not bool(same):
        raise InputError(
            "loss_fn: not a mean over samples, so that it cannot be taken in batches: the gradient of some is not the "
            "mean of those of their parts; divide by their number, not by that of tokens or weights, leave out what "
            "they share, such as batch norm in training, or give no batch_size"
        )
    return found


def _bound(gradient: Callable[..., Arrays], data: Sequence[Any], values: Arrays) -> Arrays:
    return gradient(*values, *data)


class ArrayAlgebra(NodeAlgebra):
    """Vectors at one point, ``arguments``; ``models`` are what each field's g is the sum of.

    ``memory`` has the other slow states.
    """

    def __init__(
        self,
        layout: NodeLayout,
        models: Sequence[Sequence[Share]],
        arguments: Sequence[Any],
        backend: Backend,
        memory: Sequence[Sequence[Any]] = (),
        watch: Watch | None = None,
        others: Sequence[Sequence[Sequence[Share]]] = (),
    ) -> None:
        super().__init__(layout.tables)
        self._layout, self._watch = layout, watch
        self._gradients: list[_Along] = []
        self._models, self._arguments, self._backend = models, list(arguments), backend
        self._others = dict(enumerate(others))
        self._states = [self._arguments, *memory]

    def slow(self, index: int) -> Arrays:
        return [[part] for part in self._states[index]]

    def ones(self) -> Arrays:
        return [[0 * argument + 1] for argument in self._arguments]

    def combine(self, parts: Sequence[tuple[Coefficient, Arrays]]) -> Arrays:
        if not parts:
            return [[self._backend.zeros(argument)] for argument in self._arguments]
        scaled = [values if weight == 1 else self._scaled(number(weight), values) for weight, values in parts]
        return _rowwise(lambda *rows: total(rows), *scaled) if len(scaled) > 1 else scaled[0]

    def _scaled(self, factor: Any, values: Arrays) -> Arrays:
        opposite = isinstance(factor, (int, float)) and factor == -1  # a schedule's factor may be traced
        return _rowwise(lambda row: -row if opposite else factor * row, values)

    def transform(self, matrix: Matrix, values: Arrays) -> Arrays:
        held = [rows * len(matrix[0]) if matrix and len(rows) == 1 else rows for rows in values]
        return [[combined(weights, rows, self._backend) for weights in matrix] for rows in held]

    def summed(self, values: Arrays, level: int) -> Arrays:
        if level == self._layout.last:
            return []  # nothing asks for it
        return self.transform(self._layout.summation(level), values)

    def logarithm(self, values: Arrays, level: int) -> Arrays:
        return self.transform(self._layout.logarithm(level), values)

    def extended(self, values: Arrays, level: int) -> Arrays:
        if level == 0 or self._layout.last is not None:
            return values  # the same everywhere; or nothing else is asked for but the sum
        weights = self._layout.extension(level, len(self.tables.nodes))
        further = self.transform(weights, values)
        return [[*one, *other] for one, other in zip(values, further, strict=True)]

    def gradient(self, field: int) -> Callable[[Arrays], Arrays]:
        shares, others = self._models[field], self._others.pop(field, ())  # compared once
        self._gradients.append(_Along(shares, self._layout, self._backend, self._watch, others))
        return self._gradients[-1]

    def finish(self) -> None:
        """Has the watch look at what was made."""
        for gradient in self._gradients:
            gradient.finish()

    def check_finite(self, rows: Sequence[Arrays]) -> None:
        """Raises ``InputError`` for a row with numbers that are none, where the watch looks and can."""
        looks = self._watch is not None and self._watch.looks
        if looks and all(self._backend.concrete(value) for row in rows for value in row):
            check_finite_rows(rows)

    def multiply(self, left: Arrays, right: Arrays) -> Arrays:
        return _rowwise(lambda a, b: a * b, left, right)

    def divide(self, numerator: Arrays, denominator: Arrays) -> Arrays:
        return _rowwise(lambda a, b: a / b, numerator, denominator)

    def below_root(self, rest: Arrays, root: Arrays) -> Arrays:
        if self._watch is None or not self._watch.holds:
            return self.divide(rest, root)
        return _rowwise(lambda a, b: a / (b + ((a == 0) & (b == 0))), rest, root)

    def root(self, argument: Arrays) -> Arrays:
        return _rowwise(self._backend.seeds["sqrt"], argument)


def _rowwise(function: Callable[..., Any], *values: Arrays) -> Arrays:
    """At every node; what is the same at all is there once."""
    found = []
    for parts in zip(*values, strict=True):
        places = range(max(map(len, parts)))
        found.append([function(*(rows[place if len(rows) > 1 else 0] for rows in parts)) for place in places])
    return found


def array_whole_terms(
    rule: UpdateRule,
    models: Sequence[Sequence[Share]],
    states: Sequence[Sequence[Any]],
    terms: int,
    backend: Backend,
    watch: Watch | None = None,
) -> list[list[Arrays]]:
    """Rows ``f̃_0, …, f̃_{terms−1}`` of the field of the whole state, θ first; all of a rule's states are slow."""
    theta, *memory = states
    algebra = ArrayAlgebra(NodeLayout(spread_tables(rule, terms)), models, theta, backend, memory, watch)
    solved = solve_slow(rule, algebra, terms)
    algebra.finish()
    rows = [[[value[0] for value in field] for field in row] for row in solved]
    algebra.check_finite([[value for field in row for value in field] for row in rows])
    return rows


def array_counterterms(
    rule: UpdateRule,
    models: Sequence[Sequence[Share]],
    arguments: Sequence[Any],
    terms: int,
    backend: Backend,
    watch: Watch | None = None,
    steps: int = 1,
    others: Sequence[Sequence[Sequence[Share]]] = (),
) -> list[Arrays]:
    """``−f̃_0, …, −f̃_{terms−1}`` where the models are each field's g at θ: of descent g, ξ_0, ξ_1, …

    ``steps`` is how many step sizes of time a step of the rule takes; ``others`` are each model in other batches, with
    which its g is compared.  Each row is a list of arrays.
    """
    seen = watch is not None and watch.looks and all(map(backend.concrete, arguments))
    algebra = ArrayAlgebra(layout_of(rule, terms, seen), models, arguments, backend, watch=watch, others=others)
    fields = solve(rule, algebra, terms)[::-1]
    algebra.finish()
    rows = []
    while fields:  # one after the other, so that not all are there twice
        rows.append([-value[0] if steps == 1 else value[0] * (-1 / steps) for value in fields.pop()])
    algebra.check_finite(rows)
    return rows


def listed_models(loss_fn: Any, field: Any) -> list[tuple[Any, Any]]:
    """``(loss, None)`` or ``(None, field)`` for each of what is given: one, or a list that is visited in order."""
    given = loss_fn if field is None else field
    parts = list(given) if isinstance(given, (list, tuple)) else [given]
    if not parts or (isinstance(given, (list, tuple)) and loss_fn is not None and field is not None):
        raise InputError("loss_fn: give a loss or a list of them, or None and field=, not both; and at least one")
    return [(part, None) if field is None else (loss_fn, part) for part in parts]


def modified_field(rows: Sequence[Any], eta: Any, tree_map: Callable[..., Any], like: Callable[..., Any]) -> Any:
    """``−Σ_k η^k rows[k]`` of trees of arrays; ``like(array, part)`` gives a sum the type of a part."""
    total = rows[-1]
    for row in rows[-2::-1]:
        total = tree_map(lambda sum_, part: like(part + eta * sum_, part), total, row)
    return tree_map(lambda part: -part, total)


def gradient_of(
    loss_fn: Callable[[Any], Any] | None, field: Callable[[Any], Any] | None, grad: Callable[..., Any]
) -> Callable[[Any], Any]:
    """g as a function of the parameters: of a loss by the library's ``grad``, or given.  Raises ``InputError``."""
    if (loss_fn is None) == (field is None):
        raise InputError("loss_fn: give a loss, or None and field=, a function that maps params to g; not both")
    found = grad(loss_fn) if field is None else field
    if not callable(found):
        raise InputError(f"field {field!r}: give a function that maps params to g")
    return found


def check_like(structure: Any, expected: Any, found: Sequence[Any], params: Sequence[Any]) -> None:
    """Raises ``InputError`` unless what a vector field returned has the structure and the shapes of the parameters."""
    if structure != expected or [value.shape for value in found] != [value.shape for value in params]:
        shapes = ", ".join(str(tuple(value.shape)) for value in found)
        raise InputError(f"field: returned arrays of shapes {shapes or 'none'}; return what params look like")
