"""``eomsym terms``: which terms of the equation of motion matter along a training run."""

from __future__ import annotations

from typing import Annotated

import typer

from eomsym.cli import options, output
from eomsym.cli.groups import examples

EXAMPLES = examples(
    "eomsym terms",
    "eomsym terms --dataset digits-small --order 3 --steps 200 --plot terms.png",
    "eomsym terms --dataset digits-small --eta 0.8 --edge",
    "eomsym terms --data own.csv --target y --scale standard",
)


def terms(
    *,
    training: options.Training,
    order: Annotated[int, options.option("N", "Highest power of the learning rate kept.", min=1, max=7)] = 4,
    steps: options.Steps = 100,
    points: Annotated[int, options.option("N", "Iterates that are looked at, both ends included.", min=2, max=50)] = 5,
    edge: Annotated[
        bool, typer.Option("--edge", help="Say which description holds at each iterate, and what a value costs.")
    ] = False,
    report: options.DrawnReport,
) -> int:
    """Show which terms of the equation of motion matter.

    Along a run of the optimizer, on its slow manifold: how large eta^(k+1) xi_k
    is beside the gradient g, and how far it points the same way (cosine); the
    same for every rooted tree in it; and eta times the sharpness, the largest
    eigenvalue of the Hessian, with a warning where the series stops being
    useful.

    With --edge also which description of gradient-descent holds: the series (eta
    sharpness below 0.5), resummed (below 1), the even-step equation (below 2, and
    through the edge), with the error of each over two steps and its cost.

    Every tree is evaluated by derivatives along straight lines, where the series
    is one over plain trees. The exit status is 1 if their sum is not the counter
    term of the kernel.
    """
    posed = training.pose()
    result = output.asked("measuring terms", "terms", posed, steps, order, points=points, edge=edge)
    return report.tell(result, posed)
