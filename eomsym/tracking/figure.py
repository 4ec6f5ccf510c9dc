"""The figure of a tracked run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.lines import Line2D

from eomsym.drawing import COLOURS, GREY, line_style, panels
from eomsym.tracking.verdict import MEANING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from eomsym.tracking.record import Measurement


def track_figure(measurements: Sequence[Measurement]) -> Figure:
    """The share of each order against the step, logarithmic; a band below has the verdicts."""
    figure, (axes,) = panels(6.4, 3.8)
    for order in range(1, max(len(one.shares) for one in measurements)):
        colour, marker = line_style(order - 1)
        seen = [(one.step, one.shares[order]) for one in measurements if one.seen > order]
        steps, shares = zip(*seen, strict=True) if seen else ((), ())
        axes.plot(steps, shares, f"{marker}-", color=colour, markersize=3, label=f"order {order}")
    axes.set(yscale="log", xlabel="step", ylabel="share in a step, gradient flow = 1")
    shades = dict(zip(MEANING, (GREY, *reversed(COLOURS)), strict=False))
    places = axes.get_xaxis_transform()
    half = (measurements[-1].step - measurements[0].step) / max(1, len(measurements) - 1) / 2
    for one in measurements:
        width = [one.step - half, one.step + half]
        axes.plot(width, [0, 0], color=shades[one.verdict], linewidth=8, solid_capstyle="butt", transform=places)
    told = dict.fromkeys(one.verdict for one in measurements)
    handles, _ = axes.get_legend_handles_labels()
    handles += [Line2D([], [], color=shades[name], linewidth=8, label=name) for name in told]
    figure.legend(handles=handles, loc="outside right upper", frameon=False)
    return figure
