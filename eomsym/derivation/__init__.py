"""Derivation of the equation of motion: exact coefficients over rooted trees, and an independent second route."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from eomsym.derivation.counterterms import MAX_ORDER, Counterterms, Term, check_order, derive, derive_on_trees
from eomsym.derivation.general_terms import GeneralCounterterms, GeneralTerm
from eomsym.derivation.linear_law import DecayLaw, decay_law, series_radius
from eomsym.derivation.modified_loss import ModifiedLoss, modified_loss

if TYPE_CHECKING:
    from eomsym.derivation.concrete import (
        ClosedForm,
        closed_form,
        counterterms_of_field,
        counterterms_sympy,
        general_of_fields,
    )
    from eomsym.derivation.polynomial_ring import modified_equation
    from eomsym.derivation.tree_tables import TreeTable, stream_coefficients, stream_trees, tree_table

__all__ = [
    "MAX_ORDER",
    "ClosedForm",
    "Counterterms",
    "DecayLaw",
    "GeneralCounterterms",
    "GeneralTerm",
    "ModifiedLoss",
    "Term",
    "TreeTable",
    "check_order",
    "closed_form",
    "counterterms_of_field",
    "counterterms_sympy",
    "decay_law",
    "derive",
    "derive_on_trees",
    "general_of_fields",
    "modified_equation",
    "modified_loss",
    "series_radius",
    "stream_coefficients",
    "stream_trees",
    "tree_table",
]

#: What needs SymPy or numba.
_HOME = {
    "ClosedForm": "eomsym.derivation.concrete",
    "closed_form": "eomsym.derivation.concrete",
    "counterterms_of_field": "eomsym.derivation.concrete",
    "counterterms_sympy": "eomsym.derivation.concrete",
    "general_of_fields": "eomsym.derivation.concrete",
    "modified_equation": "eomsym.derivation.polynomial_ring",
    "TreeTable": "eomsym.derivation.tree_tables",
    "stream_coefficients": "eomsym.derivation.tree_tables",
    "stream_trees": "eomsym.derivation.tree_tables",
    "tree_table": "eomsym.derivation.tree_tables",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'eomsym.derivation' has no attribute {name!r}")
