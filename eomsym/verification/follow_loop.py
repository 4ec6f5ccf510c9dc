"""A run with schedules and batches, to be followed: a step is a round of all batches, the slow manifold that of (θ, τ).

The whole state has its look-ahead field too, but a round of many batches is far from the identity on its memory.
"""

from __future__ import annotations

import numpy as np

from eomsym.dynamics import Path
from eomsym.dynamics.integration import Rate
from eomsym.dynamics.kernel import Data
from eomsym.dynamics.loop_kernel import LoopKernel
from eomsym.dynamics.loop_pieces import entered_from, handed_over, pieces_between
from eomsym.dynamics.optimizer_path import field_gradient
from eomsym.dynamics.state_map import StateMap, Tally, follow_slow
from eomsym.errors import IntegrationError


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


def loop_path(kernel: LoopKernel, eta: float, data: Data, order: int, states: np.ndarray, tolerance: float) -> Path:
    """θ on the slow manifold at each round of the run, whose ``states`` are (rounds + 1, m)."""
    size, pace = kernel.inner.size, kernel.loop.steps * eta
    run = np.hstack([states[:, :size], states[:, -1:]])
    begin, last = float(run[0, -1]), len(run) - 1
    paths: list[Path] = []
    state, previous = run[0], entered_from(kernel, begin, eta)
    for piece, first, end in pieces_between(kernel, begin, last * pace, eta):
        if previous is not None:
            state = handed_over(previous, piece, state, eta, max(order, 1), data)
        previous = piece
        rows = slice(round((first - begin) / pace), round((end - begin) / pace) + 1)
        if rows.stop - rows.start < 2:
            continue
        part = np.vstack([state, run[rows][1:]])
        paths.append(follow_slow(_rate(piece, eta, data, order), part, tolerance))
        state = paths[-1].states[-1]
    states = np.vstack([paths[0].states, *(path.states[1:] for path in paths[1:])])
    errors = np.concatenate([paths[0].error_estimates, *(path.error_estimates[1:] for path in paths[1:])])
    times = np.arange(len(states), dtype=np.float64)
    return Path(times, states[:, :size], errors, sum(path.evaluations for path in paths))


def _rate(kernel: LoopKernel, eta: float, data: Data, order: int) -> Rate:
    powers = eta ** np.arange(1.0, order + 2) * kernel.loop.steps

    def rate(state: np.ndarray) -> np.ndarray:
        rows = powers[:, None] * kernel.counterterms(state, *data, order=order)
        check_fall(np.linalg.norm(rows[:, :-1], axis=1))
        return -rows.sum(axis=0)

    return rate


def check_fall(sizes: np.ndarray) -> None:
    """From order 2 on a term that exceeds the first says that the series diverges: stiff then, and for nothing.

    Raises ``IntegrationError``.
    """
    if len(sizes) > 2 and not sizes[1:].max() <= sizes[0]:
        listed = ", ".join(f"{size:.1e}" for size in sizes)
        raise IntegrationError(f"the terms of its series do not fall: {listed} a step")
