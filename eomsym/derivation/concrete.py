"""The equation of motion of a model that is written down: a loss or a vector field, as exact SymPy expressions.

Gradient descent on polynomials and on expressions with few elementary functions goes through power series over a
polynomial ring (``derivation.polynomial_ring``), everything else tree by tree (``notation.sympy``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy

from eomsym import optimizers
from eomsym.checks import shown
from eomsym.derivation.counterterms import MAX_ORDER, Counterterms, check_order, derive_on_trees
from eomsym.derivation.formula import Formula, meanings
from eomsym.derivation.general_terms import GeneralCounterterms, plain
from eomsym.derivation.polynomial_ring import (
    MAX_CLOSED_FORM_ORDER,
    lifted,
    program_columns,
    ring_suits,
)
from eomsym.errors import InputError
from eomsym.models import ExpressionLoss, VectorField
from eomsym.notation.coefficients import coefficient_expression
from eomsym.notation.general_sympy import general_combinations
from eomsym.notation.latex import motion_equations, series_latex
from eomsym.notation.sympy import check_field, check_variables, combinations_of_trees
from eomsym.notation.typesetting import Sides


def counterterms_sympy(
    counterterms: Counterterms, loss: sympy.Expr, variables: Sequence[sympy.Symbol]
) -> list[sympy.Matrix]:
    """``[ξ_0, ξ_1, …]`` of a loss, each a column in the order of ``variables``; expanded if the loss is a polynomial.

    Other symbols in the loss are constants.  Raises ``InputError`` if the loss is no SymPy expression (text is not
    read), the variables are not distinct symbols, or the optimiser is one of players: theirs is a field.
    """
    optimizers.check_one_gradient(optimizers.get(counterterms.optimizer), counterterms.parameters)
    if not isinstance(loss, sympy.Expr):
        raise InputError(f"loss {shown(loss)}: not a SymPy expression but {type(loss).__name__}; build it from symbols")
    names = check_variables(variables)
    quick = _by_series(counterterms, loss, names)
    if quick is not None:
        return quick
    return counterterms_of_field(counterterms, [loss.diff(name) for name in names], names)


def counterterms_of_field(
    counterterms: Counterterms, field: Sequence[sympy.Expr], variables: Sequence[sympy.Symbol]
) -> list[sympy.Matrix]:
    """``[ξ_0, ξ_1, …]`` for a vector field in place of the gradient g, as in games; as ``counterterms_sympy`` else."""
    names = check_variables(variables)
    quick = _by_series(counterterms, check_field(field, names), names)
    return combinations_of_trees(counterterms.rows, field, names) if quick is None else quick


def general_of_fields(
    terms: GeneralCounterterms, gradients: Sequence[Sequence[sympy.Expr]], variables: Sequence[sympy.Symbol]
) -> list[sympy.Matrix]:
    """``[leading, ξ_0, …]`` as columns for vector fields in place of the gradients ``g_1``, ``g_2``, …, as in games."""
    rows = [plain(row) for row in (terms.leading, *terms.terms)]
    return general_combinations(rows, terms.functions, gradients, variables)


def _by_series(
    counterterms: Counterterms, model: sympy.Expr | list[sympy.Expr], variables: Sequence[sympy.Symbol]
) -> list[sympy.Matrix] | None:
    """The columns by power series over a polynomial ring; None where trees are needed, or cheaper.

    Trees serve other optimisers than gradient descent, inexact numbers, and functions without a quadratic system.
    """
    parts = [model] if isinstance(model, sympy.Expr) else model
    if counterterms.optimizer != "gradient-descent" or any(part.has(sympy.Float) for part in parts):
        return None
    try:
        program, symbols = lifted(model, variables)
    except InputError:
        return None
    return program_columns(program, symbols, counterterms.order)[1:] if ring_suits(program) else None


@dataclass(frozen=True, repr=False)
class ClosedForm(Formula):
    """``θ̇ = −c g − η Σ_k η^k ξ_k`` of a loss, or ``ẏ = Σ_k η^k f_k`` of a vector field, as exact expressions.

    ``columns`` is ``(c g, ξ_0, …, ξ_{order−1})`` for a loss and ``(f_0, …, f_order)`` for a field.
    """

    model: ExpressionLoss | VectorField
    optimizer: str
    parameters: Mapping[str, Fraction]
    order: int
    columns: tuple[sympy.Matrix, ...]

    @property
    def names(self) -> list[str]:
        """ASCII names of the columns."""
        if isinstance(self.model, VectorField):
            return [f"f_{power}" for power in range(self.order + 1)]
        return ["g", *(f"xi_{index}" for index in range(self.order))]

    def text(self) -> str:
        """One line a column, as ``ξ_0 = (x, 4*y)``."""
        names = (name.replace("xi", "ξ") for name in self.names)
        return "\n".join(f"{name} = {_tuple(column)}" for name, column in zip(names, self.columns, strict=True))

    def sympy_lines(self) -> str:
        """One line a column, as ``xi_0 = [x, 4*y]``, for ``sympy.parse_expr``."""
        lines = (f"{name} = [{_listed(column)}]" for name, column in zip(self.names, self.columns, strict=True))
        return "\n".join(lines)

    def equations(self) -> list[Sides]:
        r"""Left and right sides in LaTeX, one a component: ``\xi_{0,x}``, of one variable ``\xi_0``."""
        names = (name.replace("xi", r"\xi") for name in self.names)
        return [
            pair for name, column in zip(names, self.columns, strict=True) for pair in self._components(name, column)
        ]

    def where(self) -> list[Sides]:
        """The equation of motion that the columns are of, and the loss or field."""
        if isinstance(self.model, VectorField):
            field = self._components("f", self.model.as_sympy)
            return [(r"\dot{y}", series_latex("f", self.order + 1)), *field]
        motion = motion_equations("-g", self.order)
        return [*motion, ("L", sympy.latex(self.model.as_sympy)), *meanings(self.optimizer, self.parameters, motion)]

    def _components(self, name: str, column: Iterable[sympy.Expr]) -> list[Sides]:
        if len(self.model.variables) == 1:
            return [(name, sympy.latex(*column))]
        stem, _, index = name.partition("_")
        places = (f"{index},{variable}" if index else variable for variable in self.model.variables)
        return [(f"{stem}_{{{place}}}", sympy.latex(entry)) for place, entry in zip(places, column, strict=True)]

    def records(self) -> list[dict[str, Any]]:
        """One row a component, in SymPy's syntax."""
        return [
            {"column": name, "variable": variable, "expression": sympy.sstr(entry)}
            for name, column in zip(self.names, self.columns, strict=True)
            for variable, entry in zip(self.model.variables, column, strict=True)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values; expressions are texts in SymPy's syntax."""
        texts = [list(map(sympy.sstr, column)) for column in self.columns]
        record: dict[str, Any] = {
            "optimizer": self.optimizer,
            "parameters": {name: str(value) for name, value in self.parameters.items()},
            "order": self.order,
            "variables": list(self.model.variables),
        }
        if isinstance(self.model, VectorField):
            record["field"] = list(self.model.expressions)
            record["modified_equation"] = [{"power": k, "components": text} for k, text in enumerate(texts)]
        else:
            record["loss"] = self.model.expression
            record["gradient"] = texts[0]
            record["counterterms"] = [{"index": k, "components": text} for k, text in enumerate(texts[1:])]
        return record


def closed_form(
    model: ExpressionLoss | VectorField, order: int, optimizer: str = "gradient-descent", **parameters: object
) -> ClosedForm:
    """The equation of motion of an optimiser on a loss or vector field, exactly, to η^order.

    Raises ``InputError`` for an unknown optimiser, a parameter or an order that is out of range (0 … 20 for gradient
    descent, 0 … 15 for others), and for players who share a loss.
    """
    entry, values = optimizers.chosen(optimizer, parameters)
    if entry.name == "gradient-descent" and order > MAX_ORDER:
        check_order(order, MAX_CLOSED_FORM_ORDER)
        columns = program_columns(model.program, list(model.symbols.values()), order)
    else:
        counterterms = derive_on_trees(entry.name, order, **values)
        variables = [model.symbols[name] for name in model.variables]
        if isinstance(model, VectorField):
            gradient = [-part for part in model.as_sympy]
            columns = counterterms_of_field(counterterms, gradient, variables)
        else:
            gradient = [model.as_sympy.diff(name) for name in variables]
            columns = counterterms_sympy(counterterms, model.as_sympy, variables)
        columns = [coefficient_expression(counterterms.gradient_coefficient) * sympy.Matrix(gradient), *columns]
    if isinstance(model, VectorField):
        columns = [-column for column in columns]
    return ClosedForm(model, entry.name, values, order, tuple(columns))


def _listed(column: sympy.Matrix) -> str:
    return ", ".join(map(sympy.sstr, column))


def _tuple(column: sympy.Matrix) -> str:
    return _listed(column) if len(column) == 1 else f"({_listed(column)})"
