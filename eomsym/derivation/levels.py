"""The step-index polynomial of any update rule, level by level in η, over any algebra of vectors.

Every quantity in a rule (states, gradients, stages, products, …) is looked for as ``x(s) = Σ_k η^k x_k(s)`` with
coefficients that are polynomials of degree ≤ k in the step index s.  A polynomial is held by its values at the nodes
s = 0, 1, 2, …; what is unknown at level k solves a linear difference equation with constant coefficients:

    θ_{k+1}(s+1) − θ_{k+1}(s) = r_k(s),  θ_{k+1}(0) = 0,      z_k(s+1) = a z_k(s) + r_k(s),

and both solutions are linear in the values of ``r_k``, with the exact tables made (once) here.  The modified field is
``f̃_k = dθ_{k+1}/ds`` at s = 0.  The *algebra* decides what a vector is: a combination of trees, an expression of the
vector language, an array of numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from typing import Any, Protocol

from eomsym.derivation.step_polynomial import (
    apply_operator,
    forward_differences,
    linear_coefficient,
    reciprocal,
    values,
)
from eomsym.optimizers import (
    Coefficient,
    Gradient,
    Linear,
    One,
    Product,
    Quotient,
    SquareRoot,
    Stage,
    State,
    UpdateRule,
)

#: Values of one vector quantity at the nodes; what it is made of is the algebra's own business.
Sequence_ = Any
Matrix = list[list[Coefficient]]


class Algebra(Protocol):
    """Vectors that depend on the step index, held by their values at nodes 0, 1, …, ``nodes`` − 1."""

    nodes: int

    def theta(self) -> Sequence_:
        """θ, the same at every node."""

    def ones(self) -> Sequence_:
        """The vector of ones at every node."""

    def combine(self, parts: Sequence[tuple[Coefficient, Sequence_]]) -> Sequence_:
        """``Σ coefficient · sequence``; of no parts, zero."""

    def transform(self, matrix: Matrix, sequence: Sequence_) -> Sequence_:
        """New values ``Σ_j matrix[i][j] · sequence[j]``, one for each row."""

    def gradient(self, field: int, levels: Sequence[Sequence_], nodes: int) -> Sequence_:
        """The last level of field number ``field`` along ``Σ_k η^k levels[k]``, at the first ``nodes`` nodes."""

    def multiply(self, left: Sequence_, right: Sequence_) -> Sequence_:
        """Componentwise product."""

    def divide(self, numerator: Sequence_, denominator: Sequence_) -> Sequence_:
        """Componentwise quotient by a level 0."""

    def root(self, argument: Sequence_) -> Sequence_:
        """Componentwise square root of a level 0."""


def modified_field_terms(rule: UpdateRule, algebra: Algebra, terms: int) -> list[Sequence_]:
    """``[f̃_0, …, f̃_{terms−1}]`` of one step of the rule, each a sequence with a single value; ``nodes`` ≥ ``terms``."""
    solution = _Solution(rule, algebra)
    return [solution.next_term() for _ in range(terms)]


class _Solution:
    """All atoms' levels found so far."""

    def __init__(self, rule: UpdateRule, algebra: Algebra) -> None:
        self.rule, self.algebra = rule, algebra
        self.levels: list[list[Sequence_]] = [[] for _ in rule.atoms]
        self.theta = rule.state(0)
        self.levels[self.theta].append(algebra.theta())
        self.points: dict[int, list[Sequence_]] = {}

    def next_term(self) -> Sequence_:
        level = len(self.levels[self.theta]) - 1
        for number in self.rule.schedule:
            self.levels[number].append(self._level(number, level))
        moved = self._linear(self.rule.increment, level + 1)
        self.levels[self.theta].append(self.algebra.transform(antidifference(level, self.algebra.nodes), moved))
        return self.algebra.transform([logarithm(level)], moved)

    def _linear(self, linear: Linear, level: int) -> Sequence_:
        parts = [
            (coefficient, self.levels[atom][level - power])
            for atom, power, coefficient in linear.terms
            if power <= level
        ]
        return self.algebra.combine(parts)

    def _history(self, linear: Linear, level: int) -> list[Sequence_]:
        return [self._linear(linear, k) for k in range(level + 1)]

    def _level(self, number: int, level: int) -> Sequence_:
        algebra = self.algebra
        match self.rule.atoms[number]:
            case State(index):
                right = self._linear(self.rule.following[index].without(number), level)
                table = resolvent(self.rule.self_coefficient(index), level, algebra.nodes)
                return algebra.transform(table, right)
            case Gradient(field, point):
                known = self.points.setdefault(number, [])
                known.append(self._linear(point, level))
                return algebra.transform(extension(level, algebra.nodes), algebra.gradient(field, known, level + 1))
            case Stage(index):
                return self._linear(self.rule.stages[index], level)
            case One():
                return algebra.ones() if level == 0 else algebra.combine([])
        return self._componentwise(number, level)

    def _componentwise(self, number: int, level: int) -> Sequence_:
        match self.rule.atoms[number]:
            case Product(left, right):
                return self._product(self._history(left, level), self._history(right, level))
            case Quotient(numerator, denominator):
                return self._quotient(number, level, self._linear(numerator, level), self._history(denominator, level))
            case SquareRoot(argument):
                return self._root(number, level, self._linear(argument, level))
        raise AssertionError(self.rule.atoms[number])  # pragma: no cover - these are all the atoms that there are

    def _product(self, left: list[Sequence_], right: list[Sequence_]) -> Sequence_:
        pairs = zip(left, reversed(right), strict=True)
        return self.algebra.combine([(1, self.algebra.multiply(a, b)) for a, b in pairs])

    def _quotient(self, number: int, level: int, numerator: Sequence_, denominator: list[Sequence_]) -> Sequence_:
        known = self.levels[number]
        parts = [(-1, self.algebra.multiply(denominator[i], known[level - i])) for i in range(1, level + 1)]
        return self.algebra.divide(self.algebra.combine([(1, numerator), *parts]), denominator[0])

    def _root(self, number: int, level: int, argument: Sequence_) -> Sequence_:
        if level == 0:
            return self.algebra.root(argument)
        known = self.levels[number]
        parts = [(-1, self.algebra.multiply(known[i], known[level - i])) for i in range(1, level)]
        half = self.algebra.combine([(Fraction(1, 2), argument), *((Fraction(w, 2), part) for w, part in parts)])
        return self.algebra.divide(half, known[0])


@cache
def extension(degree: int, nodes: int) -> Matrix:
    """From the values of a polynomial at 0 … degree to its values at 0 … nodes − 1."""
    return _matrix(degree, lambda differences: values(differences, nodes))


@cache
def antidifference(degree: int, nodes: int) -> Matrix:
    """``P`` with ``P(s+1) − P(s) = r(s)`` and ``P(0) = 0``, from r at 0 … degree to P at 0 … nodes − 1."""
    return _matrix(degree, lambda differences: values([0, *differences], nodes))


@cache
def resolvent(weight: Coefficient, degree: int, nodes: int) -> Matrix:
    """The polynomial ``z`` with ``z(s+1) = weight · z(s) + r(s)``, from r at 0 … degree to z at 0 … nodes − 1."""
    inverse = reciprocal([1 - weight, 1, *[0] * degree][: degree + 1])
    return _matrix(degree, lambda differences: values(apply_operator(inverse, differences), nodes))


@cache
def logarithm(degree: int) -> list[Coefficient]:
    """``dP/ds`` at 0 of the antidifference P, as weights of the values of r at 0 … degree."""
    rows = _matrix(degree, lambda differences: [linear_coefficient([0, *differences])])
    return rows[0]


def _matrix(degree: int, operator: Callable[[list[Coefficient]], list[Coefficient]]) -> Matrix:
    """The matrix of a linear operator on polynomials of this degree, whose columns are what it does to unit values."""
    units = [[int(i == j) for i in range(degree + 1)] for j in range(degree + 1)]
    columns = [operator(forward_differences(unit)) for unit in units]
    return [list(row) for row in zip(*columns, strict=True)]
