"""``eomsym recommend``: which learning rate is small enough for an accuracy?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from eomsym.cli import options, output
from eomsym.cli.groups import examples

EXAMPLES = examples(
    "eomsym recommend --dataset moons --accuracy 0.001",
    'eomsym recommend --optimizer "torch.SGD(momentum=0.9)" --orders 0:2',
    "eomsym recommend --data own.csv --accuracy 1e-4 --absolute --orders 1,2",
)


def recommend(
    *,
    accuracy: Annotated[float, options.number("Largest error over the distance moved.")] = 0.01,
    time: Annotated[float, options.number("Time, eta times the number of steps, for which it has to hold.")] = 1.0,
    absolute: Annotated[bool, typer.Option("--absolute", help="The accuracy is the error itself, 2-norm.")] = False,
    orders: Annotated[Any, options.orders(11)] = "0:3",
    training: options.Training,
    report: options.Report,
) -> int:
    """Recommend the largest learning rate for an accuracy.

    For each order N: the largest eta with which the equation of motion of this
    order keeps within the accuracy of the iterates up to the time, each time
    measured. Of gradient-descent it is predicted first, and the distance is
    that of gradient flow, which is order 0; of other rules the whole state is
    followed from its real start.
    """
    posed = training.pose()
    result = output.asked("trying learning rates", "recommend", posed, accuracy, time, orders, relative=not absolute)
    return report.tell(result, posed)
