"""What all figures share: colours, markers, panels, short numbers.

Figures are Matplotlib ``Figure`` objects, made without ``pyplot`` and without any global state; save one with
``figure.savefig("name.pdf")``.  They are drawn in ``figures`` modules beside what they show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from eomsym.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Okabe & Ito's colours that stay apart for colour-blind eyes (2008), the pale yellow left out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
#: One for each colour, and some more.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")
#: For what is beside the point.
GREY = "#666666"


def panels(width: float, height: float, count: int = 1) -> tuple[Figure, Sequence[Axes]]:
    """A figure of this size in inches with pairs of axes side by side, without their upper and right borders."""
    figure = Figure(figsize=(width, height), layout="constrained")
    found = figure.subplots(1, count, squeeze=False)[0]
    for axes in found:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, found


def lines_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Every column of real numbers against the first column of numbers, gaps where there is none.

    An axis is logarithmic where all its numbers are positive.  Raises ``InputError`` where there are no two rows or no
    two columns of numbers.
    """
    columns = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
    numbers = {
        name: [math.nan if value is None else value for value in values]
        for name, values in columns.items()
        if all(value is None or isinstance(value, (int, float)) for value in values)
    }
    (places, *_), lines = [*numbers.values(), ()], [*numbers][1:]
    lines = [name for name in lines if any(isinstance(value, float) for value in columns[name])]
    if not lines or len(rows) < 2:
        raise InputError("plot: there are no two rows and columns of numbers to draw; take to_polars() or to_dict()")
    figure, (axes,) = panels(4.6, 3.6)
    for index, name in enumerate(lines):
        colour, marker = line_style(index)
        axes.plot(places, numbers[name], marker=marker, color=colour, label=name.replace("_", " "))
    if all(not value <= 0 for name in lines for value in numbers[name]):
        axes.set(yscale="log")
    if all(isinstance(place, float) and place > 0 for place in places):
        axes.set(xscale="log")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel=next(iter(numbers)).replace("_", " "))
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def line_style(index: int) -> tuple[str, str]:
    """Colour and marker of a line; no pair comes twice before the 70th."""
    return COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]


def order_name(order: int) -> str:
    """How a legend calls the equation of motion of this order."""
    return "gradient flow" if order == 0 else f"order {order}"


def short(number: float, digits: int = 3) -> str:
    """A number as a label shows it; ``none`` for what is not finite."""
    if not math.isfinite(number):
        return "none"
    return f"{number:.{digits}f}" if abs(number) < 100 else f"{number:.2g}"
