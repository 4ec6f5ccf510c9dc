"""The whole state of an optimiser, (θ, memory), as one flat vector: its map, its run, and the map's equation of motion.

Nothing is eliminated, so nothing has to settle: the equation of motion ``ż = log(map)(z)`` begins where the run does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from eomsym.checks import check_integer
from eomsym.dynamics.integration import Path, Rate, integrate_path
from eomsym.dynamics.kernel import Data, FieldKernel
from eomsym.dynamics.optimizer_path import field_gradient
from eomsym.dynamics.vectors import slices
from eomsym.errors import InputError, IntegrationError, OverflowInKernelError
from eomsym.exact_numbers import Coefficient
from eomsym.optimizers import Optimizer
from eomsym.step_index import lookahead_weights, map_logarithm

#: The error allowed in a step of the integrator's first run, relative to what a component moves in a step of the run.
TOLERANCE = 1e-5
#: Steps of the integrator for a step of the run, beyond which a path is given up; a seventh is usual.
MOST_STEPS = 20
#: The same on the slow manifold, whose series soon leaves all measure where η is too large for it.
MOST_SLOW_STEPS = 2
#: A path this many times as far from its start as the run ever is will not come back.
FARTHEST = 100.0
#: As many more at the beginning.
SHORT, SLOW_SHORT = 100, 20
#: Bytes of the longest run that is kept.
LARGEST_RUN = 4 * 10**9


class Tally:
    """Counts the calls of functions, ``count`` of all."""

    def __init__(self) -> None:
        self.count = 0

    def counting(self, function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        """The same function, counted."""

        def counted(*arguments: Any, **options: Any) -> np.ndarray:
            self.count += 1
            return function(*arguments, **options)

        return counted


@dataclass(frozen=True, eq=False)
class StateMap:
    """An optimiser's map on its whole state z, (m,) float64.

    ``step(z)`` is the next state, (m,); ``start`` the state at step ``first``, where all of it exists.  The first
    ``size`` entries of z are θ, in the order of the kernel or of the leaves; ``sizes`` are those of θ and of each
    memory, where they are known.  ``tally`` counts gradients.
    """

    step: Callable[[np.ndarray], np.ndarray]
    start: np.ndarray
    size: int
    first: int = 0
    tally: Tally = field(default_factory=Tally)
    sizes: tuple[int, ...] = ()


def kernel_state(
    kernel: FieldKernel,
    theta: np.ndarray,
    eta: float,
    data: Data,
    optimizer: Optimizer,
    values: Mapping[str, Coefficient],
) -> StateMap:
    """The whole state of a rule on a kernel, from ``theta`` (d,) and the rule's own initial memory."""
    tally = Tally()
    gradient = tally.counting(field_gradient(kernel, data, optimizer.fields(**values)))
    numbers = {name: float(value) for name, value in values.items()}
    state = tuple(np.asarray(part, dtype=np.float64) for part in optimizer.initial_state(theta, gradient, **numbers))
    sizes = tuple(part.size for part in state)
    cuts = slices(sizes)

    def step(vector: np.ndarray) -> np.ndarray:
        return np.concatenate(optimizer.run(gradient, tuple(vector[cut] for cut in cuts), eta, **numbers))

    return StateMap(step, np.concatenate(state), theta.size, sizes=sizes, tally=tally)


def run_states(whole: StateMap, steps: int, start: int = 0) -> np.ndarray:
    """The run's own states from step ``start`` on, (steps + 1, m).

    Raises ``InputError`` for counts that make no run, ``IntegrationError`` naming the first step that is not finite.
    """
    check_integer("steps", steps, 1)
    if check_integer("start", start) < whole.first:
        raise InputError(f"start {start}: a part of the state only exists after a step; give at least {whole.first}")
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


def _finite_step(whole: StateMap, state: np.ndarray, index: int) -> np.ndarray:
    try:
        with np.errstate(all="ignore"):
            following = whole.step(state)
    except OverflowInKernelError as error:
        raise IntegrationError(f"run: step {index} has no gradient: {error}") from error
    if not np.isfinite(following).all():
        raise IntegrationError(f"run: step {index} is not finite; take a smaller learning rate")
    return following


def follow_states(whole: StateMap, states: np.ndarray, order: int, tolerance: float = TOLERANCE) -> Path:
    """θ along the equation of motion of the whole state, from ``states[0]``, at each step of the run, (steps + 1, d).

    ``states`` (steps + 1, m) is the run, whose own movement says how exact each component has to be: the memory may
    be smaller than θ by many orders of magnitude.  Raises ``IntegrationError`` if the path leaves the numbers or the
    neighbourhood of the run.
    """
    weights = sum(abs(float(weight)) for weight in lookahead_weights(order))
    step = _within(whole.step, states[:, : whole.size])
    rate = partial(map_logarithm, step, order=order)
    return _path(rate, states, whole.size, tolerance, weights, (SHORT, MOST_STEPS))


def follow_slow(rate: Rate, iterates: np.ndarray, tolerance: float = TOLERANCE) -> Path:
    """θ along a field ``rate`` of θ alone, per step, as ``follow_states`` does it; ``iterates`` (steps + 1, d)."""
    return _path(_within(rate, iterates), iterates, iterates.shape[1], tolerance, 1.0, (SLOW_SHORT, MOST_SLOW_STEPS))


def _path(rate: Rate, states: np.ndarray, size: int, tolerance: float, amplified: float, most: tuple[int, int]) -> Path:
    moved = np.abs(np.diff(states, axis=0)).mean(axis=0)
    # No smaller than the round-off of the field, which an integrator would chase for ever.
    noise = 4 * amplified * np.finfo(np.float64).eps * np.abs(states).max(axis=0)
    allowed = tolerance * moved + noise + np.finfo(np.float64).tiny
    times = np.arange(len(states), dtype=np.float64)
    return integrate_path(rate, states[0], times, allowed, slice(0, size), most=lambda time: most[0] + most[1] * time)


def _within(function: Rate, iterates: np.ndarray) -> Rate:
    """The function, NaN where there are no numbers, as below the zero of a root, or where the run is far away."""
    size = iterates.shape[1]
    farthest = FARTHEST * float(np.linalg.norm(iterates - iterates[0], axis=1).max())

    def bounded(state: np.ndarray) -> np.ndarray:
        if np.isfinite(state).all() and np.linalg.norm(state[:size] - iterates[0]) <= farthest:
            with suppress(InputError):  # the run itself has shown that θ and data fit
                return function(state)
        return np.full_like(state, np.nan)

    return bounded
