"""How far the equation of motion of each order is from a run that is really made: this optimiser, these steps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from eomsym.checks import check_choice, check_integer, check_orders
from eomsym.derivation.posing import STATES
from eomsym.dynamics.motion import Motion, WholeMotion
from eomsym.dynamics.runs import run_states
from eomsym.dynamics.setting import HEAD, OfTraining, Setting
from eomsym.errors import InputError
from eomsym.result import Table, plain, small
from eomsym.step_index.lookahead import MAX_LOOKAHEAD_ORDER
from eomsym.verification.compare import Compared, Run, compare, map_of, slow_motion
from eomsym.verification.posing import Progress, counted
from eomsym.verification.training import Training

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: An order that leaves less than this of the movement unexplained is one to work with.
SMALL = 1e-3
#: A share of the run's own differences counts above this many times its round-off.
MARGIN = 100


#: What a kernel that is generated to follow has of the slow manifold.
HIGHEST_SLOW_ORDER = 4
#: Steps of the longest run.
MOST_STEPS = 1_000_000


@dataclass(frozen=True, eq=False, repr=False)
class Follow(OfTraining):
    """A run of an optimiser and the paths of its equation of motion beside it.

    ``iterates`` (steps + 1, d) are the run from step ``after`` on; ``whole`` and ``slow`` the orders of the equation of
    the whole state and of that on the slow manifold.  ``run_gradients`` is what the run took, with the steps before.
    """

    training: Setting
    steps: int
    after: int
    state: str
    iterates: np.ndarray
    whole: tuple[Compared, ...]
    slow: tuple[Compared, ...]
    run_gradients: int
    no_slow: str = ""

    #: It measures; there is nothing to fail.
    passed = True

    @property
    def errors(self) -> dict[int, float]:
        """Order → distance to the run at the last step over the distance moved; NaN where the path left the numbers.

        Of the equation of the whole state; of that on the slow manifold where ``state`` is slow.
        """
        return {record.order: record.error for record in self.orders}

    @property
    def slow_errors(self) -> dict[int, float]:
        """The same of the equation on the slow manifold; empty where there is none."""
        return {record.order: record.error for record in self.slow}

    @property
    def paths(self) -> dict[int, np.ndarray]:
        """Order → θ at every step, (steps + 1, d); without orders whose path left the numbers."""
        return {record.order: record.path for record in self.orders if record.path is not None}

    @property
    def gradients(self) -> dict[int, int]:
        """Order → gradients that its path took."""
        return {record.order: record.gradients for record in self.orders}

    @property
    def orders(self) -> tuple[Compared, ...]:
        """The orders of the equation that ``state`` asks for."""
        return self.whole if self.state == "whole" else self.slow

    @cached_property
    def moved(self) -> float:
        """‖θ_run(end) − θ_run(start)‖₂."""
        return float(np.linalg.norm(self.iterates[-1] - self.iterates[0]))

    def distances(self, path: np.ndarray) -> np.ndarray:
        """‖·‖₂ from a path to the run over the distance moved, at every step, (steps + 1,)."""
        return np.linalg.norm(path - self.iterates, axis=1) / self.moved

    def needed(self, error: float = SMALL) -> int | None:
        """The lowest order whose error is at most this; None if there is none."""
        return next((record.order for record in self.orders if record.error <= error), None)

    @cached_property
    def shares(self) -> tuple[float, ...]:
        """Median over the run of ``‖Δⁿθ‖/(n ‖Δθ‖)``, n = 1 … N + 2: the terms of the field, from the run's own steps.

        N is the highest order followed; what round-off hides is left out.
        """
        highest = min(max(record.order for record in self.orders) + 2, self.steps)
        lengths = np.linalg.norm(np.diff(self.iterates, axis=0), axis=1)
        rounding = np.finfo(np.float64).eps * np.linalg.norm(self.iterates[0]) / np.median(lengths)
        found = []
        for n in range(1, highest + 1):
            sizes = np.linalg.norm(np.diff(self.iterates, n, axis=0), axis=1)
            share = float(np.median(sizes / lengths[: len(sizes)])) / n
            if share < MARGIN * 2**n * rounding:
                break
            found.append(share)
        return tuple(found)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences where higher orders are no better, and where a path left the numbers."""
        said = [f"order {record.order}: {record.reason}" for record in self.whole if record.reason]
        if said and self.after == 0:
            said.append("where a memory is zero a root of it has no derivative: begin later, with after = 1 or 5")
        lost = [record for record in self.slow if record.reason]
        if lost:
            orders = ", ".join(str(record.order) for record in lost)
            said.append(f"slow manifold, orders {orders}: no path to the end; {lost[0].reason}")
        rising = next((n for n in range(2, len(self.shares)) if self.shares[n] >= self.shares[n - 1]), None)
        if self.state == "whole" and rising is not None:
            said.append(
                f"the terms of the field stop falling at order {rising - 1}: higher orders are no better; the sum "
                "converges where all multipliers r of a step have |r - 1| < 1; take a smaller learning rate"
            )
        return tuple(said)

    @property
    def sentence(self) -> str:
        """What was learned, in one sentence."""
        best, first = _best(self.orders), self.needed()
        what = "" if self.state == "whole" else "on the slow manifold "
        if best is None:
            return f"No order {what}stays near the run of {self.steps} steps."
        lowest = best.order if first is None else first
        text = f"Order {lowest} {what}explains {_percent(self.errors[lowest])} of the movement of {self.steps} steps"
        if best.order != lowest:
            text += f", order {best.order} {_percent(best.error)}"
        if self.state == "whole" and self.slow:
            beside = _best(self.slow)
            most = "does not reach the end" if beside is None else f"explains {_percent(beside.error)} at best"
            text += f"; the equation on the slow manifold {most}"
        return text + "."

    @property
    def summary(self) -> str:
        """The optimiser, the steps and the error of each order."""
        errors = ", ".join(f"{order}: {small(error)}" for order, error in self.errors.items())
        return f"{self.optimizer}, steps {self.after} to {self.after + self.steps}, errors {{{errors}}}"

    def records(self) -> list[dict[str, Any]]:
        """One row for each order; of the slow manifold its error."""
        beside = self.slow_errors
        return [record.to_dict() | {"slow_error": plain(beside.get(record.order))} for record in self.orders]

    def report(self) -> list[str | Table]:
        """What was run, the errors with what of them may be the integrator's, and what was learned."""
        eta = "" if self.eta is None else f"eta {self.eta:g}, "
        head = f"{self.training}\n{eta}steps {self.after} to {self.after + self.steps}"
        return [head, "", self._orders, self.sentence]

    @property
    def _orders(self) -> Table:
        """Of the whole state gradients too (a series is no whole number of them), and the slow manifold."""
        columns = {"order": "order", "error": "error:.1e", "integrator": "floor:.1e"}
        if self.state == "whole":
            columns |= {"gradients": "gradients"} | ({"slow manifold": "slow_error:.1e"} if self.slow else {})
        return Table.of(self.records(), columns)

    drawn_by = "eomsym.verification.figures.follow_figure"

    def plot_plane(self, coordinates: tuple[int, int] | None = None) -> Figure:
        """The run and the path of each order in a plane (``eomsym.dynamics.trajectory_figure.trajectory_figure``)."""
        from eomsym.dynamics.trajectory_figure import trajectory_figure

        return trajectory_figure(
            {"run": self.iterates, **{f"order {n}": path for n, path in self.paths.items()}}, coordinates
        )

    told = (
        *(*HEAD, "steps", "after", "state", "schedules?", "batches?", "moved", "run_gradients"),
        *("orders", "slow", "shares", "sentence", "warnings", "no_slow"),
    )


def _best(records: Sequence[Compared]) -> Compared | None:
    """The order that is nearest at the end, if it is nearer than where it began."""
    near = [record for record in records if record.error < 1]
    return min(near, key=lambda record: record.error, default=None)


def _percent(error: float) -> str:
    """What is explained, with a digit more than nines: 99.9993 % for 7e−6."""
    if error == 0:
        return "100 %"
    digits = max(0, math.floor(-math.log10(error)) - 1)
    return f"{100 * (1 - error):.{digits}f} %"


def follow(
    training: Training,
    steps: int,
    orders: Iterable[int] = (0, 1, 2),
    *,
    after: int = 0,
    state: str = "whole",
    progress: Progress | None = None,
) -> Follow:
    """Make ``steps`` steps of an optimiser and follow them by its equation of motion, at each of ``orders``.

    ``after`` steps are made before; the flow begins in the whole state (θ, memory) that they lead to, and is compared
    with the run at every step.  At order N it is the look-ahead field, which takes N + 1 steps of the optimiser an
    evaluation and no derivative; it converges where the multipliers r of a step have ``|r − 1| < 1`` (heavy ball:
    ηλ < 1).  Beside it goes the equation on the slow manifold, of θ alone, where there is one, to the kernel's order;
    with ``state="slow"`` it alone.

    With a schedule or batches a step is a round of all batches, and the slow manifold is what to look at
    (``state="slow"``), from where the memory has forgotten its start.  Of a loss function with a real optimiser the
    object itself is stepped, copied, in float64.
    ``progress(done, total)`` is called after each path.  Orders whose path leaves the numbers get the error NaN.
    Raises ``InputError`` for a bad value, ``IntegrationError`` if the run itself leaves the floating-point numbers.
    """
    state = check_choice("state", state, STATES)
    listed = tuple(sorted(check_orders(orders)))
    check_integer("order", listed[-1], 0, MAX_LOOKAHEAD_ORDER)
    check_integer("steps", steps, 1, MOST_STEPS)
    check_integer("after", after, 0, MOST_STEPS)
    highest = training.within(max(1, min(HIGHEST_SLOW_ORDER, listed[-1])))
    with threadpool_limits(limits=1, user_api="blas"):
        if training.loop is not None:
            training.loop.check((steps + after) * training.loop.steps * training.rate("follow"))
        slow, reason = _slow(training, highest)
        whole = map_of(training, "follow")
        if state == "slow" and slow is None:
            raise InputError(f"state 'slow': {training.label} has none here, {reason}; take state='whole'")
        begin = whole.tally.count
        states = run_states(whole, steps, after)
        iterates = states[:, : whole.size].copy()
        taken, moved = whole.tally.count - begin, float(np.linalg.norm(iterates[-1] - iterates[0]))
        if not moved > 0:
            raise InputError(
                f"steps {steps}: nothing moves in them; take more steps, or a memory that is not so near 1"
            )
        run = Run(states, iterates, whole.tally, unit=moved)
        tasks: list[tuple[Motion, int]] = []
        if state == "whole":
            tasks += [(WholeMotion(whole), order) for order in listed]
        if slow is not None:
            tasks += [(slow, order) for order in listed if order <= slow.order]
        records = [(motion is slow, compare(motion, run, order)) for motion, order in counted(tasks, progress)]
    return Follow(
        training=training.setting,
        steps=steps,
        after=after,
        state=state,
        iterates=iterates,
        whole=tuple(record for is_slow, record in records if not is_slow),
        slow=tuple(record for is_slow, record in records if is_slow),
        run_gradients=taken,
        no_slow=reason,
    )


def _slow(training: Training, order: int) -> tuple[Motion | None, str]:
    """The equation on the slow manifold; None and the reason where there is none."""
    if training.object is not None:
        return None, "it is derived from a rule on a kernel, and not from an object"
    if training.loop is None and not training.entry.memory:
        return None, "it has no memory: the whole state is θ"
    try:
        return slow_motion(training, order, "follow"), ""
    except InputError as error:
        return None, str(error)
