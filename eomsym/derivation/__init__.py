"""Derivation of the equation of motion: exact coefficients over rooted trees, and an independent second route."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eomsym import lazy
from eomsym.derivation.corrected_descent import CorrectedStep, corrected_step
from eomsym.derivation.counterterms import MAX_ORDER, Counterterms, Term, check_order, derive, derive_on_trees
from eomsym.derivation.designing import Design, design
from eomsym.derivation.general_terms import GeneralCounterterms, GeneralTerm
from eomsym.derivation.linear_law import DecayLaw, decay_law, series_radius
from eomsym.derivation.modified_loss import ModifiedLoss, modified_loss
from eomsym.derivation.noise_generator import MAX_GENERATOR_ORDER, ModifiedGenerator, modified_generator
from eomsym.derivation.start_terms import StartTerms, start_terms
from eomsym.derivation.whole_state import WholeStateEquation, derive_whole_state

# What needs SymPy or numba.
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
    "MAX_GENERATOR_ORDER",
    "MAX_ORDER",
    "ClosedForm",
    "CorrectedStep",
    "Counterterms",
    "DecayLaw",
    "Design",
    "GeneralCounterterms",
    "GeneralTerm",
    "ModifiedGenerator",
    "ModifiedLoss",
    "StartTerms",
    "Term",
    "TreeTable",
    "WholeStateEquation",
    "check_order",
    "closed_form",
    "corrected_step",
    "counterterms_of_field",
    "counterterms_sympy",
    "decay_law",
    "derive",
    "derive_on_trees",
    "derive_whole_state",
    "design",
    "general_of_fields",
    "modified_equation",
    "modified_generator",
    "modified_loss",
    "series_radius",
    "start_terms",
    "stream_coefficients",
    "stream_trees",
    "tree_table",
]

__getattr__, __dir__ = lazy.attach(__name__)
