"""The equation of motion of a model that is written down, in closed form and in every notation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import sympy

from eomsym import optimizers
from eomsym.derivation import MAX_ORDER, derive_on_trees
from eomsym.derivation.closed_form import field_counterterms, loss_counterterms
from eomsym.models import ExpressionLoss, VectorField
from eomsym.notation.coefficients import coefficient_expression
from eomsym.notation.sympy import counterterms_of_field, counterterms_sympy


@dataclass(frozen=True)
class ClosedForm:
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

    def latex(self) -> str:
        """An ``aligned`` LaTeX block."""
        names = (name.replace("xi", r"\xi") for name in self.names)
        rows = [f"{name} &= {_latex(column)}" for name, column in zip(names, self.columns, strict=True)]
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    def to_json(self) -> str:
        """One JSON object; expressions are texts in SymPy's syntax."""
        texts = [list(map(sympy.sstr, column)) for column in self.columns]
        record: dict[str, object] = {
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
        return json.dumps(record, ensure_ascii=False)


def closed_form(
    model: ExpressionLoss | VectorField, order: int, optimizer: str = "gradient-descent", **parameters: object
) -> ClosedForm:
    """The equation of motion of an optimiser on a loss or vector field, exactly, to η^order.

    Raises ``InputError`` for an unknown optimiser, a parameter or an order that is out of range (0 … 20 for gradient
    descent, 0 … 15 for others).
    """
    entry = optimizers.get(optimizer)
    variables = [model.symbols[name] for name in model.variables]
    values = entry.read_parameters(parameters)
    if entry.name == "gradient-descent" and order > MAX_ORDER:
        columns = _by_series(model, variables, order)
    else:
        counterterms = derive_on_trees(entry.name, order, **values)
        factor = coefficient_expression(counterterms.gradient_coefficient)
        if isinstance(model, VectorField):
            gradient = [-part for part in model.as_sympy]
            columns = counterterms_of_field(counterterms, gradient, variables)
        else:
            gradient = [model.as_sympy.diff(name) for name in variables]
            columns = counterterms_sympy(counterterms, model.as_sympy, variables)
        columns = [factor * sympy.Matrix(gradient), *columns]
    if isinstance(model, VectorField):
        columns = [-column for column in columns]
    return ClosedForm(model, entry.name, values, order, tuple(columns))


def _by_series(model: ExpressionLoss | VectorField, variables: list[sympy.Symbol], order: int) -> list[sympy.Matrix]:
    if isinstance(model, VectorField):
        return field_counterterms([-part for part in model.as_sympy], variables, order)
    return loss_counterterms(model.as_sympy, variables, order)


def _listed(column: sympy.Matrix) -> str:
    return ", ".join(map(sympy.sstr, column))


def _tuple(column: sympy.Matrix) -> str:
    return _listed(column) if len(column) == 1 else f"({_listed(column)})"


def _latex(column: sympy.Matrix) -> str:
    return sympy.latex(column[0] if len(column) == 1 else column)
