"""``eomsym recommend``: which learning rate is small enough for an accuracy?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from eomsym.cli import options, output, parsing
from eomsym.cli.groups import examples
from eomsym.cli.measuring import Report

EXAMPLES = examples(
    "eomsym recommend --dataset moons --accuracy 0.01 --relative",
    "eomsym recommend --data own.csv --time 3 --accuracy 1e-4 --orders 1,2",
)


def recommend(
    *,
    accuracy: Annotated[
        float,
        typer.Option(metavar="NUMBER", parser=parsing.positive, help="Largest error allowed at the time, 2-norm."),
    ],
    time: Annotated[
        float,
        typer.Option(
            metavar="NUMBER",
            parser=parsing.positive,
            help="Time, eta times the number of steps, for which it has to hold.",
        ),
    ] = 1.0,
    relative: Annotated[
        bool, typer.Option("--relative", help="The error over the distance that gradient flow moves.")
    ] = False,
    orders: Annotated[Any, options.orders(11)] = "0:3",
    network: options.Network,
    report: Report,
) -> int:
    """Recommend the largest learning rate of gradient-descent.

    For each order N: the largest eta with which the equation of motion of this
    order keeps within the accuracy of the iterates up to the time. It is
    predicted, and then tried: the errors are measured. Gradient flow is order 0.
    """
    samples, model = network.read()

    from eomsym.models import dataset as drawn
    from eomsym.verification import recommend_step
    from eomsym.verification.discretization import Recommendation
    from eomsym.verification.posing import kernel_of

    advice = []
    with output.progress("trying learning rates") as progress:
        kernel = kernel_of(model, max(orders) + 1, report.output_)
        used, theta = drawn(samples, report.seed), model.initial(report.seed)
        for order in orders:
            advice.append(recommend_step(kernel, theta, time, accuracy, order, used.arrays, relative=relative))
            if progress is not None:
                progress(len(advice), len(orders))
    return report.tell(Recommendation(used.name, model.layers, report.seed, relative, tuple(advice)), samples)
