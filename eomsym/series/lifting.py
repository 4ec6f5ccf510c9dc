"""From a SymPy expression to a straight-line program on power series."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import reduce

import sympy
from sympy.core.function import AppliedUndef

from eomsym.checks import shown
from eomsym.errors import InputError
from eomsym.series.elementary import ELEMENTARY
from eomsym.series.program import Program, ProgramBuilder

#: Functions of an expression, by SymPy's name; each is in ``ELEMENTARY``.
FUNCTIONS = ("exp", "log", "sin", "cos", "tan", "tanh", "sinh", "cosh", "atan", "erf", "sigmoid", "softplus")


def loss_program(
    loss: sympy.Expr, variables: Sequence[sympy.Symbol], parameters: Sequence[sympy.Symbol] = ()
) -> Program:
    """The program of a loss and of its gradient.  Raises ``InputError`` for a function or symbol that is not known."""
    lifter = _Lifter(variables, parameters)
    row = lifter.row(loss)
    field = lifter.builder.gradient(row, len(variables))
    return lifter.builder.finish(field, row, len(variables), len(parameters))


def field_program(
    field: Sequence[sympy.Expr], variables: Sequence[sympy.Symbol], parameters: Sequence[sympy.Symbol] = ()
) -> Program:
    """The program of ``g``, one expression for each variable.  Raises ``InputError`` as ``loss_program``."""
    lifter = _Lifter(variables, parameters)
    return lifter.builder.finish([lifter.row(part) for part in field], None, len(variables), len(parameters))


class _Lifter:
    """Walks expressions without recursion in Python's own stack getting deep: each subexpression once."""

    def __init__(self, variables: Sequence[sympy.Symbol], parameters: Sequence[sympy.Symbol]) -> None:
        self.builder = ProgramBuilder()
        self._known: dict[sympy.Expr, int] = {}
        for index, symbol in enumerate(variables):
            self._known[symbol] = self.builder.variable(index)
        for index, symbol in enumerate(parameters):
            self._known[symbol] = self.builder.parameter(index)

    def row(self, expression: sympy.Expr) -> int:
        """The row of an expression."""
        stack = [expression]
        while stack:
            node = stack[-1]
            if node in self._known:
                stack.pop()
                continue
            missing = [part for part in _parts(node) if part not in self._known]
            if missing:
                stack.extend(reversed(missing))
            else:
                self._known[node] = self._operation(node)
                stack.pop()
        return self._known[expression]

    def _operation(self, node: sympy.Expr) -> int:
        builder, rows = self.builder, [self._known[part] for part in _parts(node)]
        if isinstance(node, sympy.Add):
            return reduce(builder.sum, rows)
        if isinstance(node, sympy.Mul):
            return reduce(builder.multiply, rows)
        if isinstance(node, sympy.Pow):
            return self._power(node, rows)
        if isinstance(node, sympy.Function) and not isinstance(node, AppliedUndef):
            return builder.function(type(node).__name__, rows[0])
        return self._number(node)

    def _power(self, node: sympy.Pow, rows: list[int]) -> int:
        builder, exponent = self.builder, node.exp
        if exponent.is_Integer:
            return builder.power(rows[0], int(exponent))
        if exponent == sympy.S.Half:
            return builder.function("sqrt", rows[0])
        if builder.constant[rows[1]]:
            return builder.real_power(rows[0], rows[1])
        return builder.function("exp", builder.multiply(rows[1], builder.function("log", rows[0])))

    def _number(self, node: sympy.Expr) -> int:
        if node.is_Rational:
            return self.builder.number(Fraction(int(node.p), int(node.q)))
        if node.is_Float and node.is_finite:
            exact = sympy.Rational(node)
            return self.builder.number(Fraction(int(exact.p), int(exact.q)))
        if node == sympy.pi:
            return self.builder.weighted(self.builder.function("atan", self.builder.number(1)), Fraction(4))
        if node == sympy.E:
            return self.builder.function("exp", self.builder.number(1))
        raise InputError(f"expression: {shown(node)} is not known here; {_advice(node)}")


def _parts(node: sympy.Expr) -> tuple[sympy.Expr, ...]:
    """Subexpressions that have rows of their own."""
    if isinstance(node, (sympy.Add, sympy.Mul)):
        return tuple(node.args)
    if isinstance(node, sympy.Pow):
        return (node.base,) if node.exp.is_Integer else (node.base, node.exp)
    if isinstance(node, sympy.Function) and type(node).__name__ in FUNCTIONS and len(node.args) == 1:
        return tuple(node.args)
    if node.is_Atom:
        return ()
    raise InputError(f"expression: {shown(node)} is not known here; {_advice(node)}")


def _advice(node: sympy.Expr) -> str:
    if node.is_Symbol:
        return "list it among the variables or the parameters"
    return f"use numbers, + - * / **, sqrt and {', '.join(FUNCTIONS)}"


assert set(FUNCTIONS) <= set(ELEMENTARY)
