"""The path of the equation of motion ``θ̇ = −g − η Σ_{k<N} η^k ξ_k``, far more exactly than what is measured with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from eomsym.checks import check_positive
from eomsym.double_double import DoubleDouble
from eomsym.dynamics.extrapolation import integrate_by_extrapolation
from eomsym.dynamics.integration import Path, Rate, integrate, integrate_path
from eomsym.dynamics.kernel import Data, FieldKernel, check_order, check_theta, is_double_double
from eomsym.dynamics.vectors import Vector, norm
from eomsym.errors import InputError, IntegrationError, OverflowInKernelError

#: The error allowed in a step, relative to ‖θ‖₂.
DEFAULT_ACCURACY = 1e-14
DEFAULT_ACCURACY_IN_DOUBLE_DOUBLE = 1e-29


def integrate_equation_of_motion(
    kernel: FieldKernel,
    theta: Vector,
    eta: float,
    times: float | DoubleDouble | Sequence[float] | np.ndarray,
    data: Data = (),
    *,
    dense: bool = False,
    order: int | None = None,
    accuracy: float | None = None,
    resum: bool = False,
) -> Path:
    """The path of the equation of motion of the given order (the kernel's own if none), started at ``theta`` (d,).

    ``times`` is one time, or several, rising and not negative, for kernels of doubles; with ``dense`` the path's
    ``sol`` is a function of time beside, whose errors between the times are those of an interpolation of order 7 and
    not measured.
    ``accuracy`` is the error ‖·‖₂ allowed in one step of the first run of the integrator; without it, 1e−14 of ‖θ‖₂,
    1e−29 for a double-double kernel.  The error reached is measured by a second run with half the steps and returned
    (see ``integration.integrate`` and, for double-double kernels, ``extrapolation.integrate_by_extrapolation``).
    ``resum`` takes the resummed field, of kernels that have it; where their terms grow too fast it is the plain one.
    Raises ``InputError`` for a bad value, ``IntegrationError`` naming order, η and
    time if the path leaves the floating-point numbers.
    """
    start, eta, exact = check_theta(kernel, theta), check_positive("eta", eta), is_double_double(kernel)
    order = kernel.order if order is None else order
    check_order(kernel, order, "the equation of motion")
    if accuracy is None:
        relative = DEFAULT_ACCURACY_IN_DOUBLE_DOUBLE if exact else DEFAULT_ACCURACY
        accuracy = max(relative * norm(start), np.finfo(np.float64).tiny)
    # SciPy's norm is the root mean square, so an error of ``accuracy`` in ‖·‖₂ is this much in each component.
    per_component = check_positive("accuracy", accuracy) / np.sqrt(kernel.size)
    options: dict[str, Any] = {"order": order, **({"resum": True} if resum else {})}

    def rate(point: Vector) -> Vector:
        return kernel.field(point, eta, *data, **options)

    several = hasattr(times, "__len__") and not isinstance(times, (str, DoubleDouble))
    if (several or dense) and exact:
        raise InputError("times: several are read between the steps of doubles; here give one time a call")
    try:
        if several or dense:
            return _read_at(rate, start, _checked_times(times), per_component, dense)
        time: Any = times if isinstance(times, DoubleDouble) and exact else check_positive("time", times)
        end = (integrate_by_extrapolation if exact else integrate)(rate, start, time, per_component)
    except (IntegrationError, OverflowInKernelError) as error:
        raise IntegrationError(f"equation of motion of order {order}, eta = {eta:g}: {error}") from error
    return Path.to(time, end.state, float(np.linalg.norm(end.error_estimate)), end.evaluations)


def _read_at(rate: Rate, start: np.ndarray, times: np.ndarray, absolute: float, dense: bool) -> Path:
    if times[0] == 0:
        if len(times) == 1:
            raise InputError("times [0.0]: only the start; give a later time too")
        return integrate_path(rate, start, times, absolute, dense=dense)
    path = integrate_path(rate, start, np.array([0.0, *times]), absolute, dense=dense)
    return replace(path, times=times, states=path.states[1:], error_estimates=path.error_estimates[1:])


def _checked_times(times: Any) -> np.ndarray:
    try:
        found = np.array(times, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"times: {error}; give numbers") from error
    if found.ndim != 1 or not found.size or not np.isfinite(found).all():
        raise InputError(f"times of shape {found.shape}: give a row of finite numbers, at least one")
    if found[0] < 0 or (np.diff(found) <= 0).any():
        raise InputError("times: not rising from 0 or later; sort them and give each once")
    return found
