"""Figures of what was verified, one function each; they return a Matplotlib ``Figure`` and touch no global state."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator

from eomsym.drawing import COLOURS, GREY, line_style, order_name, panels, short
from eomsym.errors import InputError
from eomsym.notation import tree_text
from eomsym.verification.verification_record import RATIO_TOLERANCE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from eomsym.verification.drifting import Drift
    from eomsym.verification.following import Follow
    from eomsym.verification.recommending import OrderAdvice
    from eomsym.verification.scale_law import Scale
    from eomsym.verification.terms_along import Terms
    from eomsym.verification.translation_law import Translation
    from eomsym.verification.verification_record import OrderRecord, Verification

__all__ = [
    "error_ratio_figure",
    "tree_share_figure",
    "truncation_figure",
]

#: Ratios above this are cut off: one that runs away would press all others flat.
LARGEST_RATIO = 3.0
#: Farther away than this, in distances moved, a path is not drawn: one that runs off would press all others flat.
FARTHEST = 3.0
#: Round-off is drawn where it is no farther below the smallest error.
NEAR = 1e-3


def convergence_figure(study: Verification) -> Figure:
    """Error of the equation of motion against the step size, both logarithmic, one line for each order.

    Full markers are measured, hollow ones are lost in round-off; dashed lines are the predicted errors, which serve as
    reference slopes too, for theirs is N + 1 exactly.  The number beside each line is the measured slope.
    """
    figure, (axes,) = panels(4.6, 4.4)
    _draw_over_etas(axes, study.orders, room=0.75)
    axes.yaxis.set_major_locator(LogLocator(numticks=12))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel(r"$\|\theta_{\mathrm{EoM}}(T)-\theta_{T/\eta}\|_2$")
    axes.set_ylim(top=100 * axes.get_ylim()[1])
    axes.legend(handles=_legend_handles(study), loc="upper left", frameon=False)
    return figure


def _legend_handles(study: Verification) -> list[Line2D]:
    """What full, hollow and dashed mean; hollow only where there is one."""
    measured = Line2D([], [], color=GREY, marker="o", markersize=5.5, linestyle="", label="measured")
    lost = Line2D(
        [], [], color=GREY, marker="o", markersize=5, markerfacecolor="white", linestyle="", label="lost in round-off"
    )
    predicted = Line2D([], [], color=GREY, linestyle="--", linewidth=1, label=r"predicted, $\eta^{N+1}\|E_N(T)\|_2$")
    any_lost = any(any(record.at_floor) for record in study.orders)
    return [measured, *([lost] if any_lost else []), predicted]


def error_ratio_figure(study: Verification) -> Figure:
    """Measured over predicted error against the step size, which tends to 1 as the step size tends to 0.

    Both axes are linear, so that the limit is read off where the lines meet the left edge.  Points lost in round-off
    are left out; the grey band is the tolerance of the extrapolated ratio.
    """
    figure, (axes,) = panels(6.4, 3.4)
    axes.axhspan(1 - RATIO_TOLERANCE, 1 + RATIO_TOLERANCE, color="#DDDDDD", linewidth=0)
    axes.axhline(1, color=GREY, linewidth=0.8)
    for index, record in enumerate(study.orders):
        colour, marker = line_style(index)
        count = record.points_above_floor
        points, limit = (record.etas[:count], record.error_ratio[:count]), short(record.extrapolated_ratio, 4)
        label = rf"$N={record.order}$: {limit} at $\eta=0$"
        axes.plot(*points, f"{marker}-", color=colour, linewidth=1.2, markersize=5, label=label)
    axes.set_xlim(left=0)
    if axes.get_ylim()[1] > LARGEST_RATIO:
        axes.set_ylim(0, LARGEST_RATIO)
    axes.set(xlabel=r"step size $\eta$", ylabel="measured / predicted error")
    # Beside the axes: lines may run anywhere in them.
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def follow_figure(study: Follow) -> Figure:
    """Distance to the run over the distance moved, logarithmic, against the step: one curve an order.

    Full lines are the whole state, dashed ones of the same colour the slow manifold.
    """
    figure, (axes,) = panels(6.4, 3.8)
    steps = study.after + np.arange(study.steps + 1)
    colours = _colours({record.order for record in (*study.whole, *study.slow)})
    for records, style in ((study.slow, "--"), (study.whole, "-")):
        paths = {record.order: record.path for record in records if record.path is not None}
        _draw_over_steps(axes, steps, {n: study.distances(path) for n, path in paths.items()}, colours, style)
    axes.set(xlabel=f"step of {study.optimizer}", ylabel="distance to the run / distance moved")
    axes.set_xlim(steps[0], steps[-1])
    axes.yaxis.set_major_locator(LogLocator(numticks=10))
    axes.yaxis.set_minor_locator(NullLocator())
    handles = [Line2D([], [], color=colour, label=f"order {order}") for order, colour in colours.items()]
    if any(record.path is not None for record in study.slow):
        handles += [Line2D([], [], color=GREY, label="whole state")] if study.whole else []
        handles += [Line2D([], [], color=GREY, linestyle="--", label="slow manifold")]
    # Beside the axes: lines may run anywhere in them.
    figure.legend(handles=handles, loc="outside right upper", frameon=False)
    return figure


def drift_figure(study: Drift) -> Figure:
    """Change of the observable and the error of each order's prediction, logarithmic, against the step.

    Of an array both are norms, ‖·‖₂.
    """
    figure, (change, errors) = panels(9.0, 3.8, 2)
    steps, scalar = study.after + study.marks, study.value.ndim == 0
    colours, few = _colours(study.predicted), len(study.marks) < 30

    def sizes(path: np.ndarray) -> np.ndarray:
        return path if scalar else np.linalg.norm(path.reshape(len(path), -1), axis=1)

    style = ".k" if few else "-k"
    change.plot(steps, sizes(study.measured), style, linewidth=3, markersize=7, alpha=0.35, label="measured")
    for order, path in study.predicted.items():
        change.plot(steps, sizes(path), color=colours[order], linewidth=1.2, label=f"order {order}")
    if study.round_off > NEAR * min(study.errors.values(), default=0.0):
        errors.axhline(study.round_off, color=GREY, linestyle=":", linewidth=1, label="round-off")
    apart = {order: np.abs(sizes(path - study.measured)) for order, path in study.predicted.items()}
    _draw_over_steps(errors, steps, apart, colours, ".-" if few else "-", farthest=math.inf)
    name = study.observable if scalar else f"‖{study.observable}‖"
    change.set(xlabel=f"step of {study.optimizer}", ylabel=f"change of {study.observable}")
    change.xaxis.set_major_locator(MaxNLocator(integer=True))
    errors.set(xlabel=f"step of {study.optimizer}", ylabel=f"error in {name}")
    handles, labels = change.get_legend_handles_labels()
    line, text = errors.get_legend_handles_labels()
    figure.legend(handles=handles + line, labels=labels + text, loc="outside right upper", frameon=False)
    return figure


def _colours(orders: Iterable[int]) -> dict[int, str]:
    """One colour an order."""
    return {order: line_style(index)[0] for index, order in enumerate(sorted(orders))}


def _draw_over_steps(
    axes: Axes,
    steps: np.ndarray,
    errors: Mapping[int, np.ndarray],
    colours: Mapping[int, str],
    style: str,
    farthest: float = FARTHEST,
) -> None:
    """Errors by order against the step, logarithmic: without zeros, which have no place there, and without others."""
    for order, distances in errors.items():
        shown = (distances > 0) & (distances < farthest)
        axes.plot(steps[shown], distances[shown], style, color=colours[order], linewidth=1.3)
    axes.set(yscale="log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def translation_figure(study: Translation) -> Figure:
    """Left: how far the sums over classes fall below gradient flow's ``e^{−λt}``; right: how far each rate is off.

    Left, markers are measured and weighted as the rate is; lines are the orders of the equation of motion.  Right, the
    dashed line is the distance of the measured rate from the exact one, the resolution of the experiment.
    """
    figure, (left, right) = panels(8.6, 3.6, 2)
    first = study.sums[0]
    measured = np.log(study.sums @ first / (first @ first)) + study.weight_decay * study.times
    for index, prediction in enumerate(study.predictions):
        colour, marker = line_style(index)
        beyond = (study.weight_decay - prediction.rate) * study.times
        if prediction.order <= 1:
            left.plot(study.times, beyond, color=colour, label=order_name(prediction.order))
        right.plot([prediction.order], [prediction.error], marker, color=colour)
    left.plot(study.times[::5], measured[::5], "o", color=GREY, markersize=4, label="measured")
    left.set(xlabel=r"time $k\eta$", ylabel=r"$\ln\,(a_k/a_0)+\lambda k\eta$")
    left.legend(frameon=False)
    resolution = abs(study.measured_rate - study.exact_rate)
    if resolution > 0:
        right.axhline(resolution, color=GREY, linestyle="--", linewidth=1, label="measured")
        right.legend(frameon=False)
    right.set_yscale("log")
    right.set_xticks([prediction.order for prediction in study.predictions])
    right.set(xlabel="order", ylabel=r"$|$rate $+\ \ln(1-\eta\lambda)/\eta|$")
    return figure


def scale_figure(study: Scale) -> Figure:
    """Left: total squared norm of the scale-invariant weights along the run; right: its error against the step size."""
    figure, (left, right) = panels(8.6, 3.8, 2)
    for index, (order, norms) in enumerate(study.path.motion.items()):
        left.plot(study.path.times, norms, color=line_style(index)[0], label=order_name(order))
    left.plot(study.path.times, study.path.descent, "o", color="black", markersize=4, label="gradient descent")
    left.set(xlabel=r"time $k\eta$", ylabel=r"$\|w\|^2$, all groups")
    left.legend(frameon=False)
    _draw_over_etas(right, study.orders, room=0.9)
    right.set_ylabel(r"error of $\|w\|^2$ at the end")
    return figure


def terms_figure(study: Terms) -> Figure:
    """Along a training run: share of each counter term beside g, its cosine with g, and η times the sharpness."""
    figure, (shares, cosines, sharpness) = panels(11.0, 3.6, 3)
    steps = [point.step for point in study.points]
    for k in range(study.order):
        colour, marker = line_style(k)
        sizes = [study.share(point, k) for point in study.points]
        shares.semilogy(steps, sizes, f"{marker}-", color=colour, label=rf"$\xi_{k}$")
        cosines.plot(steps, [point.terms[k].cosine for point in study.points], f"{marker}-", color=colour)
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
        axes.set_xlabel("step")
    return figure


def tree_share_figure(study: Terms, step: int | None = None) -> Figure:
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
    figure, (axes,) = panels(6.0, 0.9 + 0.24 * len(trees))
    for row, (k, record) in enumerate(trees):
        colour, _ = line_style(k)
        share = study.eta ** (k + 1) * record.size / point.gradient_norm
        axes.barh(row, share, height=0.65, edgecolor=colour, facecolor=colour if record.cosine >= 0 else "white")
    axes.set_yticks(range(len(trees)), [f"{record.coefficient} {tree_text(record.tree)}" for _, record in trees])
    axes.tick_params(axis="y", labelsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel(rf"share of $\|g\|$ at step {point.step}; hollow: against $g$")
    colours = [Patch(facecolor=line_style(term.index)[0], label=rf"$\xi_{term.index}$") for term in point.terms]
    axes.legend(handles=colours, loc="lower right", frameon=False)
    return figure


def truncation_figure(advices: Sequence[OrderAdvice]) -> Figure:
    """What each order leaves out in one step, one line for each step size; a ring marks where the series turns.

    Raises ``InputError`` if there is nothing to draw.
    """
    if not advices:
        raise InputError("advices: none to draw; give at least one OrderAdvice")
    figure, (axes,) = panels(4.8, 3.6)
    for index, advice in enumerate(advices):
        colour, marker = line_style(index)
        orders = range(len(advice.defects))
        axes.semilogy(orders, advice.defects, "-", color=colour, marker=marker, label=rf"$\eta={advice.eta:.3g}$")
        if advice.turns:
            axes.plot(advice.order, advice.defects[advice.order], "o", color=colour, markersize=13, fillstyle="none")
    axes.set_xticks(range(max(len(advice.defects) for advice in advices)))
    axes.set(xlabel="order $N$", ylabel=r"$\eta^{N+2}\,\|\xi_N\|$")
    axes.legend(frameon=False)
    return figure


def _draw_over_etas(axes: Axes, records: Sequence[OrderRecord], room: float) -> None:
    """Errors against the step size, both logarithmic: one colour an order, its slope beside it."""
    for index, record in enumerate(records):
        colour, marker = line_style(index)
        draw_errors(axes, record, colour, marker)
        label_at_end(axes, record, rf"$N={record.order}$: slope {short(record.slope)}", colour)
    axes.set(xscale="log", yscale="log")
    eta_axis(axes, records, room)


def draw_errors(axes: Axes, record: OrderRecord, colour: str, marker: str, width: float = 1.1) -> None:
    """A dashed line of predicted errors, and markers of measured ones, hollow for what is lost in round-off.

    A zero has no place on a logarithmic axis.
    """
    axes.plot(record.etas, record.predicted_errors, "--", color=colour, linewidth=width)
    etas, errors, lost = np.array(record.etas), np.array(record.errors), np.array(record.at_floor)
    for chosen, face in ((~lost, colour), (lost & (errors > 0), "white")):
        axes.plot(etas[chosen], errors[chosen], marker, color=colour, markersize=5.5, markerfacecolor=face)


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
