"""``eomsym follow``: how far is the equation of motion of each order from this run?"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from eomsym.cli import options, output
from eomsym.cli.groups import examples
from eomsym.cli.measuring import DrawnReport

EXAMPLES = examples(
    'eomsym follow --optimizer "torch.Adam()" --eta 0.001 --steps 500 --start 5',
    'eomsym follow --optimizer "torch.SGD(momentum=0.9)" --eta 0.01 --plot f.png',
    'eomsym follow --batches 3 --schedule "cosine(2)" --state slow --steps 50',
)
MOST_ORDER = 20


def follow(
    *,
    rule: options.Rule,
    eta: options.Rate = 0.001,
    steps: options.Steps = 200,
    start: options.Before = 0,
    orders: Annotated[Any, options.orders(MOST_ORDER)] = "0,1,2,4",
    state: Annotated[
        str,
        options.state("whole", "slow", help="whole: parameters and memory, or slow: the slow manifold alone."),
    ] = "whole",
    loop: options.Loop,
    network: options.Network,
    report: DrawnReport,
) -> int:
    """Follow a run of an optimiser by its equation of motion.

    The network is trained with the learning rate that is given. From the state
    that it has after --start steps, parameters and memory, the equation of
    motion of each order goes beside the next --steps, by N+1 gradients an
    evaluation. The error is its distance to the run at the last step, over the
    distance that the run has moved; beside it that of the equation on the slow
    manifold, which has no memory.

    With --batches or --batch-size a step is a round of all batches: look at
    --state slow, from where the memory has forgotten its start.

    Adam and its kin divide by a root that is not smooth at zero, where their
    memory begins: give --start 1 or more.
    """
    from eomsym.models import dataset as samples_of

    rule.read()  # refuses what is wrong with it before anything else
    samples, model = network.read()

    from eomsym.verification import follow as follow_run
    from eomsym.verification.following import kernel_to_follow

    drawn = samples_of(samples, report.seed)
    with output.progress("following") as progress:
        study = follow_run(
            kernel_to_follow(model, orders, report.output_),
            model.initial(report.seed),
            eta,
            steps,
            *drawn.arrays,
            optimizer=rule.optimizer,
            orders=orders,
            start=start,
            state=state,
            progress=progress,
            **loop.read(),
            **rule.settings,
        )
    return report.tell(replace(study, dataset=drawn.name, seed=report.seed), samples)
