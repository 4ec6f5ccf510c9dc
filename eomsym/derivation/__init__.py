"""Derivation of the equation of motion: exact coefficients over rooted trees, and an independent second route."""

from eomsym.derivation.counterterms import MAX_ORDER, Counterterms, Term, check_order, derive
from eomsym.derivation.general_terms import GeneralCounterterms, GeneralTerm
from eomsym.derivation.modified_loss import ModifiedLoss, modified_loss
from eomsym.derivation.step_polynomial import modified_coefficients, step_polynomials

__all__ = [
    "MAX_ORDER",
    "Counterterms",
    "GeneralCounterterms",
    "GeneralTerm",
    "ModifiedLoss",
    "Term",
    "check_order",
    "derive",
    "modified_coefficients",
    "modified_loss",
    "step_polynomials",
]
