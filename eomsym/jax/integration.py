"""Paths of a field on pytrees: diffrax where it is installed, SciPy otherwise."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from eomsym.checks import check_choice, check_positive
from eomsym.errors import MissingExtraError
from eomsym.jax.rules import BACKEND

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
    installed.  ``tolerance`` is relative and absolute, per step.  Raises ``InputError`` for a bad value and
    ``IntegrationError`` if the path leaves the floating-point numbers.
    """
    time, tolerance = check_positive("time", time), check_positive("tolerance", tolerance)
    if solver is None:
        solver = "diffrax" if find_spec("diffrax") else "scipy"
    if check_choice("solver", solver, SOLVERS) == "scipy":
        return _scipy(field, params, time, tolerance)
    if find_spec("diffrax") is None:
        raise MissingExtraError("solver 'diffrax': not installed; pip install 'eomsym[jax]', or take 'scipy'")
    return _diffrax(field, params, time, tolerance, max_steps)


def ode_term(field: Callable[[Any], Any]) -> Any:
    """``diffrax.ODETerm`` of a field of pytrees, as ``integrate`` takes it, for ``diffrax.diffeqsolve``.

    Times to save at, events and adjoints are then diffrax's.  Raises ``MissingExtraError`` without diffrax.
    """
    if find_spec("diffrax") is None:
        raise MissingExtraError("ode_term: diffrax is not installed; pip install 'eomsym[jax]'")
    import diffrax

    return diffrax.ODETerm(lambda t, state, args: field(state))


def _diffrax(field: Callable[[Any], Any], params: Any, time: float, tolerance: float, max_steps: int) -> Any:
    import diffrax

    from eomsym.errors import IntegrationError

    solution = diffrax.diffeqsolve(
        ode_term(field),
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


def _scipy(field: Callable[[Any], Any], params: Any, time: float, tolerance: float) -> Any:
    from eomsym.dynamics.any_field import integrate_vector

    start, unravel = ravel_pytree(params)
    rate = jax.jit(lambda vector: ravel_pytree(field(unravel(vector)))[0])
    end = integrate_vector(
        lambda state: np.asarray(rate(state.astype(start.dtype)), dtype=np.float64),
        np.asarray(start, dtype=np.float64),
        time,
        tolerance,
        max(map(BACKEND.precision, map(jax.numpy.asarray, jax.tree.leaves(params)))),
    )
    return unravel(jax.numpy.asarray(end, start.dtype))
