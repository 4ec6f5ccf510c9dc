"""The path of the equation of motion ``θ̇ = −g − η Σ_{k<N} η^k ξ_k``, far more exactly than what is measured with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eomsym.dynamics.integration import integrate
from eomsym.dynamics.kernel import Data, FieldKernel, check_order, check_positive, check_theta


@dataclass(frozen=True, eq=False)
class MotionEnd:
    """Where the equation of motion arrives.

    ``theta`` is (d,); ``error_estimate`` bounds its integration error, ‖·‖₂; ``evaluations`` counts those of the field.
    """

    theta: np.ndarray
    error_estimate: float
    evaluations: int


def integrate_equation_of_motion(
    kernel: FieldKernel,
    theta: np.ndarray,
    eta: float,
    time: float,
    data: Data = (),
    *,
    order: int | None = None,
    accuracy: float | None = None,
) -> MotionEnd:
    """θ(time) of the equation of motion of the given order (the kernel's own if none), started at ``theta`` (d,).

    ``accuracy`` is the error ‖·‖₂ allowed in one step of the first run of the integrator; without it, 1e−14 of ‖θ‖₂.
    The error reached is measured by a second run with half the steps and returned (see ``integration.integrate``).
    Raises ``InputError`` for a bad value, ``IntegrationError`` if the path leaves the floating-point numbers.
    """
    start = check_theta(kernel, theta)
    eta, time = check_positive("eta", eta), check_positive("time", time)
    order = kernel.order if order is None else order
    check_order(kernel, order, "the equation of motion")
    if accuracy is None:
        accuracy = max(1e-14 * float(np.linalg.norm(start)), np.finfo(np.float64).tiny)
    # SciPy's norm is the root mean square, so an error of ``accuracy`` in ‖·‖₂ is this much in each component.
    per_component = check_positive("accuracy", accuracy) / np.sqrt(kernel.size)
    end = integrate(lambda point: kernel.field(point, eta, *data, order=order), start, time, per_component)
    return MotionEnd(end.state, float(np.linalg.norm(end.error_estimate)), end.evaluations)
