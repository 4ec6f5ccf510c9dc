"""``eomsym edge``: which description of a training holds, and what does it cost?"""

from __future__ import annotations

from typing import Annotated

from eomsym.cli import options, output
from eomsym.cli.groups import examples

EXAMPLES = examples(
    "eomsym edge --dataset digits-small --eta 0.8 --after 100",
    'eomsym edge --optimizer "torch.Adam()" --eta 0.001 --after 20',
)


def edge(
    *,
    training: options.Training,
    order: Annotated[int, options.option("N", "Order of the series that is tried.", min=0, max=11)] = 2,
    after: options.After = 0,
    report: options.Report,
) -> int:
    """Say which description of a training holds, and what it costs.

    Over the two steps after --after: the series of gradient-descent (eta
    sharpness below 0.5), resummed (below 1), and the even-step equation (below
    2, and through the edge of stability); of other rules the look-ahead field
    of the whole state and the even-step equation. Beside the error of each the
    gradients that a value takes.
    """
    posed = training.pose(eta=options.USUAL_ETA)
    return report.tell(output.asked("looking", "edge", posed, order=order, after=after), posed)
