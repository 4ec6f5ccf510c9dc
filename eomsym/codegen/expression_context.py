"""All that the template of a loss or vector field is given."""

from __future__ import annotations

import textwrap
from typing import Any

from eomsym.codegen import expression_statements
from eomsym.codegen.rule_program import rule_program
from eomsym.codegen.spec import KernelSpec
from eomsym.codegen.table_text import table
from eomsym.models import MLP, ExpressionLoss, VectorField
from eomsym.series.program import Variable
from eomsym.step_index.tables import small_nodes

#: The call that makes a level of a gradient where other optimisers are written out.
GRADIENT = "_gradient(work[{index}], {point}, k, parameters)"


def expression_context(spec: KernelSpec) -> dict[str, Any]:
    """All that the template of a loss or vector field is given."""
    assert not isinstance(spec.model, MLP)
    program, terms = spec.model.program, spec.order + 1
    tables, descent = small_nodes(spec.rule, terms), spec.optimizer == "gradient-descent"
    return {
        "spec": spec,
        "description": description(spec.model),
        "program": program,
        "variables": tuple(program.operations.index(Variable(index)) for index in range(program.variables)),
        "start": expression_statements.start_parts(program),
        "series": expression_statements.series_operations(program),
        "functions": expression_statements.functions(program),
        "nodes": tables.nodes,
        "summation": table([tables.summation(k) for k in range(terms)]),
        "logarithm": table([tables.logarithm(k)[0] for k in range(terms)]),
        "rule": None if descent else rule_program(spec.rule, terms, GRADIENT, partial=False),
    }


def description(model: ExpressionLoss | VectorField) -> list[str]:
    """Lines of the opening comment that say what is differentiated."""
    if isinstance(model, ExpressionLoss):
        what = [f"Loss: {model.expression}"]
    else:
        pairs = zip(model.variables, model.expressions, strict=True)
        what = ["Vector field, g = -f:", *(f"  d{name}/dt = {text}" for name, text in pairs)]
    parameters = f"; parameters {', '.join(model.parameters)}" if model.parameters else ""
    return [
        *(line for text in what for line in textwrap.wrap(text, 118, subsequent_indent="  ", break_on_hyphens=False)),
        f"Input: theta = ({', '.join(model.variables)}){parameters}; double precision.",
    ]
