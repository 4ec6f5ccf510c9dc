"""The solver: one step of any update rule, level by level in η, over any algebra of vectors.

Every quantity of a rule (states, gradients, stages, products, …) is looked for as ``x(s) = Σ_k η^k x_k(s)`` with
coefficients that are polynomials of degree ≤ k in the step index s, known by their values at a few nodes.  What is
unknown at level k solves a linear difference equation with constant coefficients:

    θ_{k+1}(s+1) − θ_{k+1}(s) = r_k(s),  θ_{k+1}(0) = 0,      z_k(s+1) = a z_k(s) + r_k(s),

and both solutions are linear in the values of ``r_k``, with the exact weights of ``Tables``.  The modified field is
``f̃_k = dθ_{k+1}/ds`` at s = 0.  States that move as θ does, by powers of η, are *slow*: they have a field of their
own, and the memory of a whole state is one of them.  The *algebra* decides what a vector is: a combination of trees,
elements of a ring, arrays of a library.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from eomsym.errors import InputError
from eomsym.exact_numbers import Coefficient
from eomsym.optimizers.blockwise import Blockwise
from eomsym.optimizers.maps import Map
from eomsym.optimizers.rule import (
    Elapsed,
    Gradient,
    Image,
    Linear,
    One,
    Product,
    Quotient,
    SquareRoot,
    Stage,
    State,
    UpdateRule,
)
from eomsym.step_index.tables import Matrix, Tables

#: One coefficient of a vector quantity at the nodes; what it is made of is the algebra's own business.
Values = Any
#: Coefficients 0, 1, … as far as they are known.
Levels = list[Values]
HALF = Fraction(1, 2)


class Algebra(ABC):
    """Vectors that depend on the step index, by their values at ``tables.nodes``: all that the solver asks for."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    @abstractmethod
    def slow(self, index: int) -> Values:
        """A slow state at s = 0, the same at every node; θ is number 0."""

    @abstractmethod
    def ones(self) -> Values:
        """The vector of ones at every node."""

    @abstractmethod
    def combine(self, parts: Sequence[tuple[Coefficient, Values]]) -> Values:
        """``Σ coefficient · values``; of no parts, zero."""

    @abstractmethod
    def transform(self, matrix: Matrix, values: Values) -> Values:
        """New values ``Σ_j matrix[i][j] · values[j]``, one for each row."""

    @abstractmethod
    def gradient(self, field: int) -> Callable[[Values], Values]:
        """A function that is called with levels 0, 1, … of a point and returns those of the gradient there."""

    def image(self, map: Map) -> Callable[..., Values]:
        """A function that is called with levels 0, 1, … of a map's arguments and returns those of its value."""
        raise InputError(f"map {map.name!r}: is a map of blocks, which this does not know; take numbers at a point")

    @abstractmethod
    def multiply(self, left: Values, right: Values) -> Values:
        """Componentwise product."""

    @abstractmethod
    def divide(self, numerator: Values, denominator: Values) -> Values:
        """Componentwise quotient by a level 0."""

    @abstractmethod
    def root(self, argument: Values) -> Values:
        """Componentwise square root of a level 0."""

    def below_root(self, rest: Values, root: Values) -> Values:
        """A higher level of a root: what is left of its argument over twice its level 0."""
        return self.divide(rest, root)

    def solve_memory(self, share: Coefficient, index: int, values: Values, level: int) -> Values:
        """State ``index``, which keeps that share of itself in a step, from what is added to it."""
        return self.transform(self.tables.resolvent(share, level), values)

    def antidifference(self, values: Values, level: int) -> Values:
        """A slow state from its increments."""
        return self.transform(self.tables.summation(level), values)

    def logarithm(self, values: Values, level: int) -> Values:
        """The modified field of a slow state from its increments."""
        return self.transform(self.tables.logarithm(level), values)

    def elapsed(self, values: Values, atom: Elapsed, alike: bool) -> Values:
        """Values times a power of the time elapsed; ``alike`` where they are the same at every node."""
        factors = [(atom.start + atom.pace * node) ** atom.power for node in self.tables.nodes]
        if alike:
            return self.transform(tuple((factor,) for factor in factors), values)
        places = range(len(factors))
        diagonal = tuple(tuple(factor if i == j else 0 for j in places) for i, factor in enumerate(factors))
        return self.transform(diagonal, values)


def solve(rule: UpdateRule, algebra: Algebra, terms: int) -> list[Values]:
    """``[f̃_0, …, f̃_{terms−1}]`` of one step of the rule, each as values with a single entry.

    Its tables must know enough nodes: ``terms``, or ``terms − 1`` (at least 1) if they are anchored.
    """
    return [fields[0] for fields in solve_slow(rule, algebra, terms)]


def solve_slow(rule: UpdateRule, algebra: Algebra, terms: int) -> list[list[Values]]:
    """The same for each of ``rule.slow``, θ first: a row for each power of η."""
    solution = Solution(rule, algebra)
    return [solution.advance(level) for level in range(terms)]


class Solution:
    """The levels of all atoms found so far."""

    def __init__(self, rule: UpdateRule, algebra: Algebra) -> None:
        self._rule, self._algebra = rule, algebra
        self._levels: list[Levels] = [[] for _ in rule.atoms]
        for index in rule.slow:
            self._levels[rule.state(index)].append(algebra.slow(index))
        self._functions: dict[int, Callable[..., Values]] = {}
        self._operands: dict[tuple[int, str], Levels] = {}

    def advance(self, level: int) -> list[Values]:
        """The next level of every atom; returns that of the modified field of each slow state."""
        rule = self._rule
        for number in rule.schedule:
            self._levels[number].append(self._level(number, level))
        moves = [self._linear(rule.moved(index), level + 1) for index in rule.slow]
        for index, moved in zip(rule.slow, moves, strict=True):
            self._levels[rule.state(index)].append(self._algebra.antidifference(moved, level))
        return [self._algebra.logarithm(moved, level) for moved in moves]

    def levels(self, index: int) -> Levels:
        """What is known of state ``index``."""
        return self._levels[self._rule.state(index)]

    def _linear(self, linear: Linear, level: int) -> Values:
        parts = [
            (coefficient, self._levels[atom][level - power])
            for atom, power, coefficient in linear.terms
            if power <= level
        ]
        return self._algebra.combine(parts)

    def _operand(self, number: int, word: str, linear: Linear, level: int) -> Levels:
        """Levels of a combination, this one included: those of an atom if it is one."""
        if len(linear.terms) == 1 and linear.terms[0][1:] == (0, 1):
            return self._levels[linear.terms[0][0]]
        levels = self._operands.setdefault((number, word), [])
        levels.append(self._linear(linear, level))
        return levels

    def _level(self, number: int, level: int) -> Values:
        algebra, rule = self._algebra, self._rule
        match rule.atoms[number]:
            case State(index):
                added = self._linear(rule.following[index].without(number), level)
                return self._memory(rule.self_coefficient(index), index, added, level)
            case Gradient(field, point):
                if number not in self._functions:
                    self._functions[number] = algebra.gradient(field)
                return self._functions[number](self._operand(number, "point", point, level)[level])
            case Image(map, arguments):
                if number not in self._functions:
                    self._functions[number] = algebra.image(map)
                at = [self._operand(number, f"argument {i}", part, level) for i, part in enumerate(arguments)]
                return self._functions[number](*(levels[level] for levels in at))
            case Stage(index):
                return self._linear(rule.stages[index], level)
            case One():
                return algebra.combine([]) if level else algebra.ones()
            case Elapsed(operand, power) as atom:  # the operand may itself depend on this atom, at higher levels
                levels = self._operand(number, "operand", operand, level - 1) if level else []
                if level < power:
                    return algebra.combine([])
                return algebra.elapsed(levels[level - power], atom, alike=level == power)
        return self._componentwise(number, level)

    def _memory(self, share: Coefficient, index: int, added: Values, level: int) -> Values:
        """A memory, in each group of parameters by the share that it keeps there."""
        if not isinstance(share, Blockwise):
            return self._algebra.solve_memory(share, index, added, level)
        parts = [(place, self._algebra.solve_memory(value, index, added, level)) for value, place in share.parts]
        return self._algebra.combine(parts)

    def _componentwise(self, number: int, level: int) -> Values:
        algebra, known = self._algebra, self._levels[number]
        match self._rule.atoms[number]:
            case Product(left, right):
                factors = self._operand(number, "left", left, level), self._operand(number, "right", right, level)
                return self._products(*factors, range(level + 1), level)
            case Quotient(numerator, denominator):  # q · denominator = numerator
                below = self._operand(number, "denominator", denominator, level)
                rest = self._linear(numerator, level)
                if level:
                    rest = algebra.combine([(1, rest), (-1, self._products(below, known, range(1, level + 1), level))])
                return algebra.divide(rest, below[0])
            case SquareRoot(argument):  # r · r = argument
                rest = self._linear(argument, level)
                if level == 0:
                    return algebra.root(rest)
                parts = [(HALF, rest)]
                if level > 1:
                    parts.append((-HALF, self._products(known, known, range(1, level), level)))
                return algebra.below_root(algebra.combine(parts), known[0])
        raise AssertionError(self._rule.atoms[number])  # pragma: no cover - these are all the atoms that there are

    def _products(self, left: Levels, right: Levels, places: range, level: int) -> Values:
        return self._algebra.combine([(1, self._algebra.multiply(left[i], right[level - i])) for i in places])
