"""A motion beside a run: the one comparison that ``follow``, ``drift`` and ``recommend`` make of each order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from eomsym.dynamics.motion import Motion, Seen
from eomsym.dynamics.runs import Tally
from eomsym.errors import IntegrationError
from eomsym.result import Result

#: Errors allowed in a step of the integrator, relative to what moves in a step of the run, tried in turn until its own
#: error is a hundredth of the distance that is shown.  A larger first one would save gradients where the distance is
#: large, and cost a second attempt where it is small.
TOLERANCES = (1e-5, 1e-9, 1e-13)
#: The integrator's share of a distance that is shown.
LARGEST_FLOOR = 0.01


@dataclass(frozen=True, eq=False, repr=False)
class Compared(Result):
    """One order: its ``path``, θ or the change of what is observed, (marks, …); None where it left the numbers.

    ``error`` is the distance to the run at the last mark, ``floor`` what of it the integrator may owe, measured;
    ``gradients`` is what the path took, and ``reason`` says where it left the numbers.
    """

    order: int
    path: np.ndarray | None
    error: float
    floor: float
    gradients: int
    reason: str = ""

    told = ("order", "error", "floor", "gradients", "reason")


@dataclass(frozen=True, eq=False)
class Run:
    """A run that was made: its ``states`` (steps + 1, m), and what of it is compared, ``measured`` (marks, …).

    ``marks`` are steps, all where there are none; ``round_off`` is how far rounding may have moved the last of what was
    measured; an error that is less than it is not worth a more exact path.
    """

    states: np.ndarray
    measured: np.ndarray
    tally: Tally
    marks: np.ndarray | None = None
    seen: Seen | None = None
    round_off: float = 0.0


def compare(
    motion: Motion, run: Run, orders: Sequence[int], counted: Callable[[], None] = lambda: None, unit: float = 1.0
) -> tuple[Compared, ...]:
    """Returns a record of each order, more exact where the integrator's own error would be seen.

    Errors are in units of ``unit``; ``counted`` is called after each.
    """
    records = []
    for order in orders:
        records.append(_compared(motion, run, order, unit))
        counted()
    return tuple(records)


def _compared(motion: Motion, run: Run, order: int, unit: float) -> Compared:
    begin = run.tally.count
    for tolerance in TOLERANCES:
        try:
            path = motion.path(order, run.states, tolerance, run.marks, run.seen)
        except IntegrationError as fault:
            return Compared(order, None, np.nan, np.nan, run.tally.count - begin, str(fault))
        values, floor = path.states.reshape(run.measured.shape), path.error_estimate
        error = float(np.linalg.norm(values[-1] - run.measured[-1]))
        if floor <= max(LARGEST_FLOOR * error, run.round_off):
            break
    return Compared(order, values, error / unit, floor / unit, run.tally.count - begin)
