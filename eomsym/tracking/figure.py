"""The figure of a tracked run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from eomsym.drawing import COLOURS, GREY, line_style
from eomsym.tracking.verdict import MEANING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from eomsym.tracking.record import Measurement

#: The colour of each verdict: quiet for what is as it should be.
SHADES = dict(zip(MEANING, (COLOURS[2], "#BBBBBB", *COLOURS[:2], COLOURS[4], COLOURS[3], *[GREY] * 3), strict=False))


def track_figure(measurements: Sequence[Measurement]) -> Figure:
    """Against the step: shares by order as areas, how near the edge as bars with their error, verdicts as a strip."""
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    areas, bars, strip = figure.subplots(3, 1, sharex=True, height_ratios=(6, 3, 0.5))
    for axes in (areas, bars):
        axes.spines[["top", "right"]].set_visible(False)
    width = (measurements[-1].step - measurements[0].step) / max(1, len(measurements) - 1) or 1
    _draw_shares(areas, measurements)
    _draw_edge(bars, measurements, width)
    for one in measurements:
        strip.axvspan(one.step - width / 2, one.step + width / 2, color=SHADES[one.verdict], linewidth=0)
    strip.set(yticks=(), xlabel="step", ylim=(0, 1))
    strip.spines[:].set_visible(False)
    told = dict.fromkeys(one.verdict for one in measurements)
    handles = [*areas.get_legend_handles_labels()[0], *(Patch(color=SHADES[name], label=name) for name in told)]
    figure.legend(handles=handles, loc="outside right upper", frameon=False)
    return figure


def _draw_shares(axes: Axes, measurements: Sequence[Measurement]) -> None:
    """Areas from the bottom, the lower order behind, and the schedule as a line."""
    steps = [one.step for one in measurements]
    for order in range(1, max(len(one.shares) for one in measurements)):
        shares = [one.shares[order] if one.seen > order else math.nan for one in measurements]
        if any(map(math.isfinite, shares)):
            colour, marker = line_style(order - 1)
            axes.plot(steps, shares, f"{marker}-", color=colour, markersize=3, label=f"order {order}")
            axes.fill_between(steps, shares, 0, color=colour, alpha=0.25, linewidth=0)
    if any(one.schedule for one in measurements):
        schedule = [one.schedule or math.nan for one in measurements]
        axes.plot(steps, schedule, "--", color=GREY, label="schedule, taken out")
    axes.set(yscale="log", ylabel="share of a step,\ngradient flow = 1")


def _draw_edge(axes: Axes, measurements: Sequence[Measurement], width: float) -> None:
    near = [one for one in measurements if math.isfinite(one.edge)]
    errors = {"ecolor": GREY, "elinewidth": 1}
    axes.bar(
        [one.step for one in near],
        [one.edge for one in near],
        0.8 * width,
        yerr=[one.edge_error for one in near],
        color=COLOURS[4],
        error_kw=errors,
    )
    axes.axhline(1, color=GREY, linewidth=1)
    axes.set(ylim=(0, 1.25), ylabel="of the edge")
