"""Errors over step sizes, both logarithmic: markers, labels and axis of every figure that shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullFormatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from eomsym.verification.verification_record import OrderRecord


def draw_errors(axes: Axes, record: OrderRecord, colour: str, marker: str) -> None:
    """Markers, hollow for what is lost in round-off; a zero has no place on a logarithmic axis."""
    etas, errors, lost = np.array(record.etas), np.array(record.errors), np.array(record.at_floor)
    for chosen, face in ((~lost, colour), (lost & (errors > 0), "white")):
        axes.plot(
            etas[chosen],
            errors[chosen],
            linestyle="",
            color=colour,
            marker=marker,
            markersize=5.5,
            markerfacecolor=face,
        )


def label_at_end(axes: Axes, record: OrderRecord, label: str, colour: str) -> None:
    """Left of the predicted line: there they are farthest apart, whatever was measured."""
    error = record.predicted_errors[-1] or record.errors[-1]
    if error > 0:
        axes.annotate(
            label,
            (record.etas[-1], error),
            xytext=(-8, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            color=colour,
            fontsize=9,
            path_effects=[withStroke(linewidth=3, foreground="white")],  # legible across another order's line
        )


def eta_axis(axes: Axes, records: Sequence[OrderRecord], room: float) -> None:
    """Room on the left for the labels, as a fraction of the logarithmic range of the step sizes; decades as ticks."""
    smallest = min(min(record.etas) for record in records)
    largest = max(max(record.etas) for record in records)
    axes.set_xlim(smallest / (largest / smallest) ** room, largest * 1.25)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(r"step size $\eta$")
