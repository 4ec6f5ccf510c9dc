"""The path of the equation of motion ``θ̇ = −g − η Σ_{k<N} η^k ξ_k``, far more exactly than what is measured with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, overload

import numpy as np

from eomsym.checks import check_choice, check_positive
from eomsym.double_double import DoubleDouble
from eomsym.dynamics.extrapolation import integrate_by_extrapolation
from eomsym.dynamics.integration import Path, Rate, integrate, integrate_path
from eomsym.dynamics.kernel import Data, FieldKernel, check_order, check_theta, is_double_double
from eomsym.dynamics.vectors import Vector, norm
from eomsym.errors import InputError, IntegrationError, OverflowInKernelError
from eomsym.result import Result

#: Integrators by name.
METHODS = ("dop853", "extrapolation")
#: The error allowed in a step, relative to ‖θ‖₂.
DEFAULT_ACCURACY = 1e-14
DEFAULT_ACCURACY_IN_DOUBLE_DOUBLE = 1e-29


@dataclass(frozen=True, eq=False, repr=False)
class MotionEnd(Result):
    """Where the equation of motion arrives.

    ``theta`` is (d,), of the kernel's arithmetic; ``error_estimate`` bounds its integration error, ‖·‖₂;
    ``evaluations`` counts those of the field.
    """

    theta: Vector
    error_estimate: float
    evaluations: int


@overload
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
) -> MotionEnd: ...


@overload
def integrate_equation_of_motion(
    kernel: FieldKernel,
    theta: Vector,
    eta: float,
    *,
    data: Data = (),
    times: Sequence[float] | np.ndarray,
    dense: bool = False,
    order: int | None = None,
    accuracy: float | None = None,
    method: str | None = None,
    resum: bool = False,
) -> Path: ...


def integrate_equation_of_motion(
    kernel: FieldKernel,
    theta: Vector,
    eta: float,
    time: float | DoubleDouble | None = None,
    data: Data = (),
    *,
    times: Sequence[float] | np.ndarray | None = None,
    dense: bool = False,
    order: int | None = None,
    accuracy: float | None = None,
    method: str | None = None,
    resum: bool = False,
) -> MotionEnd | Path:
    """θ(time) of the equation of motion of the given order (the kernel's own if none), started at ``theta`` (d,).

    With ``times``, rising and not negative, in place of ``time`` it is the path at all of them (``dop853`` alone); with
    ``dense`` its ``sol`` is a function of time beside, whose errors between the ``times`` are those of an interpolation
    of order 7 and not measured.
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
    rate = modified_vector_field(kernel, eta, data, order=order, resum=resum)
    if (time is None) == (times is None) or (dense and times is None):
        raise InputError("time, times: give one of them, and times where the path is to be dense")
    order = kernel.order if order is None else order
    if accuracy is None:
        relative = DEFAULT_ACCURACY_IN_DOUBLE_DOUBLE if is_double_double(kernel) else DEFAULT_ACCURACY
        accuracy = max(relative * norm(start), np.finfo(np.float64).tiny)
    # SciPy's norm is the root mean square, so an error of ``accuracy`` in ‖·‖₂ is this much in each component.
    per_component = check_positive("accuracy", accuracy) / np.sqrt(kernel.size)
    chosen = _method(kernel, method)
    try:
        if times is not None:
            if chosen != "dop853":
                raise InputError("times: read between the steps of dop853 in doubles; here give one time a call")
            return _read_at(partial(rate, 0.0), start, _checked_times(times), per_component, dense)
        if not isinstance(time, DoubleDouble) or not is_double_double(kernel):
            time = check_positive("time", time)
        run: Any = integrate_by_extrapolation if chosen == "extrapolation" else integrate
        end = run(partial(rate, 0.0), start, time, per_component)
    except (IntegrationError, OverflowInKernelError) as error:
        raise IntegrationError(f"equation of motion of order {order}, eta = {eta:g}: {error}") from error
    return MotionEnd(end.state, float(np.linalg.norm(end.error_estimate)), end.evaluations)


def modified_vector_field(
    kernel: FieldKernel, eta: float, data: Data = (), *, order: int | None = None, resum: bool = False
) -> Callable[[float, Vector], Vector]:
    """``(t, θ) ↦ −g − η Σ_{k<order} η^k ξ_k`` as ``scipy.integrate.solve_ivp`` and other solvers take it.

    Theirs are then events and stiff methods.  It does not depend on t.  Raises ``InputError`` for a bad value.
    """
    eta = check_positive("eta", eta)
    order = kernel.order if order is None else order
    check_order(kernel, order, "the equation of motion")
    options: dict[str, Any] = {"order": order, **({"resum": True} if resum else {})}
    return lambda t, theta: kernel.field(theta, eta, *data, **options)


def _read_at(rate: Rate, start: np.ndarray, times: np.ndarray, absolute: float, dense: bool) -> Path:
    if times[0] == 0:
        if len(times) == 1:
            raise InputError("times [0.0]: only the start; give a later time too")
        return integrate_path(rate, start, times, absolute, dense=dense)
    path = integrate_path(rate, start, np.array([0.0, *times]), absolute, dense=dense)
    return replace(path, times=times, states=path.states[1:], error_estimates=path.error_estimates[1:])


def _checked_times(times: Sequence[float] | np.ndarray) -> np.ndarray:
    try:
        found = np.array(times, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"times: {error}; give numbers") from error
    if found.ndim != 1 or not found.size or not np.isfinite(found).all():
        raise InputError(f"times of shape {found.shape}: give a row of finite numbers, at least one")
    if found[0] < 0 or (np.diff(found) <= 0).any():
        raise InputError("times: not rising from 0 or later; sort them and give each once")
    return found


def _method(kernel: FieldKernel, method: str | None) -> str:
    if method is not None:
        method = check_choice("method", method, METHODS)
    if method == "dop853" and is_double_double(kernel):
        raise InputError("method 'dop853': works in doubles only; take extrapolation for a double-double kernel")
    return method or ("extrapolation" if is_double_double(kernel) else "dop853")
