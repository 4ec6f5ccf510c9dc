"""The path of the equation of motion ``θ̇ = −g − η Σ_{k<N} η^k ξ_k``, far more exactly than what is measured with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from eomsym.checks import check_choice, check_positive
from eomsym.double_double import DoubleDouble
from eomsym.dynamics.extrapolation import integrate_by_extrapolation
from eomsym.dynamics.integration import integrate
from eomsym.dynamics.kernel import Data, FieldKernel, check_order, check_theta, is_double_double
from eomsym.dynamics.vectors import Vector, norm
from eomsym.errors import InputError, IntegrationError

#: Integrators by name.
METHODS = ("dop853", "extrapolation")
#: The error allowed in a step, relative to ‖θ‖₂.
DEFAULT_ACCURACY = 1e-14
DEFAULT_ACCURACY_IN_DOUBLE_DOUBLE = 1e-29


@dataclass(frozen=True, eq=False)
class MotionEnd:
    """Where the equation of motion arrives.

    ``theta`` is (d,), of the kernel's arithmetic; ``error_estimate`` bounds its integration error, ‖·‖₂;
    ``evaluations`` counts those of the field.
    """

    theta: Vector
    error_estimate: float
    evaluations: int


def integrate_equation_of_motion(
    kernel: FieldKernel,
    theta: Vector,
    eta: float,
    time: float | DoubleDouble,
    data: Data = (),
    *,
    order: int | None = None,
    accuracy: float | None = None,
    method: str | None = None,
    resum: bool = False,
) -> MotionEnd:
    """θ(time) of the equation of motion of the given order (the kernel's own if none), started at ``theta`` (d,).

    ``accuracy`` is the error ‖·‖₂ allowed in one step of the first run of the integrator; without it, 1e−14 of ‖θ‖₂,
    1e−29 for a double-double kernel.  ``method`` is ``dop853`` or ``extrapolation``, the better of the two where the
    field costs little and many digits are wanted, and the only one for double-double kernels; without it the former
    where it can be.  The error reached is measured by a second run with half the steps and returned (see
    ``integration.integrate`` and ``extrapolation.integrate_by_extrapolation``).
    ``resum`` takes the resummed field, of kernels that have it; where their terms grow too fast it is the plain one.
    Raises ``InputError`` for a bad value, ``IntegrationError`` naming order, η and
    time if the path leaves the floating-point numbers.
    """
    start = check_theta(kernel, theta)
    eta = check_positive("eta", eta)
    if not isinstance(time, DoubleDouble) or not is_double_double(kernel):
        time = check_positive("time", time)
    order = kernel.order if order is None else order
    check_order(kernel, order, "the equation of motion")
    if accuracy is None:
        relative = DEFAULT_ACCURACY_IN_DOUBLE_DOUBLE if is_double_double(kernel) else DEFAULT_ACCURACY
        accuracy = max(relative * norm(start), np.finfo(np.float64).tiny)
    run: Any = integrate_by_extrapolation if _method(kernel, method) == "extrapolation" else integrate
    # SciPy's norm is the root mean square, so an error of ``accuracy`` in ‖·‖₂ is this much in each component.
    per_component = check_positive("accuracy", accuracy) / np.sqrt(kernel.size)
    options: dict[str, Any] = {"order": order, **({"resum": True} if resum else {})}
    try:
        end = run(lambda point: kernel.field(point, eta, *data, **options), start, time, per_component)
    except IntegrationError as error:
        raise IntegrationError(f"equation of motion of order {order}, eta = {eta:g}: {error}") from error
    return MotionEnd(end.state, float(np.linalg.norm(end.error_estimate)), end.evaluations)


def _method(kernel: FieldKernel, method: str | None) -> str:
    if method is not None:
        method = check_choice("method", method, METHODS)
    if method == "dop853" and is_double_double(kernel):
        raise InputError("method 'dop853': works in doubles only; take extrapolation for a double-double kernel")
    return method or ("extrapolation" if is_double_double(kernel) else "dop853")
