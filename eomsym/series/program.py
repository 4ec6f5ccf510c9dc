"""Straight-line programs on truncated power series: an expression, one operation a row, with its gradient.

The same program is what the kernel generator writes out and what the reference evaluates in any ring.  Elementary
functions enter as the quadratic systems of ``elementary.py``, so every row has one of a handful of kinds, each with one
rule for coefficient k.  The gradient is made by reverse accumulation on the rows: it costs a small multiple of the
program, whatever the expression looks like (Griewank & Walther, *Evaluating Derivatives*, ch. 3).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from eomsym.series.elementary import (
    ARGUMENT,
    ELEMENTARY,
    Combination,
    ElementaryFunction,
    Integral,
    Reciprocal,
    power,
)


@dataclass(frozen=True)
class Variable:
    """Component ``index`` of the point."""

    index: int


@dataclass(frozen=True)
class Parameter:
    """Parameter ``index``: a constant that is given when the program runs."""

    index: int


@dataclass(frozen=True)
class Number:
    """An exact constant."""

    value: Fraction


@dataclass(frozen=True)
class Sum:
    """``left + sign · right``."""

    left: int
    right: int
    sign: int = 1


@dataclass(frozen=True)
class Weighted:
    """``weight · of`` with a rational weight."""

    of: int
    weight: Fraction


@dataclass(frozen=True)
class Multiply:
    """``left · right``; ``left`` is constant where one of the two is."""

    left: int
    right: int


@dataclass(frozen=True)
class Invert:
    """``1 / of``."""

    of: int


@dataclass(frozen=True)
class Integrate:
    """The function ``seed`` of ``argument``, with ``row' = sign · factor · argument'``; ``factor`` may be a later row.

    ``exponent`` is the row of the exponent where ``seed`` is ``power``.
    """

    argument: int
    factor: int
    seed: str
    sign: int = 1
    exponent: int | None = None


Operation = Variable | Parameter | Number | Sum | Weighted | Multiply | Invert | Integrate


#: The entries of an operation that are rows of which it is a function; a factor of ``Integrate`` is its derivative.
_ROWS: dict[type, tuple[str, ...]] = {
    **dict.fromkeys((Sum, Multiply), ("left", "right")),
    **dict.fromkeys((Weighted, Invert), ("of",)),
    Integrate: ("argument", "exponent"),
}


def parents(operation: Operation) -> dict[str, int]:
    """The rows of which the operation is a function, by the names of its entries."""
    rows = {name: getattr(operation, name) for name in _ROWS.get(type(operation), ())}
    return {name: row for name, row in rows.items() if row is not None}


@dataclass(frozen=True)
class Program:
    """Rows in an order in which each coefficient can be computed, and the rows of loss and field.

    ``field`` holds the row of each component of g: the gradient of the loss, or minus the vector field.  ``loss`` is
    None for a vector field.  ``constant`` tells which rows do not depend on the point; ``carried`` which rows need
    coefficients beyond order 0 for the field.
    """

    operations: tuple[Operation, ...]
    variables: int
    parameters: int
    field: tuple[int, ...]
    loss: int | None
    constant: tuple[bool, ...]
    carried: tuple[bool, ...]


class ProgramBuilder:
    """Appends operations, each only once, and folds what is known: zeros, ones, numbers."""

    def __init__(self) -> None:
        self.operations: list[Operation | None] = []
        self.constant: list[bool] = []
        self._rows: dict[object, int] = {}

    def add(self, operation: Operation) -> int:
        """The row of an operation, an old one where there is one."""
        if operation not in self._rows:
            self._rows[operation] = self._append(operation)
        return self._rows[operation]

    def _append(self, operation: Operation) -> int:
        self.operations.append(operation)
        if isinstance(operation, (Variable, Parameter, Number)):
            self.constant.append(not isinstance(operation, Variable))
        else:
            self.constant.append(all(self.constant[row] for row in parents(operation).values()))
        return len(self.operations) - 1

    def variable(self, index: int) -> int:
        return self.add(Variable(index))

    def parameter(self, index: int) -> int:
        return self.add(Parameter(index))

    def number(self, value: Fraction | int) -> int:
        return self.add(Number(Fraction(value)))

    def value(self, row: int) -> Fraction | None:
        """The number in a row, None if it is not one."""
        operation = self.operations[row]
        return operation.value if isinstance(operation, Number) else None

    def sum(self, left: int, right: int, sign: int = 1) -> int:
        """``left + sign · right``."""
        a, b = self.value(left), self.value(right)
        if a is not None and b is not None:
            return self.number(a + sign * b)
        if b == 0:
            return left
        if a == 0:
            return right if sign == 1 else self.weighted(right, Fraction(-1))
        negated = self.operations[right]
        if isinstance(negated, Weighted) and negated.weight == -1:
            return self.sum(left, negated.of, -sign)
        if sign == 1 and (left > right):
            left, right = right, left
        return self.add(Sum(left, right, sign))

    def total(self, rows: Iterable[int]) -> int:
        """Sum of rows."""
        result = self.number(0)
        for row in rows:
            result = self.sum(result, row)
        return result

    def weighted(self, of: int, weight: Fraction) -> int:
        """``weight · of``."""
        value, inner = self.value(of), self.operations[of]
        if value is not None:
            return self.number(weight * value)
        if isinstance(inner, Weighted):
            return self.weighted(inner.of, weight * inner.weight)
        if weight == 0:
            return self.number(0)
        return of if weight == 1 else self.add(Weighted(of, weight))

    def multiply(self, left: int, right: int) -> int:
        """``left · right``; rational factors are taken out, so that products are shared."""
        for one, other in ((left, right), (right, left)):
            value, operation = self.value(one), self.operations[one]
            if value is not None:
                return self.weighted(other, value)
            if isinstance(operation, Weighted):
                return self.weighted(self.multiply(operation.of, other), operation.weight)
        first, second = sorted((left, right), key=lambda row: (not self.constant[row], row))
        return self.add(Multiply(first, second))

    def invert(self, of: int) -> int:
        """``1 / of``."""
        value = self.value(of)
        return self.add(Invert(of)) if not value else self.number(1 / value)

    def power(self, base: int, exponent: int) -> int:
        """``base^exponent`` for an integer, by repeated squaring."""
        if exponent < 0:
            return self.invert(self.power(base, -exponent))
        result, square = self.number(1), base
        while exponent:
            result = self.multiply(result, square) if exponent & 1 else result
            exponent >>= 1
            square = self.multiply(square, square) if exponent else square
        return result

    def function(self, name: str, argument: int) -> int:
        """An elementary function of a row, by its name in ``ELEMENTARY``."""
        return self._system(ELEMENTARY[name], argument, None)

    def real_power(self, base: int, exponent: int) -> int:
        """``base^exponent`` for a constant exponent, where the base is positive."""
        return self._system(power(Fraction(1)), base, exponent)

    def _system(self, function: ElementaryFunction, argument: int, exponent: int | None) -> int:
        """The rows of a quadratic system; members that another function of the same argument made are shared."""
        rows = {ARGUMENT: argument}
        fresh = []
        for relation in function.relations:
            if isinstance(relation, Integral):
                key = (relation.seed, argument, exponent)
                if key not in self._rows:
                    # The factor may come later; a placeholder keeps the place.
                    self._rows[key] = self._append(Integrate(argument, -1, relation.seed, relation.sign, exponent))
                    fresh.append(relation)
                rows[relation.target] = self._rows[key]
        for relation in function.relations:
            if isinstance(relation, Combination):
                rows[relation.target] = self._combination(relation, rows, exponent)
            elif isinstance(relation, Reciprocal):
                rows[relation.target] = self.invert(rows[relation.of])
        for relation in fresh:
            self.operations[rows[relation.target]] = Integrate(
                argument, rows[relation.factor], relation.seed, relation.sign, exponent
            )
        return rows[function.value]

    def _combination(self, relation: Combination, rows: dict[str, int], exponent: int | None) -> int:
        total = self.number(relation.constant)
        for member in relation.linear:
            total = self.sum(total, rows[member])
        for product in relation.products:
            total = self.sum(total, self.multiply(rows[product.left], rows[product.right]), product.sign)
        if exponent is not None:  # the weight of a power's system is the exponent itself
            return self.multiply(exponent, total)
        return self.weighted(total, relation.weight)

    def gradient(self, row: int, variables: int) -> list[int]:
        """Rows of the partial derivatives of a row, by reverse accumulation."""
        adjoint: dict[int, int] = {row: self.number(1)}

        def add(target: int, amount: int, sign: int = 1) -> None:
            if not self.constant[target]:
                adjoint[target] = self.sum(adjoint.get(target, self.number(0)), amount, sign)

        for index in range(row, -1, -1):
            if index not in adjoint or self.constant[index]:
                continue
            seen = adjoint[index]
            match self.operations[index]:
                case Sum(left, right, sign):
                    add(left, seen)
                    add(right, seen, sign)
                case Weighted(of, weight):
                    add(of, self.weighted(seen, weight))
                case Multiply(left, right) if left == right:
                    add(left, self.weighted(self.multiply(seen, left), Fraction(2)))
                case Multiply(left, right):
                    add(left, self.multiply(seen, right))
                    add(right, self.multiply(seen, left))
                case Invert(of):
                    add(of, self.multiply(seen, self.multiply(index, index)), -1)
                case Integrate(argument, factor, _, sign):
                    add(argument, self.multiply(seen, factor), sign)
        zero = self.number(0)
        return [adjoint.get(self.variable(index), zero) for index in range(variables)]

    def finish(self, field: Iterable[int], loss: int | None, variables: int, parameters: int) -> Program:
        """The program of these outputs, without the rows that none of them needs."""
        outputs = list(field)
        carried = self._needed(outputs, series=True)
        wanted = carried | self._needed([*outputs, *([] if loss is None else [loss])], series=False)
        wanted |= {self.variable(index) for index in range(variables)}
        kept = sorted(wanted)
        new = {row: index for index, row in enumerate(kept)}
        return Program(
            tuple(self._renumbered(row, new) for row in kept),
            variables,
            parameters,
            tuple(new[row] for row in outputs),
            None if loss is None else new[loss],
            tuple(self.constant[row] for row in kept),
            tuple(row in carried and not self.constant[row] for row in kept),
        )

    def _needed(self, outputs: Iterable[int], series: bool) -> set[int]:
        """Rows that outputs depend on; the factors of integrals belong to them where series are carried."""
        found: set[int] = set()
        stack = list(outputs)
        while stack:
            row = stack.pop()
            if row in found:
                continue
            found.add(row)
            operation = self._operation(row)
            stack.extend(parents(operation).values())
            if series and isinstance(operation, Integrate) and not self.constant[row]:
                stack.append(operation.factor)
        return found

    def _operation(self, row: int) -> Operation:
        operation = self.operations[row]
        assert operation is not None
        return operation

    def _renumbered(self, row: int, new: dict[int, int]) -> Operation:
        operation = self._operation(row)
        moved: dict[str, Any] = {name: new[place] for name, place in parents(operation).items()}
        if isinstance(operation, Integrate):
            # Where only the value is needed, the factor is left out; no rule for coefficients will ask for it.
            moved["factor"] = new.get(operation.factor, -1)
        return replace(operation, **moved)
