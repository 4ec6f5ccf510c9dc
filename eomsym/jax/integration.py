"""Paths of a field on pytrees: diffrax where it is installed, SciPy otherwise."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import jax

from eomsym.checks import check_choice, check_positive
from eomsym.errors import IntegrationError, MissingExtraError
from eomsym.jax.library import FRONTEND

SOLVERS = ("diffrax", "scipy")


def integrate(
    field: Callable[[Any], Any],
    params: Any,
    time: float,
    *,
    tolerance: float = 1e-10,
    solver: str | None = None,
    max_steps: int = 100_000,
) -> Any:
    """``params`` after ``time`` along ``field``, a function of pytrees such as ``lambda p: lookahead_field(grad, p,
    eta, 2)``.

    ``solver`` is ``diffrax`` (Dopri8 with a PID controller) or ``scipy`` (DOP853); diffrax if none is named and it is
    installed.  ``tolerance`` is relative and absolute, per step; SciPy's is at least 100 times the precision of
    ``params``.  Raises ``InputError`` for a bad value and ``IntegrationError`` if the path leaves the floating-point
    numbers.
    """
    if solver is None:
        solver = "diffrax" if find_spec("diffrax") else "scipy"
    if check_choice("solver", solver, SOLVERS) == "scipy":
        return FRONTEND.integrate(jax.jit(field), params, time, tolerance=tolerance)
    time, tolerance, term = check_positive("time", time), check_positive("tolerance", tolerance), ode_term(field)
    import diffrax

    solution = diffrax.diffeqsolve(
        term,
        diffrax.Dopri8(),
        t0=0.0,
        t1=time,
        dt0=None,
        y0=params,
        stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance),
        max_steps=max_steps,
        throw=False,
    )
    if not bool(solution.result == diffrax.RESULTS.successful):
        raise IntegrationError(f"path: diffrax stopped before time {time:g}; take less time or a larger tolerance")
    return jax.tree.map(lambda rows: rows[-1], solution.ys)


def ode_term(field: Callable[[Any], Any]) -> Any:
    """``diffrax.ODETerm`` of a field of pytrees, as ``integrate`` takes it, for ``diffrax.diffeqsolve``.

    Times to save at, events and adjoints are then diffrax's.  Raises ``MissingExtraError`` without diffrax.
    """
    if find_spec("diffrax") is None:
        raise MissingExtraError("diffrax: not installed; pip install 'eomsym[jax]', or integrate with solver='scipy'")
    import diffrax

    return diffrax.ODETerm(lambda t, state, args: field(state))
