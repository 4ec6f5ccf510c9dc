"""The figure of a run with noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eomsym.drawing import COLOURS, GREY, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from eomsym.dynamics.noise_record import Noise


def noise_figure(noise: Noise) -> Figure:
    """Trace of the covariance, and what noise adds to the mean of each observable, against the step.

    Bars are two standard errors of the ensemble.
    """
    names, found = list(noise.expectations), noise.ensemble
    figure, axes = panels(3.8 * (1 + len(names)), 3.6, 1 + len(names))
    without = [0 * noise.traces, *(noise.without[name] for name in names)]
    lines = [noise.traces, *noise.expectations.values()]
    labels = ["trace of the covariance", *(f"{name}, more than without noise" for name in names)]
    for place, values, base, label in zip(axes, lines, without, labels, strict=True):
        place.axhline(0, color=GREY, linewidth=0.8)
        place.plot(noise.steps, values - base, color=COLOURS[0], label="weak order 1")
        place.set(title=label, xlabel="step")
    if found is not None:
        seen = [(found.traces, found.trace_errors)]
        seen += [(found.expectations[name], found.standard_errors[name]) for name in names]
        for place, (values, errors), base in zip(axes, seen, without, strict=True):
            place.errorbar(
                noise.steps,
                values - base,
                2 * errors,
                fmt="o",
                markersize=3,
                color=COLOURS[1],
                label=f"{found.runs} runs",
            )
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure
