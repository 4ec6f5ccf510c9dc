"""Vectors of ring elements: any model that is written out as a program, in as many digits as the ring has.

References, certificates and closed forms come from here.  Values are lists, node by node, of lists of components.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from eomsym.optimizers import Coefficient, Field, UpdateRule
from eomsym.series.program import Program
from eomsym.series.rings import ProgramRun, Ring
from eomsym.step_index.nodes import small_nodes
from eomsym.step_index.solver import Algebra, solve
from eomsym.step_index.tables import Matrix, Tables

Row = list[Any]


class RingAlgebra(Algebra):
    """Vectors at one ``point``, a list of ring elements.

    ``programs`` has one entry for each field of the rule, the program of a loss or of a vector field; ``fields`` says
    what players make of its gradient.
    """

    def __init__(
        self,
        tables: Tables,
        programs: Sequence[Program],
        point: Sequence[Any],
        parameters: Sequence[Any],
        ring: Ring,
        fields: Sequence[Field],
    ) -> None:
        super().__init__(tables)
        self._programs, self._fields, self._ring = programs, fields, ring
        self._point, self._parameters = list(point), parameters

    def slow(self, index: int) -> list[Row]:
        assert index == 0, "other slow states have no ring elements"
        return [self._point] * len(self.tables.nodes)

    def ones(self) -> list[Row]:
        return [[self._ring.number(Fraction(1))] * len(self._point)] * len(self.tables.nodes)

    def combine(self, parts: Sequence[tuple[Coefficient, list[Row]]]) -> list[Row]:
        if not parts:
            return [[self._ring.number(Fraction(0))] * len(self._point)] * len(self.tables.nodes)
        nodes = zip(*(values for _, values in parts), strict=True)
        return [self._sum([weight for weight, _ in parts], rows) for rows in nodes]

    def transform(self, matrix: Matrix, values: list[Row]) -> list[Row]:
        return [self._sum(weights, values[: len(weights)]) for weights in matrix]

    def _sum(self, weights: Sequence[Coefficient], rows: Sequence[Row]) -> Row:
        terms = [
            row if weight == 1 else [number * value for value in row]
            for weight, row in zip(weights, rows, strict=True)
            if weight != 0 and (number := self._number(weight)) is not None
        ]
        if not terms:
            return [self._ring.number(Fraction(0))] * len(self._point)
        return [sum(column[1:], column[0]) for column in zip(*terms, strict=True)]

    def _number(self, weight: Coefficient) -> Any:
        return self._ring.number(weight if type(weight) is Fraction else Fraction(weight))

    def gradient(self, field: int) -> Callable[[list[Row]], list[Row]]:
        program, signs = self._programs[field], self._signs(field)
        runs: list[ProgramRun] = []

        def along(values: list[Row]) -> list[Row]:
            if not runs:
                first = ProgramRun(program, values[0], self._parameters, self._ring)
                runs.extend(first.copy() for _ in values)
                return [self._signed(first.outputs(), signs)] * len(values)
            return [self._signed(run.advance(row), signs) for run, row in zip(runs, values, strict=True)]

        return along

    def _signs(self, field: int) -> list[int]:
        first, second = self._fields[field].halves
        half = len(self._point) // 2
        return [first] * half + [second] * (len(self._point) - half)

    def _signed(self, row: Row, signs: Sequence[int]) -> Row:
        return [value if sign == 1 else sign * value for sign, value in zip(signs, row, strict=True)]

    def multiply(self, left: list[Row], right: list[Row]) -> list[Row]:
        return [[a * b for a, b in zip(*rows, strict=True)] for rows in zip(left, right, strict=True)]

    def divide(self, numerator: list[Row], denominator: list[Row]) -> list[Row]:
        inverse = [self._ring.seeds["reciprocal"](value) for value in denominator[0]]  # the same at every node
        return [[a * b for a, b in zip(row, inverse, strict=True)] for row in numerator]

    def root(self, argument: list[Row]) -> list[Row]:
        return [[self._ring.seeds["sqrt"](value) for value in argument[0]]] * len(argument)


def program_counterterms(
    rule: UpdateRule,
    programs: Sequence[Program],
    point: Sequence[Any],
    parameters: Sequence[Any],
    terms: int,
    ring: Ring,
    fields: Sequence[Field] = (Field(),),
    steps: int = 1,
    tables: Tables | None = None,
) -> list[Row]:
    """``−f̃_0, …, −f̃_{terms−1}`` of a rule at a point, each a list of ring elements: of descent g, ξ_0, ξ_1, …

    ``steps`` is how many step sizes of time one step of the rule takes; the others are as for ``RingAlgebra``, with
    nodes for floating point if none are given.
    """
    algebra = RingAlgebra(tables or small_nodes(rule, terms), programs, point, parameters, ring, fields)
    scale = ring.number(Fraction(-1, steps))
    return [[scale * value for value in values[0]] for values in solve(rule, algebra, terms)]
