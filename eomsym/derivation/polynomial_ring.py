"""The modified equation of a concrete loss or field in closed form, by power series over a polynomial ring.

The field is run as a straight-line program on series whose coefficients are polynomials in the variables, the
parameters and, for each function value at the point (``e^x``, ``1/(1 + y²)``, …), one generator of its own: derivatives
of elementary functions are polynomials in such values, so the ring holds all counter terms, and no expression is ever
differentiated, expanded or simplified as a tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import sympy

from eomsym.derivation.posing import check_order
from eomsym.errors import InputError
from eomsym.models import functions
from eomsym.models.parser import FUNCTIONS
from eomsym.notation.sympy import check_field, check_variables
from eomsym.optimizers import get
from eomsym.series.lifting import field_program, loss_program
from eomsym.series.program import Integrate, Invert, Program
from eomsym.series.rings import Ring
from eomsym.step_index.numbers import program_counterterms

#: Polynomials of this order are large, but nothing else stands in the way.
MAX_CLOSED_FORM_ORDER = 20

#: Up to this many function values polynomials in them are shorter, and sooner there, than nested derivatives (measured
#: at order 4: 6 to 18 times shorter with up to 3 values, 3 to 7 times longer with 5).
MAX_VALUES = 4


def lifted(
    model: sympy.Expr | Sequence[sympy.Expr], variables: Sequence[sympy.Symbol]
) -> tuple[Program, list[sympy.Symbol]]:
    """The program of a loss or a vector field g, and its symbols: the variables, then all others."""
    is_loss = isinstance(model, sympy.Expr)
    parts: Sequence[sympy.Expr] = [model] if is_loss else model
    found = set().union(*(part.free_symbols for part in parts)) - set(variables)
    constants = sorted(found, key=lambda symbol: (symbol.name, symbol.sort_key()))
    return (loss_program if is_loss else field_program)(model, variables, constants), [*variables, *constants]


def modified_equation(field: Sequence[sympy.Expr], variables: Sequence[sympy.Symbol], order: int) -> list[sympy.Matrix]:
    """The modified equation ``ỹ' = f_0(ỹ) + η f_1(ỹ) + …`` of explicit Euler for ``y' = f(y)``: ``[f_0, …, f_order]``.

    Each is a column of exact expressions in the order of ``variables``; ``f_0`` is f, and other symbols are constants.
    Polynomials come out expanded, nothing is simplified.  Raises ``InputError`` for an order outside 0 … 20, for
    functions that no quadratic system is known of, and if the field does not fit its variables.
    """
    names, order = check_variables(variables), check_order(order, MAX_CLOSED_FORM_ORDER)
    program, symbols = lifted([-part for part in check_field(field, names)], names)
    return [-column for column in program_columns(program, symbols, order)]


def series_columns(
    model: sympy.Expr | Sequence[sympy.Expr], variables: Sequence[sympy.Symbol], order: int
) -> list[sympy.Matrix] | None:
    """``[g, ξ_0, …, ξ_{order−1}]`` of gradient descent; None where trees are needed, or cheaper.

    Trees serve inexact numbers, functions without a quadratic system, and many function values, in which expanded
    polynomials swell.
    """
    parts: Sequence[sympy.Expr] = [model] if isinstance(model, sympy.Expr) else model
    if any(part.has(sympy.Float) for part in parts):
        return None
    try:
        program, symbols = lifted(model, variables)
    except InputError:
        return None
    return program_columns(program, symbols, order) if _value_count(program) <= MAX_VALUES else None


def program_columns(program: Program, symbols: Sequence[sympy.Symbol], order: int) -> list[sympy.Matrix]:
    """``[g, ξ_0, …, ξ_{order−1}]`` of a program in these symbols."""
    values = [sympy.Dummy(f"v{index}") for index in range(_value_count(program))]
    ring, *generators = sympy.ring([*symbols, *values], sympy.QQ)
    meanings = list(symbols)
    fresh = iter(generators[len(symbols) :])
    point = generators[: program.variables]
    parameters = generators[program.variables : len(symbols)]
    seeds = {name: partial(_value, meanings, fresh, function) for name, function in _MEANING.items()}
    rule = get("gradient-descent").rule()
    made = Ring(lambda value: ring.domain(value.numerator, value.denominator), seeds)
    rows = program_counterterms(rule, [program], point, parameters, order + 1, made)
    return [sympy.Matrix([ring(entry).as_expr(*meanings) for entry in row]) for row in rows]


def _value_count(program: Program) -> int:
    return sum(isinstance(operation, (Integrate, Invert)) for operation in program.operations)


def _value(meanings: list[sympy.Expr], fresh: Iterator[Any], function: Any, *arguments: Any) -> Any:
    """The next generator, which from now on means the function of these ring elements."""
    expressions = [_expression(argument, meanings) for argument in arguments]
    meanings.append(function(*expressions))
    return next(fresh)


def _expression(element: Any, meanings: Sequence[sympy.Expr]) -> sympy.Expr:
    if not hasattr(element, "ring"):
        return sympy.Rational(int(element.numerator), int(element.denominator))
    used = [*meanings, *element.ring.symbols[len(meanings) :]]
    return element.as_expr(*used)


_MEANING = {
    **{name: getattr(functions, name, None) or getattr(sympy, name) for name in FUNCTIONS},
    "reciprocal": lambda z: 1 / z,
    "power": lambda z, exponent: z**exponent,
    "erf_slope": lambda z: 2 / sympy.sqrt(sympy.pi) * sympy.exp(-(z**2)),
}
