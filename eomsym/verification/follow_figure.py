"""The figure of a followed run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from eomsym.drawing import COLOURS, GREY, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from eomsym.verification.compare import Compared
    from eomsym.verification.follow_record import Follow

#: Farther away than this, in distances moved, a path is not drawn: one that runs off would press all others flat.
FARTHEST = 3.0


def follow_figure(study: Follow) -> Figure:
    """Distance to the run over the distance moved, logarithmic, against the step: one curve an order.

    Full lines are the whole state, dashed ones of the same colour the slow manifold.
    """
    figure, (axes,) = panels(6.4, 3.8)
    steps = study.after + np.arange(study.steps + 1)
    colours = dict(zip(sorted({r.order for r in (*study.whole, *study.slow)}), COLOURS * 3, strict=False))

    def draw(record: Compared, style: str) -> None:
        if record.path is None:
            return
        distances = study.distances(record.path)
        shown = (distances > 0) & (distances < FARTHEST)
        axes.plot(steps[shown], distances[shown], style, color=colours[record.order], linewidth=1.3)

    for record in study.slow:
        draw(record, "--")
    for record in study.whole:
        draw(record, "-")
    axes.set(yscale="log", xlabel=f"step of {study.optimizer}", ylabel="distance to the run / distance moved")
    axes.set_xlim(steps[0], steps[-1])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(LogLocator(numticks=10))
    axes.yaxis.set_minor_locator(NullLocator())
    handles = [Line2D([], [], color=colour, label=f"order {order}") for order, colour in colours.items()]
    if any(record.path is not None for record in study.slow):
        handles += [Line2D([], [], color=GREY, label="whole state")] if study.whole else []
        handles += [Line2D([], [], color=GREY, linestyle="--", label="slow manifold")]
    # Beside the axes: lines may run anywhere in them.
    figure.legend(handles=handles, loc="outside right upper", frameon=False)
    return figure
