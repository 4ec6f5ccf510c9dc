"""``eomsym follow``: how far is the equation of motion of each order from this run?"""

from __future__ import annotations

from typing import Annotated, Any

from eomsym.cli import options, output
from eomsym.cli.groups import examples

EXAMPLES = examples(
    'eomsym follow --optimizer "torch.Adam()" --eta 0.001 --steps 500 --after 5',
    'eomsym follow --optimizer "torch.SGD(momentum=0.9)" --plot f.png',
    'eomsym follow --batch-size 599 --schedule "cosine(2)" --state slow --steps 50',
)
MOST_ORDER = 20


def follow(
    *,
    training: options.Training,
    steps: options.Steps = 200,
    after: options.After = 0,
    orders: Annotated[Any, options.orders(MOST_ORDER)] = "0:2",
    state: Annotated[
        str,
        options.choice("state", ("whole", "slow"), "whole: parameters and memory, or slow: the slow manifold alone."),
    ] = "whole",
    report: options.DrawnReport,
) -> int:
    """Follow a run of an optimiser by its equation of motion.

    The network is trained with the learning rate that is given. From the state
    that it has after --after steps, parameters and memory, the equation of
    motion of each order goes beside the next --steps, by N+1 gradients an
    evaluation. The error is its distance to the run at the last step, over the
    distance that the run has moved; beside it that of the equation on the slow
    manifold, which has no memory.

    With --batch-size a step is a round of all batches: look at --state slow,
    from where the memory has forgotten its start.

    Adam and its kin divide by a root that is not smooth at zero, where their
    memory begins: give --after 1 or more.
    """
    posed = training.pose(eta=options.USUAL_ETA)
    return report.tell(output.asked("following", "follow", posed, steps, orders, after=after, state=state), posed)
