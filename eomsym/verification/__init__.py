"""Verification: is the equation of motion true to the order promised?  Data objects come back, nothing is printed."""

from eomsym.verification.convergence import verify
from eomsym.verification.study import (
    FLOOR_MARGIN,
    LEAST_POINTS,
    RATIO_TOLERANCE,
    SLOPE_TOLERANCE,
    ConvergenceStudy,
    OrderRecord,
)

__all__ = [
    "FLOOR_MARGIN",
    "LEAST_POINTS",
    "RATIO_TOLERANCE",
    "SLOPE_TOLERANCE",
    "ConvergenceStudy",
    "OrderRecord",
    "verify",
]
