"""Verification: is the equation of motion true to the order promised?  Data objects come back, nothing is printed."""

from eomsym.verification.accuracy import evaluation_noise, measure_accuracy
from eomsym.verification.audit_record import Audit, AuditRow
from eomsym.verification.auditing import audit
from eomsym.verification.certificate import Certificate, certify
from eomsym.verification.conservation import ConservationStudy, conserved_quantities, study_conservation
from eomsym.verification.convergence import error_exponents, measure_errors, verify
from eomsym.verification.discretization import (
    OrderAdvice,
    StepAdvice,
    recommend_order,
    recommend_step,
)
from eomsym.verification.drift_record import Drift
from eomsym.verification.drifting import drift, kernel_for_drift
from eomsym.verification.edge import EdgePoint, edge_point
from eomsym.verification.follow_record import Follow, FollowedOrder
from eomsym.verification.following import follow, kernel_to_follow
from eomsym.verification.observables import Observable, read_observable
from eomsym.verification.regulariser import ImplicitRegulariser, implicit_regulariser
from eomsym.verification.scale import ScaleStudy, norm_law, scale_law_defect, study_scale
from eomsym.verification.study import (
    FLOOR_MARGIN,
    LEAST_POINTS,
    RATIO_TOLERANCE,
    SLOPE_TOLERANCE,
    ConvergenceStudy,
    Floor,
    OrderRecord,
)
from eomsym.verification.terms import TermStudy, chain_rate, measure_terms, study_terms
from eomsym.verification.translation import RatePrediction, TranslationStudy, study_translation

__all__ = [
    "FLOOR_MARGIN",
    "LEAST_POINTS",
    "RATIO_TOLERANCE",
    "SLOPE_TOLERANCE",
    "Audit",
    "AuditRow",
    "Certificate",
    "ConservationStudy",
    "ConvergenceStudy",
    "Drift",
    "EdgePoint",
    "Floor",
    "Follow",
    "FollowedOrder",
    "ImplicitRegulariser",
    "Observable",
    "OrderAdvice",
    "OrderRecord",
    "RatePrediction",
    "ScaleStudy",
    "StepAdvice",
    "TermStudy",
    "TranslationStudy",
    "audit",
    "certify",
    "chain_rate",
    "conserved_quantities",
    "drift",
    "edge_point",
    "error_exponents",
    "evaluation_noise",
    "follow",
    "implicit_regulariser",
    "kernel_for_drift",
    "kernel_to_follow",
    "measure_accuracy",
    "measure_errors",
    "measure_terms",
    "norm_law",
    "read_observable",
    "recommend_order",
    "recommend_step",
    "scale_law_defect",
    "study_conservation",
    "study_scale",
    "study_terms",
    "study_translation",
    "verify",
]
