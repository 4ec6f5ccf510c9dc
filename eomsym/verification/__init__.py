"""Verification: is the equation of motion true to the order promised?  Data objects come back, nothing is printed."""

from eomsym.verification.convergence import verify
from eomsym.verification.equilibrium import ArgumentToy, Equilibrium, measure_equilibrium
from eomsym.verification.scale import ScaleStudy, norm_law, scale_law_defect, study_scale
from eomsym.verification.study import (
    FLOOR_MARGIN,
    LEAST_POINTS,
    RATIO_TOLERANCE,
    SLOPE_TOLERANCE,
    ConvergenceStudy,
    OrderRecord,
)
from eomsym.verification.translation import (
    RatePrediction,
    TranslationStudy,
    study_translation,
    translation_law_defect,
)

__all__ = [
    "FLOOR_MARGIN",
    "LEAST_POINTS",
    "RATIO_TOLERANCE",
    "SLOPE_TOLERANCE",
    "ArgumentToy",
    "ConvergenceStudy",
    "Equilibrium",
    "OrderRecord",
    "RatePrediction",
    "ScaleStudy",
    "TranslationStudy",
    "measure_equilibrium",
    "norm_law",
    "scale_law_defect",
    "study_scale",
    "study_translation",
    "translation_law_defect",
    "verify",
]
