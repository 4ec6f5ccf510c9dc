"""The figure of a run with noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eomsym.drawing import COLOURS, GREY, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from eomsym.dynamics.noise_record import Noise


def noise_figure(noise: Noise) -> Figure:
    """Trace of the covariance and each observable against the step; bars are two standard errors of the ensemble."""
    names, found = list(noise.expectations), noise.ensemble
    figure, axes = panels(4.2 * (1 + len(names)), 3.4, 1 + len(names))
    axes[0].plot(noise.steps, noise.traces, color=COLOURS[0], label="weak order 1")
    axes[0].set(ylabel="trace of the covariance", xlabel="step")
    for place, name in zip(axes[1:], names, strict=True):
        place.plot(noise.steps, noise.without[name], "--", color=GREY, label="no noise")
        place.plot(noise.steps, noise.expectations[name], color=COLOURS[0], label="weak order 1")
        place.set(ylabel=f"mean {name}", xlabel="step")
    if found is not None:
        seen = [(found.traces, found.trace_errors)]
        seen += [(found.expectations[name], found.standard_errors[name]) for name in names]
        for place, (values, errors) in zip(axes, seen, strict=True):
            place.errorbar(
                noise.steps,
                values,
                2 * errors,
                fmt="o",
                markersize=3,
                color=COLOURS[1],
                capsize=2,
                label=f"{found.runs} runs",
            )
    handles, labels = axes[-1].get_legend_handles_labels()
    axes[-1].legend(handles, labels, frameon=False)
    return figure
