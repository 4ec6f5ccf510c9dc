"""The discretization error of an equation of motion, predicted to leading order by a variational equation.

With order N kept, ``θ_EoM(t) − θ_GD = η^{N+1} E_N(t) + O(η^{N+2})`` with ``E_N' = −H E_N + ξ_N``, ``E_N(0) = 0`` along
the gradient flow: the linearised flow carries on what each step leaves behind, ``η^{N+2} ξ_N`` (Hairer, Nørsett &
Wanner, Solving Ordinary Differential Equations I, ch. II.8, asymptotic expansion of the global error).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eomsym.dynamics.integration import integrate
from eomsym.dynamics.kernel import Data, FieldKernel, check_order, check_positive, check_theta
from eomsym.errors import InputError


@dataclass(frozen=True, eq=False)
class ErrorPrediction:
    """E_N at the end of the flow for several orders N.

    ``coefficients`` is (number of orders, d), row i for ``orders[i]``; ``error_estimates`` (number of orders,) bounds
    the integration error of each row, ‖·‖₂; ``theta`` (d,) is the end of the gradient flow; ``evaluations`` counts
    those of the counter terms.
    """

    orders: tuple[int, ...]
    coefficients: np.ndarray
    error_estimates: np.ndarray
    theta: np.ndarray
    evaluations: int

    def error(self, order: int, eta: float) -> float:
        """``η^{N+1} ‖E_N‖₂``, the predicted ‖θ_EoM − θ_GD‖₂.  Raises ``InputError`` if the order was not asked for."""
        if order not in self.orders:
            raise InputError(f"order {order}: not predicted; there are {', '.join(map(str, self.orders))}")
        return float(eta ** (order + 1) * np.linalg.norm(self.coefficients[self.orders.index(order)]))


def predict_discretization_error(
    kernel: FieldKernel,
    theta: np.ndarray,
    time: float,
    orders: Sequence[int],
    data: Data = (),
    *,
    accuracy: float = 1e-6,
) -> ErrorPrediction:
    """E_N(time) for all ``orders`` at once: one flow and one call of the counter terms serve them all.

    ``accuracy`` is the relative error allowed in one step of the integrator.  The kernel must have order
    ``max(orders) + 1``, for ξ_N.
    Raises ``InputError`` for a bad value, ``IntegrationError`` if the flow leaves the floating-point numbers.
    """
    start = check_theta(kernel, theta)
    time, accuracy = check_positive("time", time), check_positive("accuracy", accuracy)
    kept = tuple(orders)
    if not kept:
        raise InputError("orders: none given; give at least one, such as 0")
    for order in kept:
        check_order(kernel, order + 1, f"predicting the error of order {order}")
    highest = max(kept) + 1
    rows = [0, *(order + 1 for order in kept)]

    def rate(state: np.ndarray) -> np.ndarray:
        point, *errors = state.reshape(len(rows), -1)
        terms = kernel.counterterms(point, *data, order=highest)
        products = np.array([kernel.hessian_vector(point, error, *data) for error in errors])
        return np.concatenate([-terms[0], *(terms[rows[1:]] - products)])

    scales = time * np.linalg.norm(kernel.counterterms(start, *data, order=highest)[rows], axis=1)
    # What starts at 0 has no size to be relative to: its own growth, time · ‖ξ_N‖, takes that place.
    allowed = accuracy * np.maximum(scales, np.finfo(np.float64).tiny / accuracy) / np.sqrt(kernel.size)
    initial = np.concatenate([start, np.zeros(len(kept) * kernel.size)])
    end = integrate(rate, initial, time, np.repeat(allowed, kernel.size))
    point, *errors = end.state.reshape(len(rows), -1)
    estimates = np.linalg.norm(end.error_estimate.reshape(len(rows), -1)[1:], axis=1)
    return ErrorPrediction(kept, np.array(errors), estimates, point, end.evaluations)
