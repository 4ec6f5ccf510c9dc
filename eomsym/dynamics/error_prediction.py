"""The discretization error of an equation of motion, predicted to leading order by a variational equation.

With order N kept, ``θ_EoM(t) − θ_GD = η^{N+1} E_N(t) + O(η^{N+2})`` with ``E_N' = −H E_N + ξ_N``, ``E_N(0) = 0`` along
the gradient flow: the linearised flow carries on what each step leaves behind, ``η^{N+2} ξ_N`` (Hairer, Nørsett &
Wanner, Solving Ordinary Differential Equations I, ch. II.8, asymptotic expansion of the global error).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eomsym.checks import check_positive
from eomsym.dynamics.integration import integrate
from eomsym.dynamics.kernel import Data, FieldKernel, TermsKernel, check_order, check_theta
from eomsym.dynamics.kernel_rule import DESCENT, rule_name
from eomsym.errors import InputError, IntegrationError
from eomsym.result import Result

#: Relative width of a central difference: truncation and round-off are both about 1e−10.
DIFFERENCE = 1e-5


@dataclass(frozen=True, eq=False, repr=False)
class ErrorPrediction(Result):
    """E_N at the end of the flow for several orders N.

    ``coefficients`` is (number of orders, d), row i for ``orders[i]``, whose error falls like ``η^exponents[i]``;
    ``error_estimates`` (number of orders,) bounds the integration error of each row, ‖·‖₂; ``theta`` (d,) is the end of
    the flow; ``evaluations`` counts those of the counter terms.
    """

    orders: tuple[int, ...]
    exponents: tuple[int, ...]
    coefficients: np.ndarray
    error_estimates: np.ndarray
    theta: np.ndarray
    evaluations: int

    def column_values(self) -> dict[str, Any]:
        """One row for each order."""
        sizes = np.linalg.norm(self.coefficients, axis=1)
        named = {"order": self.orders, "exponent": self.exponents, "coefficient": sizes}
        return {**named, "error_estimate": self.error_estimates}

    def error(self, order: int, eta: float) -> float:
        """The predicted distance of the paths ``η^p ‖E_N‖₂``, p the order's exponent.

        Raises ``InputError`` if the order was not asked for.
        """
        if order not in self.orders:
            raise InputError(f"order {order}: not predicted; there are {', '.join(map(str, self.orders))}")
        index = self.orders.index(order)
        return float(eta ** self.exponents[index] * np.linalg.norm(self.coefficients[index]))


def predict_discretization_error(
    kernel: FieldKernel,
    theta: np.ndarray,
    time: float,
    orders: Sequence[int],
    data: Data = (),
    *,
    accuracy: float = 1e-6,
    exponents: Mapping[int, int] | None = None,
    gradient_flow: bool | None = None,
    begun: np.ndarray | None = None,
    places: Sequence[np.ndarray] = (),
) -> ErrorPrediction:
    """E_N(time) for all ``orders`` at once: one flow and one call of the counter terms serve them all.

    ``exponents`` says of an order whose next counter terms vanish which power of η is the first to be wrong, p > N + 1;
    then ``ξ_{p−1}`` drives the error.  Without ``gradient_flow``, by default where a kernel is of
    another rule than descent, the term f̃_0 takes the place of −g, and is differentiated by central differences: six
    digits or more, where three are needed.
    ``begun`` (number of orders, d) is E_N at the start, where the path is not new there; zero if none.
    ``places`` are more points at which the terms show their sizes, where some happen to vanish at the start.
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
    leading = {order: order + 1 for order in kept} | dict(exponents or {})
    highest = max(leading[order] for order in kept)
    check_order(kernel, highest, f"predicting the error of order {max(kept)}")
    rows = [0, *(leading[order] for order in kept)]
    if gradient_flow is None:
        gradient_flow = not isinstance(kernel, TermsKernel) and rule_name(kernel) == DESCENT

    def rate(state: np.ndarray) -> np.ndarray:
        point, *errors = state.reshape(len(rows), -1)
        terms = kernel.counterterms(point, *data, order=highest)
        products = np.array([_derivative(kernel, point, error, data, gradient_flow) for error in errors])
        return np.concatenate([-terms[0], *(terms[rows[1:]] - products)])

    with np.errstate(over="ignore", invalid="ignore"):
        sizes = [
            np.linalg.norm(kernel.counterterms(place, *data, order=highest)[rows], axis=1) for place in (start, *places)
        ]
        scales = time * np.max(sizes, axis=0)
    if not np.isfinite(scales).all():
        raise IntegrationError(f"predicted errors: the terms to order {highest} are not finite at the start")
    # What starts at 0 has no size to be relative to: its own growth, time · ‖ξ_N‖, takes that place.
    allowed = accuracy * np.maximum(scales, np.finfo(np.float64).tiny / accuracy) / np.sqrt(kernel.size)
    initial = np.concatenate([start, np.zeros(len(kept) * kernel.size) if begun is None else begun.ravel()])
    try:
        end = integrate(rate, initial, time, np.repeat(allowed, kernel.size))
    except IntegrationError as error:
        raise IntegrationError(f"predicted errors of orders {', '.join(map(str, kept))}: {error}") from error
    point, *errors = end.state.reshape(len(rows), -1)
    estimates = np.linalg.norm(end.error_estimate.reshape(len(rows), -1)[1:], axis=1)
    return ErrorPrediction(kept, tuple(rows[1:]), np.array(errors), estimates, point, end.evaluations)


def _derivative(
    kernel: FieldKernel, point: np.ndarray, vector: np.ndarray, data: Data, gradient_flow: bool
) -> np.ndarray:
    """Derivative of ``−f̃_0`` along ``vector``."""
    if gradient_flow:
        return kernel.hessian_vector(point, vector, *data)
    size = float(np.linalg.norm(vector))
    if size == 0:
        return np.zeros_like(vector)
    width = DIFFERENCE * (1 + float(np.linalg.norm(point))) / size
    after, before = (kernel.counterterms(point + sign * width * vector, *data, order=0)[0] for sign in (1, -1))
    return (after - before) / (2 * width)
