"""Vectors of numbers at one point: floats, exact numbers, elements of any ring.

Values are arrays (nodes, d), of floats or of objects (``Fraction``, mpmath numbers, balls, polynomials); what is the
same at every node, as all is at order 0, may have one row.  The gradient comes from whatever knows it along any curve
``Σ_k η^k x_k``, or from a model that is written out as a program: references, certificates and closed forms do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

import numpy as np

from eomsym.blocks import Blocks
from eomsym.errors import OverflowInKernelError
from eomsym.exact_numbers import Coefficient
from eomsym.optimizers.blockwise import Blockwise
from eomsym.optimizers.maps import Map, check_plain
from eomsym.optimizers.optimizer import Field
from eomsym.optimizers.rule import Elapsed, UpdateRule
from eomsym.series.array_series import ArraySeries, root_quotient
from eomsym.series.program import Program
from eomsym.series.rings import ProgramRun, Ring
from eomsym.step_index.solver import Algebra, solve
from eomsym.step_index.tables import Tables, small_nodes

#: ``(field, series)`` → series: the gradient of a field along ``Σ_k η^k series[k]``, both (terms, d).
GradientSeries = Callable[[int, np.ndarray], np.ndarray]
#: Weights that are kept of each kind: a share that depends on time has weights of its own at each time.
KEPT = 64


class _Weights:
    """The weights of some tables as arrays of numbers, each made once."""

    def __init__(self, tables: Tables, number: Callable[[Any], Any]) -> None:
        def kept(exact: Callable[..., Sequence[Sequence[Any]]]) -> Callable[..., np.ndarray]:
            return lru_cache(KEPT)(lambda *which: np.array([[number(value) for value in row] for row in exact(*which)]))

        self.resolvent, self.summation = kept(tables.resolvent), kept(tables.summation)
        self.logarithm = kept(tables.logarithm)
        self.elapsed = kept(lambda start, pace, power: [[(start + pace * node) ** power] for node in tables.nodes])


@lru_cache(maxsize=256)
def _float_weights(tables: Tables) -> _Weights:
    """For whoever computes in floats at point after point: all that is exact is done once."""
    return _Weights(tables, float)


class _Numbers(Algebra):
    """``states`` has the slow states, θ (d,) first; ``number`` turns an exact rational into a number of that kind."""

    def __init__(self, tables: Tables, states: Sequence[np.ndarray], number: Callable[[Fraction], Any]) -> None:
        super().__init__(tables)
        floats, self._states = number is float, [np.asarray(state) for state in states]
        self._number: Callable[[Any], Any] = float if floats else cache(lambda weight: number(Fraction(weight)))
        self._weights = _float_weights(tables) if floats else _Weights(tables, self._number)

    def slow(self, index: int) -> np.ndarray:
        return self._states[index][None]

    def ones(self) -> np.ndarray:
        return self.slow(0) * 0 + self._number(1)

    def combine(self, parts: Sequence[tuple[Any, np.ndarray]]) -> np.ndarray:
        if not parts:
            return np.repeat(self.slow(0) * 0, len(self.tables.nodes), axis=0)
        (weight, values), *others = parts
        total = values if weight == 1 and others else values * self._factor(weight)
        for weight, values in others:
            if weight == -1:
                total = total - values
            else:
                total = total + (values if weight == 1 else values * self._factor(weight))
        return total

    def _factor(self, weight: Any) -> Any:
        if not isinstance(weight, Blockwise):
            return self._number(weight)
        return weight.floats if self._number is float else weight.spread(self._number)

    def transform(self, matrix: Any, values: np.ndarray) -> np.ndarray:
        rows = matrix.shape[1]
        repeated = values if len(values) >= rows else np.repeat(values, rows, axis=0)
        return np.asarray(matrix @ repeated[:rows])

    def solve_memory(self, share: Coefficient, index: int, values: np.ndarray, level: int) -> np.ndarray:
        return self.transform(self._weights.resolvent(share, level), values)

    def antidifference(self, values: np.ndarray, level: int) -> np.ndarray:
        return self.transform(self._weights.summation(level), values)

    def logarithm(self, values: np.ndarray, level: int) -> np.ndarray:
        return self.transform(self._weights.logarithm(level), values)

    def elapsed(self, values: np.ndarray, atom: Elapsed, alike: bool) -> np.ndarray:
        return np.asarray(self._weights.elapsed(atom.start, atom.pace, atom.power) * values)

    def multiply(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return left * right


class NumberAlgebra(_Numbers):
    """Vectors whose gradient is known along any curve.

    ``states`` has the slow states, θ (d,) first, the others (d,) or, if all alike, (1,); ``root`` is that of a number.
    ``blocks`` are what maps see of a vector.
    """

    def __init__(
        self,
        tables: Tables,
        gradient_series: GradientSeries,
        states: Sequence[np.ndarray],
        number: Callable[[Fraction], Any] = float,
        root: Callable[[Any], Any] = np.sqrt,
        blocks: Blocks | None = None,
    ) -> None:
        super().__init__(tables, states, number)
        self._gradient_series, self._root, self._blocks = gradient_series, root, blocks

    def gradient(self, field: int) -> Callable[[np.ndarray], np.ndarray]:
        levels: list[np.ndarray] = []

        def along(point: np.ndarray) -> np.ndarray:
            levels.append(point)
            if len(levels) == 1:  # η = 0: the same at every node
                return self._gradient_series(field, point[:1])
            curves = (
                np.array([level[min(node, len(level) - 1)] for level in levels])
                for node in range(len(self.tables.nodes))
            )
            return np.array([self._gradient_series(field, curve)[-1] for curve in curves])

        return along

    def image(self, map: Map) -> Callable[..., np.ndarray]:
        levels: list[tuple[np.ndarray, ...]] = []

        def along(*points: np.ndarray) -> np.ndarray:
            levels.append(points)
            nodes = 1 if len(levels) == 1 else len(self.tables.nodes)  # η = 0: the same at every node
            curves = [
                np.array([np.broadcast_to(values[:nodes], (nodes, values.shape[1])) for values in argument])
                for argument in zip(*levels, strict=True)
            ]
            with np.errstate(all="ignore"):  # what is not finite is told
                value = map.of_vectors([ArraySeries(rows, lead=2) for rows in curves], self._blocks)
                if len(levels) == 1 and curves[0].dtype != object:
                    check_plain(map, [rows[0, 0] for rows in curves], self._blocks)
            last = np.asarray(value.rows[-1])
            if last.dtype != object and not np.isfinite(last).all():
                raise OverflowInKernelError(
                    f"map {map.name!r}: is not smooth here, its coefficient {len(levels) - 1} is not finite; begin "
                    "elsewhere"
                )
            return last

        return along

    def divide(self, numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
        return numerator / denominator

    def below_root(self, rest: np.ndarray, root: np.ndarray) -> np.ndarray:
        return root_quotient(rest, root)

    def root(self, argument: np.ndarray) -> np.ndarray:
        return np.array([[self._root(value) for value in row] for row in argument])


class ProgramAlgebra(_Numbers):
    """Vectors of ring elements at one ``point``.

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
        super().__init__(tables, [_elements([point])[0]], ring.number)
        self._programs, self._fields, self._parameters, self._ring = programs, fields, parameters, ring

    def gradient(self, field: int) -> Callable[[np.ndarray], np.ndarray]:
        runs: list[ProgramRun] = []

        def along(point: np.ndarray) -> np.ndarray:
            if not runs:
                runs.append(ProgramRun(self._programs[field], point[0], self._parameters, self._ring))
                rows = [runs[0].outputs()]
            else:
                runs.extend(runs[0].copy() for _ in point[len(runs) :])
                rows = [run.advance(row) for run, row in zip(runs, point, strict=True)]
            return self._fields[field].of_loss(_elements(rows))

        return along

    def divide(self, numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
        return numerator * each(self._ring.seeds["reciprocal"], denominator[:1])

    def root(self, argument: np.ndarray) -> np.ndarray:
        return each(self._ring.seeds["sqrt"], argument[:1])


def each(function: Callable[[Any], Any], values: np.ndarray) -> np.ndarray:
    """A function of every element."""
    return np.asarray(np.frompyfunc(function, 1, 1)(values))


def _elements(rows: Sequence[Sequence[Any]]) -> np.ndarray:
    """Ring elements as an array (rows, d); NumPy by itself would look into those that are sequences."""
    made = np.empty((len(rows), len(rows[0])), dtype=object)
    for place in np.ndindex(made.shape):
        made[place] = rows[place[0]][place[1]]
    return made


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
) -> list[list[Any]]:
    """``−f̃_0, …, −f̃_{terms−1}`` of a rule at a point, each a list of ring elements: of descent g, ξ_0, ξ_1, …

    ``steps`` is how many step sizes of time one step of the rule takes; the others are as for ``ProgramAlgebra``, with
    nodes for floating point if none are given.
    """
    algebra = ProgramAlgebra(tables or small_nodes(rule, terms), programs, point, parameters, ring, fields)
    scale = ring.number(Fraction(-1, steps))
    return [[scale * value for value in values[0]] for values in solve(rule, algebra, terms)]
