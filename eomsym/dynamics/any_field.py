"""Paths of fields that come from other libraries, in their precision."""

from __future__ import annotations

import numpy as np
from scipy.integrate import solve_ivp

from eomsym.dynamics.integration import Rate
from eomsym.errors import IntegrationError


def integrate_vector(rate: Rate, start: np.ndarray, time: float, tolerance: float, precision: float) -> np.ndarray:
    """``y(time)`` for ``y' = rate(y)``, ``y(0) = start`` (n,), by DOP853 with this relative and absolute tolerance.

    ``precision`` is the machine epsilon of the rate's own arithmetic: a smaller tolerance would chase its round-off for
    ever and is raised to 100 times this.  Raises ``IntegrationError`` if the path leaves the floating-point numbers.
    """
    allowed = max(tolerance, 100 * precision)
    if not np.isfinite(rate(start)).all():
        raise IntegrationError("path: its speed is not finite where it begins")
    # A step that is tried may leave the field's domain: what is not finite there makes SciPy's step smaller.
    with np.errstate(over="ignore", invalid="ignore"):
        path = solve_ivp(
            lambda now, state: rate(state),
            (0.0, time),
            start,
            method="DOP853",
            rtol=allowed,
            atol=allowed,
            t_eval=[time],
        )
    if not path.success:
        raise IntegrationError(f"path: stopped before time {time:g}: {path.message}")
    return path.y[:, -1]
