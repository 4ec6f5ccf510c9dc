"""The figure of a sweep of many jobs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from textwrap import shorten
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from eomsym.drawing import GREY, line_style, short
from eomsym.errors import InputError
from eomsym.verification.figures import draw_errors, eta_axis, label_at_end

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from eomsym.sweeps.results import Case, OrderSummary, SweepResults

#: Panels side by side, and in all: more would be too small to read on a page.
PANEL_COLUMNS, MOST_PANELS = 3, 24


def sweep_figure(results: SweepResults) -> Figure:
    """Errors over step sizes of a sweep of many jobs, one panel for each optimiser on each model.

    Colour and marker tell the order, as in ``convergence_figure``, with a marker for each seed and a dashed line for
    its predicted errors; the number beside a line is the median slope.  A panel stays empty where all jobs failed.
    Raises ``InputError`` for more than 24 panels.
    """
    cases = results.cases
    if len(cases) > MOST_PANELS:
        raise InputError(
            f"results: {len(cases)} optimisers on models are more than the {MOST_PANELS} panels that can be read; "
            "draw a part of the frame: SweepResults(results.frame.filter(...)).plot()"
        )
    columns = min(PANEL_COLUMNS, len(cases))
    rows = math.ceil(len(cases) / columns)
    figure = Figure(figsize=(3.4 * columns, 3.1 * rows + 0.4), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, case in zip(panels, cases, strict=False):
        _draw_case(axes, case)
    for axes in panels[len(cases) :]:
        axes.set_axis_off()
    orders = max((case.orders for case in cases), key=len)
    figure.legend(handles=_order_handles(orders), loc="outside lower center", frameon=False, ncols=len(orders) + 1)
    return figure


def _draw_case(axes: Axes, case: Case) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    optimizer = f"{case.optimizer}, {case.parameters}" if case.parameters else case.optimizer
    axes.set_title("\n".join(shorten(line, 46) for line in (optimizer, f"{case.model}, {case.data}")), fontsize=9)
    axes.set(xscale="log", yscale="log", ylabel="error")
    records = [record for summary in case.orders for record in summary.by_seed]
    if not records:
        axes.text(0.5, 0.5, "every job failed", transform=axes.transAxes, ha="center")
        return
    for summary in case.orders:
        colour, marker = line_style(summary.order)
        for record in summary.by_seed:
            draw_errors(axes, record, colour, marker, width=0.8)
        lowest = min(summary.by_seed, key=lambda record: record.predicted_errors[-1])
        label_at_end(axes, lowest, short(summary.slope, 2), colour)
    eta_axis(axes, records, room=0.45)
    etas = sorted({eta for record in records for eta in record.etas}, reverse=True)
    axes.set_xticks(etas[:: math.ceil(len(etas) / 4)], minor=False)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_locator(LogLocator(numticks=8))
    axes.yaxis.set_minor_locator(NullLocator())


def _order_handles(orders: Sequence[OrderSummary]) -> list[Line2D]:
    """Colour and marker of each order, and what a dashed line is."""
    handles = []
    for summary in orders:
        colour, marker = line_style(summary.order)
        label = rf"$N={summary.order}$"
        handles.append(Line2D([], [], color=colour, marker=marker, markersize=5.5, linestyle="", label=label))
    return [*handles, Line2D([], [], color=GREY, linestyle="--", linewidth=1, label="predicted")]
