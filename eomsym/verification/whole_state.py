"""Does the derived equation of motion of the whole state follow the optimiser from its real start, to each order?

In the rule's own family: ``1 − β = γh`` goes with the small parameter h, and γ is such that β and the largest step size
are those given.  Nothing is settled and no memory is eliminated: the first point is the user's own β and η.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from eomsym import optimizers
from eomsym.checks import check_integer
from eomsym.dynamics import spectral_radius
from eomsym.dynamics.optimizer_path import field_gradient
from eomsym.dynamics.whole_state_kernel import WholeStateKernel
from eomsym.errors import InputError
from eomsym.optimizers import Optimizer, WholeState, check_one_gradient, whole_state
from eomsym.verification.measurement import WholeProblem
from eomsym.verification.posing import LARGEST_STEP_WITH_MEMORY, STEPS, Asked, default_etas, growth_of_terms
from eomsym.verification.study import ConvergenceStudy

#: Rounds in which step size and γ are fitted to one another.
_ROUNDS = 3


def verify_whole_state(
    optimizer: str | Optimizer, asked: Asked, begin: int, parameters: Mapping[str, object]
) -> ConvergenceStudy:
    """``verify(..., state="whole")``: how the error of (θ, memory) at a fixed time falls with the small parameter.

    In the study stand the small parameters, η or h = √η.  Shares not given take the values that people use, other
    parameters their trial values.  The state begins with the optimiser's own memory, or where ``begin`` real steps of
    the largest size lead.  Any kernel with ``gradient_series`` will do.
    Raises ``InputError`` for an optimiser without a slow memory, a bad value, or a start at which its field is not
    smooth, and ``IntegrationError`` if a path leaves the floating-point numbers.
    """
    entry, given = optimizers.chosen(optimizer, parameters)
    scaling = whole_state(entry)
    values = _values(scaling, given)
    check_one_gradient(entry, values)
    arrays, kernel = asked.arrays, asked.series_kernel()
    point = asked.start(kernel)
    with threadpool_limits(limits=1, user_api="blas"):
        radius = spectral_radius(kernel, point, arrays)
        gradient = field_gradient(kernel, arrays, entry.fields(**values))
        state = _Start(entry, gradient, point, check_integer("begin", begin, 0))
        if asked.etas is None:
            steps = _default_steps(kernel, scaling, values, state, arrays, radius)
        else:
            steps = _steps(asked.etas, scaling)
        problem = _problem(kernel, scaling, values, state, steps[0], arrays, asked.orders)
        named = "h = sqrt(eta)" if scaling.power == 2 else "eta"
        told = problem, kernel, steps, STEPS * steps[0], radius
        return asked.study(*told, parameters=values, state="whole", small_parameter=named)


class _Start:
    """The whole state at the start, which depends on the step size only where some steps are taken first."""

    def __init__(self, entry: Optimizer, gradient: Callable[..., Any], theta: np.ndarray, steps: int) -> None:
        self._entry, self._gradient, self._theta, self._steps = entry, gradient, theta, steps

    def at(self, eta: float, values: Mapping[str, Fraction], unit: float) -> list[np.ndarray]:
        numbers = {name: float(value) for name, value in values.items()}
        state = self._entry.initial_state(self._theta, self._gradient, **numbers)
        for _ in range(self._steps):
            state = self._entry.run(self._gradient, state, eta, **numbers)
        return [state[0], *(unit * part for part in state[1:])]


def _values(scaling: WholeState, given: Mapping[str, Fraction]) -> dict[str, Fraction]:
    entry = scaling.optimizer
    used, mild = entry.complete(given), entry.complete(given, trial=True)
    shares = {parameter.name for parameter in scaling.shares}
    return {name: (used if name in shares else mild)[name] for name in used}


def _problem(
    kernel: Any,
    scaling: WholeState,
    values: Mapping[str, Fraction],
    start: _Start,
    h: float,
    data: Sequence[np.ndarray],
    orders: Sequence[int],
) -> WholeProblem:
    """The family through (β, η): its γ and the state at the start."""
    eta = h**scaling.power
    state = start.at(eta, values, h if scaling.power == 2 else 1.0)
    whole = WholeStateKernel(kernel, scaling, scaling.scaled(Fraction(eta), values), [len(part) for part in state])
    z = np.concatenate(state)
    if not _is_smooth(whole, z, data, max(orders) + 1):
        raise InputError(
            f"optimizer {scaling.optimizer.name!r}: its field is not smooth at the start, where a memory under a root "
            "or in a denominator is 0; begin after some steps (begin=5), or take epsilon inside the root"
        )
    exponents = {order: order + 1 for order in orders}
    return WholeProblem(scaling.optimizer.name, whole, z, data, dict(values), exponents)


def _is_smooth(whole: WholeStateKernel, state: np.ndarray, data: Sequence[np.ndarray], order: int) -> bool:
    """Whether the field has its series there: division by zero ends in numbers that no kernel takes."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        try:
            return bool(np.isfinite(whole.counterterms(state, *data, order=order)).all())
        except InputError:
            return False


def _steps(etas: Sequence[float], scaling: WholeState) -> list[float]:
    steps = [scaling.small_parameter(eta) for eta in etas]
    if len(steps) < 2 or any(after >= before for before, after in pairwise(steps)):
        raise InputError(f"etas {list(etas)}: give at least two step sizes, falling")
    for eta, h in zip(etas, steps, strict=True):
        count = STEPS * steps[0] / h
        if abs(count - round(count)) > 1e-9 * count:
            factor = 2**scaling.power
            raise InputError(f"eta {eta!r}: does not divide the time; divide the largest by {factor}, again and again")
    return [steps[0] * round(h / steps[0], 12) for h in steps]


def _default_steps(
    kernel: Any,
    scaling: WholeState,
    values: Mapping[str, Fraction],
    start: _Start,
    data: Sequence[np.ndarray],
    radius: float,
) -> list[float]:
    """The largest is 0.3 over the growth of the field's terms at the start; γ depends on it: some rounds are made."""
    h = LARGEST_STEP_WITH_MEMORY / radius ** (1 / scaling.power)
    for _ in range(_ROUNDS):
        problem = _problem(kernel, scaling, values, start, h, data, [0])
        rows = problem.kernel.counterterms(problem.theta, *data, order=kernel.order)
        growth = growth_of_terms(rows)
        if not 0 < growth < math.inf:
            raise InputError("etas: the field of the whole state vanishes at theta; give some")
        h = min(LARGEST_STEP_WITH_MEMORY / growth, 2 * h)
    return default_etas(1 / h, 1.0)
