"""The counter terms of a rule a second time, from the definition: what kernels are certified against.

Along the iterates every coefficient in η is a polynomial in the step index s, and here it *is* one: a polynomial of
balls by its own coefficients, on which a step s ↦ s + 1 acts as exp(d/ds).  A memory is ``(exp(d/ds) − a)⁻¹`` of what
is added to it, a sum over steps ``(exp(d/ds) − 1)⁻¹``, and both are power series in d/ds whose coefficients come from
that of exp by division.  There are no nodes, no weights, no interpolation: with the tables of ``step_index``, of which
kernels are made, nothing is shared.  What is shared is the rule, and the order in which ``Solution`` takes its levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from math import factorial
from typing import Any

import numpy as np

from eomsym.exact_numbers import Coefficient
from eomsym.optimizers.optimizer import Field
from eomsym.optimizers.rule import Elapsed, UpdateRule
from eomsym.series.program import Program
from eomsym.series.rings import Ring
from eomsym.step_index import Tables, solve
from eomsym.step_index.numbers import ProgramAlgebra, each

Row = list[Any]  # of balls: (d,)


class StepPolynomials(ProgramAlgebra):
    """Vectors of polynomials in s: ``arb_poly`` of python-flint; values have one row, of polynomials."""

    def __init__(
        self,
        programs: Sequence[Program],
        point: Row,
        parameters: Row,
        ring: Ring,
        fields: Sequence[Field],
    ) -> None:
        super().__init__(Tables((Fraction(0),)), programs, point, parameters, ring, fields)

    def solve_memory(self, share: Coefficient, index: int, values: np.ndarray, level: int) -> np.ndarray:
        operator = memory_operator(Fraction(share), level + 1)
        found = each(lambda added: self._applied(operator, added), values)
        return found if level else each(lambda polynomial: polynomial[0], found)

    def antidifference(self, values: np.ndarray, level: int) -> np.ndarray:
        return each(lambda moved: self._applied(sum_operator(level + 1), moved).integral(), values)

    def logarithm(self, values: np.ndarray, level: int) -> np.ndarray:
        return each(lambda moved: self._applied(sum_operator(level + 1), moved)[0], values)

    def elapsed(self, values: np.ndarray, atom: Elapsed, alike: bool) -> np.ndarray:
        raise AssertionError("kernels are generated for constant parameters")  # pragma: no cover

    def _applied(self, operator: Sequence[Fraction], value: Any) -> Any:
        """``Σ_j operator[j] (d/ds)^j`` of a polynomial, or of a ball, which is constant."""
        from flint import arb_poly

        derivative, total = arb_poly([value]) if not isinstance(value, arb_poly) else value, arb_poly([])
        for coefficient in operator:
            total = total + self._ring.number(coefficient) * derivative
            derivative = derivative.derivative()
        return total


def polynomial_counterterms(
    rule: UpdateRule,
    programs: Sequence[Program],
    point: Row,
    parameters: Row,
    terms: int,
    ring: Ring,
    fields: Sequence[Field],
    steps: int,
) -> list[Row]:
    """``−f̃_0, …, −f̃_{terms−1}`` of a rule at a point in balls; arguments as for ``step_index.program_counterterms``."""
    rows = solve(rule, StepPolynomials(programs, point, parameters, ring, fields), terms)
    scale = ring.number(Fraction(-1, steps))
    return [[scale * value for value in values[0]] for values in rows]


@cache
def memory_operator(share: Fraction, count: int) -> tuple[Fraction, ...]:
    """``1/(exp(x) − share)``, share ≠ 1, to so many coefficients."""
    return _reciprocal([1 - share, *(Fraction(1, factorial(n)) for n in range(1, count))])


@cache
def sum_operator(count: int) -> tuple[Fraction, ...]:
    """``x/(exp(x) − 1)``, the derivative of a sum over steps, to so many coefficients."""
    return _reciprocal([Fraction(1, factorial(n + 1)) for n in range(count)])


def _reciprocal(series: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """1 over a power series."""
    found: list[Fraction] = []
    for k in range(len(series)):
        rest = sum((series[k - i] * found[i] for i in range(k)), Fraction(0))
        found.append(((k == 0) - rest) / series[0])
    return tuple(found)
