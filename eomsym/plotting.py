"""Every figure of the package, one function each; they return a Matplotlib ``Figure`` and touch no global state.

Save one with ``figure.savefig("name.pdf")``; no display and no ``pyplot`` is needed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from textwrap import shorten
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.textpath import TextPath
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator

from eomsym.derivation import Counterterms, GeneralCounterterms
from eomsym.errors import InputError
from eomsym.notation.coefficients import coefficient_latex
from eomsym.notation.text import tree_text
from eomsym.notation.trees import place_nodes
from eomsym.trees import Tree
from eomsym.verification import (
    RATIO_TOLERANCE,
    AsymptoticStudy,
    ConvergenceStudy,
    OrderAdvice,
    OrderRecord,
    ScaleStudy,
    TermStudy,
    TranslationStudy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from eomsym.studies import Case, OrderSummary, StudyResults

__all__ = [
    "COLOURS",
    "MARKERS",
    "asymptotics_figure",
    "convergence_figure",
    "error_ratio_figure",
    "scale_figure",
    "study_figure",
    "terms_figure",
    "translation_figure",
    "tree_figure",
    "tree_share_figure",
    "truncation_figure",
]

#: Okabe & Ito's colours that stay apart for colour-blind eyes (2008), the pale yellow left out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")
GREY = "#666666"

#: Panels side by side, and in all: more would be too small to read on a page.
PANEL_COLUMNS, MOST_PANELS = 3, 24

#: Ratios above this are cut off: one that runs away would press all others flat.
LARGEST_RATIO = 3.0

#: Inches from one tree's node to the next, in both directions.
TREE_UNIT = 0.22
#: Points.
LABEL_SIZE, POINTS_PER_INCH = 11, 72
#: Inches: left of a row of trees for its name, between trees, and below a tree for its label.
NAME_WIDTH, TREE_GAP, LABEL_HEIGHT = 0.45, 0.36, 0.6


def convergence_figure(study: ConvergenceStudy) -> Figure:
    """Error of the equation of motion against the step size, both logarithmic, one line for each order.

    Full markers are measured, hollow ones are lost in round-off; dashed lines are the predicted errors, which serve as
    reference slopes too, for theirs is N + 1 exactly.  The number beside each line is the measured slope.
    """
    figure, axes = _figure(4.6, 4.4)
    for index, record in enumerate(study.orders):
        colour, marker = _style(index)
        axes.plot(record.etas, record.predicted_errors, "--", color=colour, linewidth=1.1)
        _draw_errors(axes, record, colour, marker)
        label = rf"$N={record.order}$: slope {_short(record.slope)}"
        _label_at_end(axes, record, label, colour)
    axes.set_xscale("log")
    axes.set_yscale("log")
    _eta_axis(axes, study.orders, room=0.75)
    axes.yaxis.set_major_locator(LogLocator(numticks=12))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel(r"$\|\theta_{\mathrm{EoM}}(T)-\theta_{T/\eta}\|_2$")
    axes.set_ylim(top=100 * axes.get_ylim()[1])
    axes.legend(handles=_legend_handles(study), loc="upper left", frameon=False)
    return figure


def error_ratio_figure(study: ConvergenceStudy) -> Figure:
    """Measured over predicted error against the step size, which tends to 1 as the step size tends to 0.

    Both axes are linear, so that the limit is read off where the lines meet the left edge.  Points lost in round-off
    are left out; the grey band is the tolerance of the extrapolated ratio.
    """
    figure, axes = _figure(6.4, 3.4)
    axes.axhspan(1 - RATIO_TOLERANCE, 1 + RATIO_TOLERANCE, color="#DDDDDD", linewidth=0)
    axes.axhline(1, color=GREY, linewidth=0.8)
    for index, record in enumerate(study.orders):
        colour, marker = _style(index)
        count = record.points_above_floor
        axes.plot(
            record.etas[:count],
            record.error_ratio[:count],
            "-",
            color=colour,
            marker=marker,
            linewidth=1.2,
            markersize=5,
            label=rf"$N={record.order}$: {_short(record.extrapolated_ratio, 4)} at $\eta=0$",
        )
    axes.set_xlim(left=0)
    if axes.get_ylim()[1] > LARGEST_RATIO:
        axes.set_ylim(0, LARGEST_RATIO)
    axes.set_xlabel(r"step size $\eta$")
    axes.set_ylabel("measured / predicted error")
    # Beside the axes: lines may run anywhere in them.
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def tree_figure(trees: Counterterms | GeneralCounterterms | Iterable[Tree], columns: int = 10) -> Figure:
    r"""Rooted trees, root at the bottom, in rows of at most ``columns``.

    For counter terms each ξ_k begins a row and under each tree stands its coefficient; else its elementary
    differential.  Raises ``InputError`` if there is no tree to draw, if the counter terms are not over plain trees, or
    ``columns`` is no integer above 0.
    """
    if isinstance(trees, GeneralCounterterms):
        raise InputError(f"counter terms of {trees.optimizer}: they are not over plain rooted trees; use their text()")
    if isinstance(columns, bool) or not isinstance(columns, int) or columns < 1:
        raise InputError(f"columns {columns!r}: give an integer above 0")
    rows = [row for name, group in _groups(trees) for row in _rows(name, group, columns)]
    if not rows:
        raise InputError("trees: none to draw; give at least one, or counter terms of order 1 or more")
    indent = NAME_WIDTH if any(name for name, _ in rows) else 0.0
    widths = [indent + sum(_cell_width(tree, label) for tree, label in row) for _, row in rows]
    heights = [LABEL_HEIGHT + TREE_UNIT * (1 + max(_height(tree) for tree, _ in row)) for _, row in rows]
    width, height = max(widths) + 0.1, sum(heights) + 0.1
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    top = height
    for (name, row), row_height in zip(rows, heights, strict=True):
        top -= row_height
        axes.text(0.12, top + LABEL_HEIGHT, name, ha="left", va="center", fontsize=12)
        _draw_row(axes, row, indent, top + LABEL_HEIGHT)
    return figure


def translation_figure(study: TranslationStudy) -> Figure:
    """Left: how far the sums over classes fall below gradient flow's ``e^{−λt}``; right: how far each rate is off.

    Left, markers are measured and weighted as the rate is; lines are the orders of the equation of motion.  Right, the
    dashed line is the distance of the measured rate from the exact one, the resolution of the experiment.
    """
    figure, (left, right) = _two_panels(8.6, 3.6)
    first = study.sums[0]
    measured = np.log(study.sums @ first / (first @ first)) + study.weight_decay * study.times
    for index, prediction in enumerate(study.predictions):
        colour, marker = _style(index)
        beyond = (study.weight_decay - prediction.rate) * study.times
        if prediction.order <= 1:
            left.plot(study.times, beyond, color=colour, label=_order_name(prediction.order))
        right.plot([prediction.order], [prediction.error], marker, color=colour)
    left.plot(study.times[::5], measured[::5], "o", color=GREY, markersize=4, label="measured")
    left.set_xlabel(r"time $k\eta$")
    left.set_ylabel(r"$\ln\,(a_k/a_0)+\lambda k\eta$")
    left.legend(frameon=False)
    resolution = abs(study.measured_rate - study.exact_rate)
    if resolution > 0:
        right.axhline(resolution, color=GREY, linestyle="--", linewidth=1, label="measured")
        right.legend(frameon=False)
    right.set_yscale("log")
    right.set_xticks([prediction.order for prediction in study.predictions])
    right.set_xlabel("order")
    right.set_ylabel(r"$|$rate $+\ \ln(1-\eta\lambda)/\eta|$")
    return figure


def scale_figure(study: ScaleStudy) -> Figure:
    """Left: total squared norm of the scale-invariant weights along the run; right: its error against the step size."""
    figure, (left, right) = _two_panels(8.6, 3.8)
    for index, record in enumerate(study.orders):
        colour, marker = _style(index)
        left.plot(study.path.times, study.path.motion[record.order], color=colour, label=_order_name(record.order))
        right.plot(record.etas, record.predicted_errors, "--", color=colour, linewidth=1.1)
        _draw_errors(right, record, colour, marker)
        _label_at_end(right, record, rf"$N={record.order}$: slope {_short(record.slope)}", colour)
    left.plot(study.path.times, study.path.descent, "o", color="black", markersize=4, label="gradient descent")
    left.set_xlabel(r"time $k\eta$")
    left.set_ylabel(r"$\|w\|^2$, all groups")
    left.legend(frameon=False)
    right.set_xscale("log")
    right.set_yscale("log")
    _eta_axis(right, study.orders, room=0.9)
    right.set_ylabel(r"error of $\|w\|^2$ at the end")
    return figure


def terms_figure(study: TermStudy) -> Figure:
    """Along a training run: share of each counter term beside g, its cosine with g, and η times the sharpness."""
    figure = Figure(figsize=(11.0, 3.6), layout="constrained")
    shares, cosines, sharpness = figure.subplots(1, 3)
    steps = [point.step for point in study.points]
    for k in range(study.order):
        colour, marker = _style(k)
        shares.semilogy(
            steps,
            [study.share(point, k) for point in study.points],
            "-",
            color=colour,
            marker=marker,
            label=rf"$\xi_{k}$",
        )
        cosines.plot(steps, [point.terms[k].cosine for point in study.points], "-", color=colour, marker=marker)
    shares.set_ylabel(r"$\eta^{k+1}\,\|\xi_k\|\,/\,\|g\|$")
    shares.legend(frameon=False, ncols=2)
    cosines.axhline(0, color=GREY, linewidth=0.8)
    cosines.set_ylim(-1.05, 1.05)
    cosines.set_ylabel(r"cosine of $\xi_k$ with $g$")
    sharpness.plot(steps, [study.eta * point.sharpness for point in study.points], "-o", color="black")
    sharpness.axhline(1, color=COLOURS[1], linestyle="--", linewidth=1)
    sharpness.annotate(
        "no series beyond",
        (0.02, 1),
        xycoords=("axes fraction", "data"),
        xytext=(0, 4),
        textcoords="offset points",
        color=COLOURS[1],
        fontsize=9,
    )
    sharpness.set_ylim(0, max(1.2, 1.1 * max(study.eta * point.sharpness for point in study.points)))
    sharpness.set_ylabel(r"$\eta\,\lambda_{\max}$")
    for axes in (shares, cosines, sharpness):
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("step")
    return figure


def tree_share_figure(study: TermStudy, step: int | None = None) -> Figure:
    """Share of each tree's ``η^{k+1} · coefficient · F(tree)`` beside g at one step, by default the last, as bars.

    The colour tells the counter term; hollow bars point against g.  Raises ``InputError`` if the study has no such
    step.
    """
    found = [point for point in study.points if step is None or point.step == step]
    if not found:
        known = ", ".join(str(point.step) for point in study.points)
        raise InputError(f"step {step!r}: not looked at; give one of {known}")
    point = found[-1]
    trees = [(term.index, record) for term in point.terms for record in term.trees if record.size > 0]
    figure, axes = _figure(6.0, 0.9 + 0.24 * len(trees))
    for row, (k, record) in enumerate(trees):
        colour, _ = _style(k)
        share = study.eta ** (k + 1) * record.size / point.gradient_norm
        axes.barh(row, share, height=0.65, edgecolor=colour, facecolor=colour if record.cosine >= 0 else "white")
    axes.set_yticks(range(len(trees)), [f"{record.coefficient} {tree_text(record.tree)}" for _, record in trees])
    axes.tick_params(axis="y", labelsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel(rf"share of $\|g\|$ at step {point.step}; hollow: against $g$")
    axes.legend(handles=[_patch(term.index) for term in point.terms], loc="lower right", frameon=False)
    return figure


def truncation_figure(advices: Sequence[OrderAdvice]) -> Figure:
    """What each order leaves out in one step, one line for each step size; a ring marks where the series turns.

    Raises ``InputError`` if there is nothing to draw.
    """
    if not advices:
        raise InputError("advices: none to draw; give at least one OrderAdvice")
    figure, axes = _figure(4.8, 3.6)
    for index, advice in enumerate(advices):
        colour, marker = _style(index)
        orders = range(len(advice.defects))
        axes.semilogy(orders, advice.defects, "-", color=colour, marker=marker, label=rf"$\eta={advice.eta:.3g}$")
        if advice.turns:
            axes.plot(advice.order, advice.defects[advice.order], "o", color=colour, markersize=13, fillstyle="none")
    axes.set_xticks(range(max(len(advice.defects) for advice in advices)))
    axes.set_xlabel("order $N$")
    axes.set_ylabel(r"$\eta^{N+2}\,\|\xi_N\|$")
    axes.legend(frameon=False)
    return figure


def asymptotics_figure(study: AsymptoticStudy) -> Figure:
    """How the series goes on: ratios of successive terms beside two laws, and terms and errors of single steps.

    On the right, if steps were measured, one colour a step size: lines are ``η^{N+2} ‖ξ_N‖``, with a ring at the
    smallest, markers the measured error of order N after one step, left out where it is known to half of it or less.
    """
    if not study.steps:
        figure, ratios = _figure(4.8, 3.9)
        _draw_ratios(ratios, study)
        return figure
    figure, (ratios, steps) = _two_panels(9.0, 3.9)
    _draw_ratios(ratios, study)
    _draw_steps(steps, study)
    return figure


def _draw_ratios(axes: Axes, study: AsymptoticStudy) -> None:
    """Ratios of successive terms, measured and by the two laws."""
    scale, orders = abs(study.curvature), range(len(study.sizes) - 1)
    axes.semilogy(orders, study.ratios / scale, "o", color=COLOURS[0], markersize=4.5, label="measured")
    axes.semilogy(orders, study.curvature_ratios / scale, "--", color=GREY, label=r"$(N+2)/(N+3)$")
    if math.isfinite(study.time_radius):
        label = r"$(N+2)/(2\pi T|\lambda|)$"
        axes.semilogy(orders, study.singularity_ratios / scale, ":", color=COLOURS[1], linewidth=1.8, label=label)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel(r"$\|\xi_{N+1}\|\,/\,(|\lambda|\,\|\xi_N\|)$")
    _order_axis(axes)


def _draw_steps(axes: Axes, study: AsymptoticStudy) -> None:
    """Terms and errors of single steps, one colour a step size."""
    for index, record in enumerate(study.steps):
        colour, marker = _style(index)
        terms, best = study.terms(record.eta), study.optimal_order(record.eta)
        axes.semilogy(range(len(terms)), terms, "-", color=colour, linewidth=1.1)
        axes.plot(best, terms[best], "o", color=colour, markersize=12, fillstyle="none")
        found = zip(record.orders, record.errors, record.uncertainties, strict=True)
        shown = [(order, error) for order, error, doubt in found if error > 2 * doubt]
        label = rf"$\eta|\lambda|={record.eta * abs(study.curvature):.2g}$"
        axes.plot(
            [order for order, _ in shown],
            [error for _, error in shown],
            marker,
            color=colour,
            markersize=5.5,
            label=label,
        )
    axes.set_ylabel(r"one step: $\eta^{N+2}\|\xi_N\|$ (lines), error (markers)")
    _order_axis(axes)


def _order_axis(axes: Axes) -> None:
    """Orders are whole numbers."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("order $N$")
    axes.legend(frameon=False)


def _patch(index: int) -> Patch:
    """What the colour of a bar means."""
    return Patch(facecolor=_style(index)[0], label=rf"$\xi_{index}$")


def study_figure(results: StudyResults) -> Figure:
    """Errors over step sizes of a study of many jobs, one panel for each optimiser on each model.

    Colour and marker tell the order, as in ``convergence_figure``, with a marker for each seed and a dashed line for
    its predicted errors; the number beside a line is the median slope.  A panel stays empty where all jobs failed.
    Raises ``InputError`` for more than 24 panels.
    """
    cases = results.cases
    if len(cases) > MOST_PANELS:
        raise InputError(
            f"results: {len(cases)} optimisers on models are more than the {MOST_PANELS} panels that can be read; "
            "choose some of them by optimizer or data"
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
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylabel("error")
    records = [record for summary in case.orders for record in summary.records]
    if not records:
        axes.text(0.5, 0.5, "every job failed", transform=axes.transAxes, ha="center")
        return
    for summary in case.orders:
        colour, marker = _style(summary.order)
        for record in summary.records:
            axes.plot(record.etas, record.predicted_errors, "--", color=colour, linewidth=0.8)
            _draw_errors(axes, record, colour, marker)
        lowest = min(summary.records, key=lambda record: record.predicted_errors[-1])
        _label_at_end(axes, lowest, _short(summary.slope, 2), colour)
    _eta_axis(axes, records, room=0.45)
    etas = sorted({eta for record in records for eta in record.etas}, reverse=True)
    axes.set_xticks(etas[:: math.ceil(len(etas) / 4)], minor=False)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_locator(LogLocator(numticks=8))
    axes.yaxis.set_minor_locator(NullLocator())


def _order_handles(orders: Sequence[OrderSummary]) -> list[Line2D]:
    """Colour and marker of each order, and what a dashed line is."""
    handles = []
    for summary in orders:
        colour, marker = _style(summary.order)
        label = rf"$N={summary.order}$"
        handles.append(Line2D([], [], color=colour, marker=marker, markersize=5.5, linestyle="", label=label))
    return [*handles, Line2D([], [], color=GREY, linestyle="--", linewidth=1, label="predicted")]


def _two_panels(width: float, height: float) -> tuple[Figure, tuple[Axes, Axes]]:
    figure = Figure(figsize=(width, height), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure, (left, right)


def _order_name(order: int) -> str:
    return "gradient flow" if order == 0 else f"order {order}"


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of this size in inches with one pair of axes, without the upper and right border."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _style(index: int) -> tuple[str, str]:
    """Colour and marker of a line; no pair comes twice before the 70th."""
    return COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]


def _draw_errors(axes: Axes, record: OrderRecord, colour: str, marker: str) -> None:
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


def _label_at_end(axes: Axes, record: OrderRecord, label: str, colour: str) -> None:
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


def _eta_axis(axes: Axes, records: Sequence[OrderRecord], room: float) -> None:
    """Room on the left for the labels, as a fraction of the logarithmic range of the step sizes; decades as ticks."""
    smallest = min(min(record.etas) for record in records)
    largest = max(max(record.etas) for record in records)
    axes.set_xlim(smallest / (largest / smallest) ** room, largest * 1.25)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(r"step size $\eta$")


def _legend_handles(study: ConvergenceStudy) -> list[Line2D]:
    """What full, hollow and dashed mean; hollow only where there is one."""
    measured = Line2D([], [], color=GREY, marker="o", markersize=5.5, linestyle="", label="measured")
    lost = Line2D(
        [], [], color=GREY, marker="o", markersize=5, markerfacecolor="white", linestyle="", label="lost in round-off"
    )
    predicted = Line2D([], [], color=GREY, linestyle="--", linewidth=1, label=r"predicted, $\eta^{N+1}\|E_N(T)\|_2$")
    any_lost = any(any(record.at_floor) for record in study.orders)
    return [measured, *([lost] if any_lost else []), predicted]


def _short(number: float, digits: int = 3) -> str:
    if not math.isfinite(number):
        return "none"
    return f"{number:.{digits}f}" if abs(number) < 100 else f"{number:.2g}"


def _groups(trees: Counterterms | Iterable[Tree]) -> list[tuple[str, list[tuple[Tree, str]]]]:
    """Name and labelled trees of each group, as mathtext."""
    if isinstance(trees, Counterterms):
        return [
            (rf"$\xi_{{{index}}}$", [(term.tree, _mathtext(term.coefficient)) for term in terms])
            for index, terms in enumerate(trees.terms)
        ]
    return [("", [(tree, f"${_differential(tree)}$") for tree in trees])]


def _mathtext(coefficient: object) -> str:
    """Matplotlib does not know the small fraction."""
    return f"${coefficient_latex(coefficient).replace('tfrac', 'dfrac')}$"


def _differential(tree: Tree) -> str:
    """``g''(g, g'g)`` in mathtext; from the fourth derivative on a number in brackets."""
    count = len(tree.children)
    if not count:
        return "g"
    derivative = "g" + ("'" * count if count < 4 else rf"^{{({count})}}")
    children = [_differential(child) for child in reversed(tree.children)]
    return derivative + (children[0] if count == 1 else rf"({','.join(children)})")


def _rows(name: str, group: list[tuple[Tree, str]], columns: int) -> list[tuple[str, list[tuple[Tree, str]]]]:
    """A group broken into rows, the first with its name."""
    starts = range(0, len(group), columns)
    return [(name if start == 0 else "", group[start : start + columns]) for start in starts]


def _height(tree: Tree) -> int:
    return 1 + max(map(_height, tree.children)) if tree.children else 0


def _extent(tree: Tree) -> tuple[float, float]:
    """Leftmost and rightmost node, in inches from the root."""
    positions = [TREE_UNIT * node.x for node in place_nodes(tree)]
    return min(positions), max(positions)


def _cell_width(tree: Tree, label: str) -> float:
    """Inches for a tree and its label, whichever is wider."""
    left, right = _extent(tree)
    written = TextPath((0, 0), label, size=LABEL_SIZE).get_extents().width / POINTS_PER_INCH
    return max(2 * max(-left, right), written) + TREE_GAP


def _draw_row(axes: Axes, row: Sequence[tuple[Tree, str]], left: float, ground: float) -> None:
    """Trees side by side from ``left`` on, with their roots at height ``ground``."""
    for tree, label in row:
        width = _cell_width(tree, label)
        _draw_tree(axes, tree, left + width / 2, ground)
        axes.text(left + width / 2, ground - 0.33, label, ha="center", va="center", fontsize=LABEL_SIZE)
        left += width


def _draw_tree(axes: Axes, tree: Tree, x: float, ground: float) -> None:
    """Dots and branches, the root at (x, ground)."""
    nodes = place_nodes(tree)
    points = [(x + TREE_UNIT * node.x, ground + TREE_UNIT * node.level) for node in nodes]
    for point, node in zip(points, nodes, strict=True):
        if node.parent is not None:
            axes.plot(*zip(points[node.parent], point, strict=True), color="black", linewidth=1, zorder=1)
    across, up = zip(*points, strict=True)
    axes.scatter(across, up, s=16, color="black", zorder=2)
