"""The whole state of an optimiser, (θ, memory), as one flat vector: its map, and its run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from eomsym.checks import check_integer
from eomsym.dynamics.kernel import Data, FieldKernel
from eomsym.dynamics.optimizer_path import field_gradient
from eomsym.dynamics.vectors import slices
from eomsym.errors import InputError, IntegrationError, OverflowInKernelError
from eomsym.exact_numbers import Coefficient
from eomsym.optimizers import Optimizer

if TYPE_CHECKING:
    from eomsym.dynamics.loop_kernel import LoopKernel

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


def loop_state(kernel: LoopKernel, theta: np.ndarray, eta: float, data: Data) -> StateMap:
    """The whole state (θ, memory, τ) of a loop from its own start at τ = 0; its map is a round."""
    loop, tally = kernel.loop, Tally()
    gradient = tally.counting(field_gradient(kernel.inner, data, loop.fields))
    begun = loop.initial_state(theta, gradient)
    ends = np.cumsum([part.size for part in begun])

    def step(vector: np.ndarray) -> np.ndarray:
        *parts, tau = np.split(vector, ends)
        # between steps, where a flow asks, the schedule is that of the time itself
        after = kernel.step(gradient, tuple(parts), eta, float(tau[0]) / eta)
        return np.concatenate([*after, tau + loop.steps * eta])

    return StateMap(step, np.append(np.concatenate(begun), 0.0), theta.size, tally=tally)


def run_states(whole: StateMap, steps: int, start: int = 0) -> np.ndarray:
    """The run's own states from step ``start`` on, (steps + 1, m).

    Raises ``InputError`` for counts that make no run, ``IntegrationError`` naming the first step that is not finite.
    """
    check_integer("steps", steps, 1)
    if check_integer("after", start) < whole.first:
        raise InputError(f"after {start}: a part of the state only exists after a step; give at least {whole.first}")
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
