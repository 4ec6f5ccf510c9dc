"""Derivation of the equation of motion: exact coefficients over rooted trees, and an independent second route."""

from eomsym.derivation.counterterms import MAX_ORDER, Counterterms, Term, check_order, derive
from eomsym.derivation.linear_law import DecayLaw, decay_law
from eomsym.derivation.step_polynomial import modified_coefficients, step_polynomials

__all__ = [
    "MAX_ORDER",
    "Counterterms",
    "DecayLaw",
    "Term",
    "check_order",
    "decay_law",
    "derive",
    "modified_coefficients",
    "step_polynomials",
]
