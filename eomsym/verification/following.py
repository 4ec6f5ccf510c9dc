"""How far the equation of motion of each order is from a run that is really made: this optimiser, these steps."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from eomsym.checks import check_choice, check_integer, check_orders
from eomsym.derivation.posing import STATES
from eomsym.dynamics.motion import Motion, WholeMotion
from eomsym.dynamics.runs import run_states
from eomsym.errors import InputError
from eomsym.step_index.lookahead import MAX_LOOKAHEAD_ORDER
from eomsym.verification.compare import Run, compare
from eomsym.verification.follow_record import Follow
from eomsym.verification.motions import map_of, slow_motion
from eomsym.verification.posing import Progress
from eomsym.verification.training import Training

#: What a kernel that is generated to follow has of the slow manifold.
HIGHEST_SLOW_ORDER = 4
#: Steps of the longest run.
MOST_STEPS = 1_000_000


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
        run, taken = Run(states, iterates, whole.tally), whole.tally.count - begin
        moved = float(np.linalg.norm(iterates[-1] - iterates[0]))
        if not moved > 0:
            raise InputError(
                f"steps {steps}: nothing moves in them; take more steps, or a memory that is not so near 1"
            )
        motions: dict[str, tuple[Motion, Sequence[int]]] = {}
        if state == "whole":
            motions["whole"] = WholeMotion(whole), listed
        if slow is not None:
            motions["slow"] = slow, [order for order in listed if order <= slow.order]
        total, done = sum(len(each) for _, each in motions.values()), itertools.count(1)
        count = (lambda: progress(next(done), total)) if progress is not None else lambda: None
        found = {name: compare(motion, run, each, count, moved) for name, (motion, each) in motions.items()}
    return Follow(
        training=training.setting,
        steps=steps,
        after=after,
        state=state,
        iterates=iterates,
        whole=found.get("whole", ()),
        slow=found.get("slow", ()),
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
