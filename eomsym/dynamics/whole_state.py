"""The whole state of an optimiser, (θ, memory), as one flat vector: its map, its run, and the map's equation of motion.

Nothing is eliminated, so nothing has to settle: the equation of motion ``ż = log(map)(z)`` begins where the run does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from eomsym.checks import check_integer
from eomsym.dynamics.integration import Path, integrate_path
from eomsym.dynamics.kernel import Data, FieldKernel
from eomsym.dynamics.optimizer_path import field_gradient
from eomsym.errors import InputError, IntegrationError, OverflowInKernelError
from eomsym.optimizers import Coefficient, Optimizer
from eomsym.step_index import lookahead_weights, map_logarithm

#: The error allowed in a step of the integrator's first run, relative to what a component moves in a step of the run.
TOLERANCE = 1e-9
#: Bytes of the longest run that is kept.
LARGEST_RUN = 4 * 10**9


@dataclass(frozen=True, eq=False)
class WholeState:
    """An optimiser's map on its whole state z, (m,) float64.

    ``step(z)`` is the next state, (m,); ``start`` the state at step ``first``, where all of it exists.  The first
    ``size`` entries of z are θ, in the order of the kernel or of the leaves.  ``gradients`` is what a step takes.
    """

    step: Callable[[np.ndarray], np.ndarray]
    start: np.ndarray
    size: int
    first: int = 0
    gradients: int = 1


def kernel_state(
    kernel: FieldKernel,
    theta: np.ndarray,
    eta: float,
    data: Data,
    optimizer: Optimizer,
    values: Mapping[str, Coefficient],
) -> WholeState:
    """The whole state of a rule on a kernel, from ``theta`` (d,) and the rule's own initial memory."""
    gradient = field_gradient(kernel, data, optimizer.fields(**values))
    numbers = {name: float(value) for name, value in values.items()}
    state = tuple(np.asarray(part, dtype=np.float64) for part in optimizer.initial_state(theta, gradient, **numbers))
    ends = np.cumsum([part.size for part in state])[:-1]

    def step(vector: np.ndarray) -> np.ndarray:
        return np.concatenate(optimizer.step(gradient, tuple(np.split(vector, ends)), eta, **numbers))

    return WholeState(step, np.concatenate(state), theta.size, gradients=_gradients(optimizer, numbers, state, eta))


def _gradients(optimizer: Optimizer, numbers: Mapping[str, float], state: tuple[np.ndarray, ...], eta: float) -> int:
    """How many gradients a step of the rule asks for, by a step down nothing."""
    asked = []

    def counted(point: np.ndarray, field: int = 0) -> np.ndarray:
        asked.append(field)
        return np.ones_like(point)

    optimizer.step(counted, state, eta, **numbers)
    return len(asked)


def run_states(whole: WholeState, steps: int, start: int = 0) -> np.ndarray:
    """The run's own states from step ``start`` on, (steps + 1, m).

    Raises ``InputError`` for counts that make no run, ``IntegrationError`` naming the first step that is not finite.
    """
    check_integer("steps", steps, 1)
    check_integer("start", start, whole.first, why=lambda _: "before that step a part of the state does not exist")
    if (steps + 1) * whole.start.nbytes > LARGEST_RUN:
        size = f"{(steps + 1) * whole.start.nbytes / 1e9:.1f} GB"
        raise InputError(f"steps {steps}: all states of {whole.start.size} numbers take {size}; take fewer steps")
    state, rows = whole.start, np.empty((steps + 1, whole.start.size))
    for index in range(whole.first, start + steps + 1):
        if index > whole.first:
            state = _finite_step(whole, state, index)
        if index >= start:
            rows[index - start] = state
    return rows


def _finite_step(whole: WholeState, state: np.ndarray, index: int) -> np.ndarray:
    try:
        with np.errstate(all="ignore"):
            following = whole.step(state)
    except OverflowInKernelError as error:
        raise IntegrationError(f"run: step {index} has no gradient: {error}") from error
    if not np.isfinite(following).all():
        raise IntegrationError(f"run: step {index} is not finite; take a smaller learning rate")
    return following


def _step_or_nan(whole: WholeState, state: np.ndarray) -> np.ndarray:
    """The next state; NaN from and to where there are no numbers, as below the zero of a root."""
    if np.isfinite(state).all():
        try:
            return whole.step(state)
        except OverflowInKernelError:
            pass
    return np.full_like(state, np.nan)


def follow_states(whole: WholeState, states: np.ndarray, order: int, tolerance: float = TOLERANCE) -> Path:
    """θ along the equation of motion of the whole state, from ``states[0]``, at each step of the run, (steps + 1, d).

    ``states`` (steps + 1, m) is the run, whose own movement says how exact each component has to be: the memory may
    be smaller than θ by many orders of magnitude.  Raises ``IntegrationError`` if the path leaves the numbers.
    """
    rate = partial(map_logarithm, partial(_step_or_nan, whole), order=order)
    weights = sum(abs(float(weight)) for weight in lookahead_weights(order))
    moved = np.abs(np.diff(states, axis=0)).mean(axis=0)
    # No smaller than the round-off of the field, which an integrator would chase for ever.
    noise = 4 * weights * np.finfo(np.float64).eps * np.abs(states).max(axis=0)
    allowed = tolerance * moved + noise + np.finfo(np.float64).tiny
    times = np.arange(len(states), dtype=np.float64)
    return integrate_path(rate, states[0], times, allowed, slice(0, whole.size))
