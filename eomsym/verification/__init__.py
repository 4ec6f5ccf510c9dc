"""The questions: each a function of a ``Training``, each answered by a result.  Nothing is printed."""

from eomsym.verification.accuracy import evaluation_noise, measure_accuracy
from eomsym.verification.auditing import Audit, audit
from eomsym.verification.batches import Batches
from eomsym.verification.certifying import Certificate, certify
from eomsym.verification.conserving import Conserved, conserved
from eomsym.verification.drifting import Drift, drift
from eomsym.verification.edge_of_stability import Edge, edge
from eomsym.verification.following import Follow, follow
from eomsym.verification.random_batches import noise
from eomsym.verification.recommending import OrderAdvice, Recommendation, StepAdvice, recommend, recommend_order
from eomsym.verification.regularising import ImplicitRegulariser, implicit_regulariser
from eomsym.verification.scale_law import Scale, scale
from eomsym.verification.terms_along import Terms, terms
from eomsym.verification.training import Training
from eomsym.verification.translation_law import Translation, translation
from eomsym.verification.verification_record import OrderRecord, Verification
from eomsym.verification.verifying import verify
from eomsym.verification.what_if import TrainingsCompared, compare_trainings

__all__ = [
    "ImplicitRegulariser",
    "OrderAdvice",
    "OrderRecord",
    "Scale",
    "StepAdvice",
    "TrainingsCompared",
    "Translation",
    "evaluation_noise",
    "recommend_order",
    "scale",
    "translation",
]
