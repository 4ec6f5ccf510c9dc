"""Verification: is the equation of motion true to the order promised?  Data objects come back, nothing is printed."""

from eomsym.verification.accuracy import evaluation_noise, measure_accuracy
from eomsym.verification.audit_record import Audit
from eomsym.verification.auditing import audit
from eomsym.verification.certificate import Certificate, certify
from eomsym.verification.conservation import ConservationStudy, study_conservation
from eomsym.verification.convergence import verify
from eomsym.verification.discretization import (
    OrderAdvice,
    StepAdvice,
    recommend_order,
    recommend_step,
)
from eomsym.verification.drift_record import Drift
from eomsym.verification.drifting import drift, kernel_for_drift
from eomsym.verification.edge import EdgePoint, edge_point
from eomsym.verification.follow_record import Follow
from eomsym.verification.following import follow
from eomsym.verification.regulariser import ImplicitRegulariser, implicit_regulariser
from eomsym.verification.scale import ScaleStudy, study_scale
from eomsym.verification.study import ConvergenceStudy, OrderRecord
from eomsym.verification.terms import TermStudy, study_terms
from eomsym.verification.translation import TranslationStudy, study_translation

__all__ = [
    "Audit",
    "Certificate",
    "ConservationStudy",
    "ConvergenceStudy",
    "Drift",
    "EdgePoint",
    "Follow",
    "ImplicitRegulariser",
    "OrderAdvice",
    "OrderRecord",
    "ScaleStudy",
    "StepAdvice",
    "TermStudy",
    "TranslationStudy",
    "audit",
    "certify",
    "drift",
    "edge_point",
    "evaluation_noise",
    "follow",
    "implicit_regulariser",
    "kernel_for_drift",
    "measure_accuracy",
    "recommend_order",
    "recommend_step",
    "study_conservation",
    "study_scale",
    "study_terms",
    "study_translation",
    "verify",
]
