"""The equations of motion beside an optimiser's map, and their paths beside its run; time is counted in steps.

*Whole*: of the whole state z, by the look-ahead field, the difference series of the map's logarithm.  Nothing is
eliminated, so nothing has to settle, and the path begins where the run does.  *Slow*: of θ alone, the memory on the
slow manifold; with schedules and batches of (θ, τ), a step being a round.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import numpy as np

from eomsym.dynamics.integration import Path, Rate, integrate_path
from eomsym.dynamics.kernel import Data
from eomsym.dynamics.loop_kernel import LoopKernel, entered_from, handed_over, pieces_between
from eomsym.dynamics.runs import StateMap
from eomsym.errors import EomsymError, IntegrationError
from eomsym.step_index.lookahead import MAX_LOOKAHEAD_ORDER, lookahead_weights, map_logarithm

#: A path of the integrator is given up that takes more steps than the first number, and the second for each step of the
#: run; a seventh is usual.  The slow manifold's series soon leaves all measure where η is too large for it.
PATIENCE, SLOW_PATIENCE = (100, 20), (100, 2)
#: A path this many times as far from its start as the run ever is will not come back.
FARTHEST = 100.0


class Seen(Protocol):
    """What is observed along a path: ``along(θ, v)`` is its derivative along v, a number or an array."""

    @property
    def along(self) -> Callable[[np.ndarray, np.ndarray], Any]: ...


class Motion(ABC):
    """A vector field of each order up to ``order`` beside a run of ``size`` parameters.

    z is ``width`` numbers, the first of them θ.  ``patience`` are steps of the integrator, as ``PATIENCE``.
    """

    patience = SLOW_PATIENCE

    def __init__(self, size: int, width: int, order: int) -> None:
        self.size, self.width, self.order = size, width, order
        #: Whether a series whose terms grow is given up: stiff then, and for nothing on a long path.
        self.must_fall = True
        #: The length of a step, beside which terms have to be small where the first one vanishes with the rate.
        self.usual = 0.0

    @abstractmethod
    def terms(self, z: np.ndarray, order: int) -> np.ndarray:
        """Returns the terms of the field, (order + 1, width), per step; term k goes with η^{k+1}."""

    def field(self, order: int) -> Rate:
        """Returns ``z → ż``, which raises ``IntegrationError`` where its series diverges and ``must_fall``."""

        def rate(z: np.ndarray) -> np.ndarray:
            terms = self.terms(z, order)
            if self.must_fall:
                _check_fall(np.linalg.norm(terms[:, : self.size], axis=1), self.usual)
            return np.asarray(terms.sum(axis=0))

        return rate

    def amplified(self, order: int) -> float:
        """How much more round-off a value of the field has than a step."""
        return 1.0

    def path(
        self,
        order: int,
        states: np.ndarray,
        tolerance: float,
        marks: np.ndarray | None = None,
        seen: Seen | None = None,
    ) -> Path:
        """Returns θ of the path from ``states[0]``, at the steps ``marks`` of the run, all where none are given.

        ``states`` (steps + 1, m) is the run, whose own movement says how exact each component has to be: a memory may
        be smaller than θ by many orders of magnitude.  ``tolerance`` is the error allowed in a step of the integrator's
        first run, relative to it.  Of what is ``seen`` the change is returned in place of θ, the integral of its
        derivative along the field.
        Raises ``IntegrationError`` if the path leaves the numbers or the neighbourhood of the run.
        """
        run = states[:, : self.width]
        times = np.arange(float(len(run))) if marks is None else np.asarray(marks, dtype=np.float64)
        rate, start, kept = _within(self.field(order), run, self.size), run[0], slice(0, self.size)
        moved = np.abs(np.diff(run, axis=0)).mean(axis=0)
        # No smaller than the round-off of the field, which an integrator would chase for ever.
        noise = 4 * self.amplified(order) * np.finfo(np.float64).eps * np.abs(run).max(axis=0)
        if seen is not None:
            count = np.size(seen.along(start[: self.size], 0 * start[: self.size]))
            rate, kept = _observed(rate, seen, count, self.size), slice(self.width, None)
            start = np.append(start, np.zeros(count))
            speed = np.abs(rate(start))
            moved, noise = np.append(moved, speed[self.width :]), np.append(noise, 0 * speed[self.width :])
            moved = np.maximum(moved, tolerance * moved.max())
        allowed = tolerance * moved + noise + np.finfo(np.float64).tiny
        first, each = self.patience
        return integrate_path(rate, start, times, allowed, kept, most=lambda time: first + each * time)


class WholeMotion(Motion):
    """The look-ahead field of a map on its whole state: N + 1 steps of it a value of order N, and no derivative."""

    patience = PATIENCE

    def __init__(self, whole: StateMap) -> None:
        super().__init__(whole.size, whole.start.size, MAX_LOOKAHEAD_ORDER)
        self._step = whole.step

    def terms(self, z: np.ndarray, order: int) -> np.ndarray:
        """Returns the terms of the map's difference series."""
        return difference_terms(self._step, z, order)

    def field(self, order: int) -> Rate:
        """Returns ``z → ż``, the terms added up by their weights."""
        return partial(map_logarithm, self._step, order=order)

    def amplified(self, order: int) -> float:
        """The sum of the weights' sizes."""
        return sum(abs(float(weight)) for weight in lookahead_weights(order))


class SlowMotion(Motion):
    """The field of θ alone: ``rows(θ, order)`` are ``−f̃_0, …``, (order + 1, d), per step, without the powers of η."""

    def __init__(self, rows: Callable[[np.ndarray, int], np.ndarray], eta: float, size: int, order: int) -> None:
        super().__init__(size, size, order)
        self.rows, self._eta = rows, eta

    def terms(self, z: np.ndarray, order: int) -> np.ndarray:
        """Returns ``η^{k+1} f̃_k``."""
        return -(self._eta ** np.arange(1.0, order + 2))[:, None] * self.rows(z, order)


class LoopMotion(Motion):
    """The field of (θ, τ) with schedules and batches, from piece to piece of the schedules."""

    def __init__(self, kernel: LoopKernel, eta: float, data: Data) -> None:
        super().__init__(kernel.inner.size, kernel.size, kernel.order)
        self.kernel, self._eta, self._data = kernel, eta, data
        self.pace = kernel.loop.steps * eta

    def terms(self, z: np.ndarray, order: int) -> np.ndarray:
        """Returns the terms of a round, its time in the first."""
        powers = self._eta ** np.arange(1.0, order + 2) * self.kernel.loop.steps
        return -powers[:, None] * self.kernel.counterterms(z, *self._data, order=order)

    def path(
        self,
        order: int,
        states: np.ndarray,
        tolerance: float,
        marks: np.ndarray | None = None,
        seen: Seen | None = None,
    ) -> Path:
        """Returns θ as of any motion; a memory is handed over where a new piece begins.  Nothing else can be seen."""
        run = np.hstack([states[:, : self.size], states[:, -1:]])
        begin, previous = float(run[0, -1]), entered_from(self.kernel, float(run[0, -1]), self._eta)
        paths, state = list[Path](), run[0]
        for piece, first, end in pieces_between(self.kernel, begin, (len(run) - 1) * self.pace, self._eta):
            if previous is not None:
                state = handed_over(previous, piece, state, self._eta, max(order, 1), self._data)
            previous = piece
            rows = slice(round((first - begin) / self.pace), round((end - begin) / self.pace) + 1)
            if rows.stop - rows.start < 2:
                continue
            part, motion = np.vstack([state, run[rows][1:]]), LoopMotion(piece, self._eta, self._data)
            motion.usual = float(np.linalg.norm(np.diff(run[rows, : self.size], axis=0), axis=1).mean())
            paths.append(Motion.path(motion, order, part, tolerance))
            state = np.append(paths[-1].states[-1], end)
        thetas = np.vstack([paths[0].states, *(path.states[1:] for path in paths[1:])])
        errors = np.concatenate([paths[0].error_estimates, *(path.error_estimates[1:] for path in paths[1:])])
        kept = np.arange(len(thetas)) if marks is None else np.asarray(marks)
        evaluations = sum(path.evaluations for path in paths)
        return Path(kept.astype(np.float64), thetas[kept], errors[kept], evaluations)


def difference_terms(step: Rate, z: np.ndarray, order: int) -> np.ndarray:
    """Returns ``(−1)^k/(k + 1) Δ^{k+1} z``, (order + 1, m), whose sum is the logarithm of a map."""
    states = [z]
    for _ in range(order + 1):
        states.append(step(states[-1]))
    rows = [np.diff(states, k + 1, axis=0)[0] for k in range(order + 1)]
    return np.array([(-1) ** k / (k + 1) * row for k, row in enumerate(rows)])


def _within(function: Rate, run: np.ndarray, size: int) -> Rate:
    """The function, NaN where there are no numbers, as below the zero of a root, or where the run is far away."""
    begin = run[0, :size]
    farthest = FARTHEST * float(np.linalg.norm(run[:, :size] - begin, axis=1).max())

    def bounded(state: np.ndarray) -> np.ndarray:
        if np.isfinite(state).all() and np.linalg.norm(state[:size] - begin) <= farthest:
            try:
                return function(state)
            except IntegrationError:
                raise
            except EomsymError:  # outside of the domain: the run itself has shown that θ and data fit
                pass
        return np.full_like(state, np.nan)

    return bounded


def _observed(function: Rate, seen: Seen, count: int, size: int) -> Rate:
    """The function, with the derivative of what is seen along it, ``count`` numbers, behind."""

    def both(state: np.ndarray) -> np.ndarray:
        moved, change = function(state[:-count]), np.full(count, np.nan)
        if np.isfinite(moved).all():
            with suppress(EomsymError):  # a trial step that leaves the domain: the integrator takes a smaller one
                change = np.ravel(seen.along(state[:size], moved[:size]))
        return np.append(moved, change)

    return both


def _check_fall(sizes: np.ndarray, usual: float) -> None:
    """From order 2 on a term that exceeds the first says that the series diverges.  Raises ``IntegrationError``.

    But where a schedule takes the rate s to 0, its derivatives stay, as in ``f̃_1 = −(s² g'g − s' g)/2``: the first term
    is the smallest, and yet the series converges.  So terms below a ``usual`` step are let by.
    """
    if len(sizes) > 2 and not sizes[1:].max() <= max(sizes[0], usual):
        listed = ", ".join(f"{size:.1e}" for size in sizes)
        raise IntegrationError(f"the terms of its series do not fall: {listed} a step")
