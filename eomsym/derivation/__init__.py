"""Derivation of the equation of motion: exact coefficients over rooted trees, and an independent second route."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from eomsym.derivation.counterterms import MAX_ORDER, Counterterms, Term, check_order, derive, derive_on_trees
from eomsym.derivation.general_terms import GeneralCounterterms, GeneralTerm
from eomsym.derivation.linear_law import DecayLaw, decay_law
from eomsym.derivation.modified_loss import ModifiedLoss, modified_loss
from eomsym.derivation.step_polynomial import modified_coefficients, step_polynomials

if TYPE_CHECKING:
    from eomsym.derivation.closed_form import modified_equation

__all__ = [
    "MAX_ORDER",
    "Counterterms",
    "DecayLaw",
    "GeneralCounterterms",
    "GeneralTerm",
    "ModifiedLoss",
    "Term",
    "check_order",
    "decay_law",
    "derive",
    "derive_on_trees",
    "modified_coefficients",
    "modified_equation",
    "modified_loss",
    "step_polynomials",
]


def __getattr__(name: str) -> Any:
    if name == "modified_equation":  # needs SymPy
        return import_module("eomsym.derivation.closed_form").modified_equation
    raise AttributeError(f"module 'eomsym.derivation' has no attribute {name!r}")
