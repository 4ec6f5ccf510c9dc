"""The figure of an observable along a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from eomsym.drawing import COLOURS, GREY, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from eomsym.verification.drift_record import Drift

#: Round-off is drawn where it is no farther below the smallest error.
NEAR = 1e-3


def drift_figure(drift: Drift) -> Figure:
    """Change of the observable and the error of each order's prediction, logarithmic, against the step.

    Of an array both are norms, ‖·‖₂.
    """
    figure, (change, errors) = panels(9.0, 3.8, 2)
    steps, scalar = drift.after + drift.marks, drift.value.ndim == 0

    def sizes(path: np.ndarray) -> np.ndarray:
        return path if scalar else np.linalg.norm(path.reshape(len(path), -1), axis=1)

    style = ".k" if len(steps) < 30 else "-k"
    change.plot(steps, sizes(drift.measured), style, linewidth=3, markersize=7, alpha=0.35, label="measured")
    if drift.round_off > NEAR * min(drift.errors.values(), default=0.0):
        errors.axhline(drift.round_off, color=GREY, linestyle=":", linewidth=1, label="round-off")
    for colour, (order, path) in zip(COLOURS * 3, drift.predicted.items(), strict=False):
        change.plot(steps, sizes(path), color=colour, linewidth=1.2, label=f"order {order}")
        distances = np.abs(sizes(path - drift.measured))
        shown = distances > 0
        errors.plot(steps[shown], distances[shown], color=colour, linewidth=1.2, marker="." if len(steps) < 30 else "")
    name = drift.observable if scalar else f"‖{drift.observable}‖"
    change.set(xlabel=f"step of {drift.optimizer}", ylabel=f"change of {drift.observable}", title=None)
    errors.set(yscale="log", xlabel=f"step of {drift.optimizer}", ylabel=f"error in {name}")
    for axes in (change, errors):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles, labels = change.get_legend_handles_labels()
    line, text = errors.get_legend_handles_labels()
    figure.legend(handles=handles + line, labels=labels + text, loc="outside right upper", frameon=False)
    return figure
