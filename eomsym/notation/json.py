"""Counter terms as JSON: the contract of ``eomsym derive --format json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from eomsym.exact_numbers import Coefficient
from eomsym.notation.coefficients import coefficient_text
from eomsym.notation.general import sympy_basis, sympy_definitions
from eomsym.notation.sums import Rows
from eomsym.trees import ColouredTree, Tree

if TYPE_CHECKING:
    from eomsym.derivation.vector_language import ComponentwiseFunction
    from eomsym.notation.general import GeneralSum
    from eomsym.notation.start import StartRows

KEYS = ("optimizer", "parameters", "order", "gradient_coefficient", "counterterms")
#: The last key, where the start was derived too.
START = "start"
#: Which rule the optimiser's name means, where that is not the first one.
DEFINITION = "definition"
COUNTERTERM_KEYS = ("index", "terms")
TERM_KEYS = ("tree", "symmetry", "coefficient")


def counterterms_json(
    optimizer: str,
    parameters: Mapping[str, Fraction],
    gradient_coefficient: Coefficient,
    rows: Rows,
    start: StartRows | None = None,
    definition: int = 1,
) -> str:
    """One JSON object on one line; coefficients are exact and hold 1/σ, every tree is listed, zeros included."""
    values = (
        optimizer,
        {name: str(value) for name, value in parameters.items()},
        len(rows),
        coefficient_text(gradient_coefficient),
        [{"index": k, "terms": [_tree_term(tree, value) for value, tree in row]} for k, row in enumerate(rows)],
    )
    return json.dumps(dict(zip(KEYS, values, strict=True)) | _definition(definition) | _start(start))


def general_json(
    optimizer: str,
    parameters: Mapping[str, Fraction],
    leading: GeneralSum,
    rows: Sequence[GeneralSum],
    fields: Sequence[str],
    functions: Sequence[ComponentwiseFunction],
    start: StartRows | None = None,
    schedule: Sequence[str] = (),
    definition: int = 1,
) -> str:
    """One JSON object: trees as bracket lists with colours, monomials as SymPy reads them."""

    def entries(terms: GeneralSum) -> list[dict[str, Any]]:
        return [
            _tree_term(basis, value)
            if isinstance(basis, ColouredTree)
            else {"term": sympy_basis(basis, fields, functions), "coefficient": coefficient_text(value)}
            for value, basis in terms
        ]

    data = {
        "optimizer": optimizer,
        **_definition(definition),
        "parameters": {name: str(value) for name, value in parameters.items()},
        "order": len(rows),
        "fields": list(fields),
        "functions": sympy_definitions(fields, functions),
        "leading": entries(leading),
        "counterterms": [{"index": k, "terms": entries(row)} for k, row in enumerate(rows)],
    }
    return json.dumps(data | ({"schedule": list(schedule)} if schedule else {}) | _start(start))


def _definition(number: int) -> dict[str, int]:
    return {} if number == 1 else {DEFINITION: number}


def _start(rows: StartRows | None) -> dict[str, Any]:
    if rows is None:
        return {}
    terms = [[_tree_term(tree, value) for value, tree in row] for row in rows]
    return {START: [dict(zip(COUNTERTERM_KEYS, entry, strict=True)) for entry in enumerate(terms, start=1)]}


def _tree_term(tree: Tree | ColouredTree, coefficient: Coefficient) -> dict[str, Any]:
    values = (str(tree), tree.symmetry, coefficient_text(coefficient))
    return dict(zip(TERM_KEYS, values, strict=True))
