"""The equation of motion of a model that is written down: a loss or a vector field, as exact SymPy expressions.

Gradient descent on polynomials and on expressions with few elementary functions goes through power series over a
polynomial ring (``derivation.polynomial_ring``), all else tree by tree (``notation.sympy``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy

from eomsym import optimizers
from eomsym.derivation.deriving import derive_on_trees
from eomsym.derivation.formula import Formula, meanings
from eomsym.derivation.polynomial_ring import MAX_CLOSED_FORM_ORDER, program_columns
from eomsym.derivation.posing import MAX_ORDER, check_order
from eomsym.models import ExpressionLoss, VectorField
from eomsym.notation.typesetting import Sides
from eomsym.notation.writing import LatexWriter


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
            return [(r"\dot{y}", LatexWriter().series("f", range(self.order + 1))), *field]
        sides = LatexWriter().motion("-g", self.order)
        return [*sides, ("L", sympy.latex(self.model.as_sympy)), *meanings(self.optimizer, self.parameters, sides)]

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
        equation = derive_on_trees(entry.name, order, **values)
        variables = [model.symbols[name] for name in model.variables]
        if isinstance(model, VectorField):
            columns = equation.at_fields([[-part for part in model.as_sympy]], variables)
        else:
            columns = equation.to_sympy(model.as_sympy, variables)
    if isinstance(model, VectorField):
        columns = [-column for column in columns]
    return ClosedForm(model, entry.name, values, order, tuple(columns))


def _listed(column: sympy.Matrix) -> str:
    return ", ".join(map(sympy.sstr, column))


def _tuple(column: sympy.Matrix) -> str:
    return _listed(column) if len(column) == 1 else f"({_listed(column)})"
