"""``compare_trainings``: what differs in mean loss between two trainings with noise, such as twice the rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from eomsym.drawing import COLOURS, panels
from eomsym.dynamics.noise_record import Noise
from eomsym.errors import InputError
from eomsym.result import Result, Table
from eomsym.verification.random_batches import noise
from eomsym.verification.training import Training

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class TrainingsCompared(Result):
    """Two trainings with their noise after the same numbers of steps; differences are the second's less the first's."""

    first: Noise
    second: Noise

    told = ("first", "second", "differences", "measured", "measured_errors")

    @property
    def differences(self) -> np.ndarray:
        """Of the mean loss, at each recorded step, predicted."""
        return np.asarray(self.second.expectations["loss"] - self.first.expectations["loss"])

    @property
    def measured(self) -> np.ndarray | None:
        """The same of the ensembles of real runs, None without."""
        if self.first.ensemble is None or self.second.ensemble is None:
            return None
        return np.asarray(self.second.ensemble.expectations["loss"] - self.first.ensemble.expectations["loss"])

    @property
    def measured_errors(self) -> np.ndarray | None:
        """Their standard errors."""
        if self.first.ensemble is None or self.second.ensemble is None:
            return None
        return np.hypot(self.first.ensemble.standard_errors["loss"], self.second.ensemble.standard_errors["loss"])

    @property
    def summary(self) -> str:
        """The difference after the last step."""
        return f"loss {self.differences[-1]:+.4g} after {self.first.steps[-1]} steps"

    def column_values(self) -> dict[str, Any]:
        """One row a recorded step: mean loss of both, predicted, and the difference, of the ensembles beside."""
        columns: dict[str, Any] = {"step": self.first.steps}
        columns |= {"first": self.first.expectations["loss"], "second": self.second.expectations["loss"]}
        columns["difference"] = self.differences
        if self.measured is not None:
            columns |= {"ensemble": self.measured, "ensemble_error": self.measured_errors}
        return columns

    def report(self) -> list[str | Table]:
        """The two trainings, a row for each recorded step, and what the difference is made of."""
        return [f"first:  {self.first.told_training}", f"second: {self.second.told_training}", self.rows, self.sentence]

    @property
    def rows(self) -> Table:
        """The records as people read them, standard errors behind a ±."""
        cells = []
        for row in self.records():
            known = [str(row["step"]), *(f"{row[name]:.4g}" for name in ("first", "second"))]
            known.append(f"{row['difference']:+.3g}")
            known += [f"{row['ensemble']:+.3g} ± {row['ensemble_error']:.1g}"] if "ensemble" in row else []
            cells.append(known)
        head = ["step", "first", "second", "difference", *["of real runs"] * (self.measured is not None)]
        return Table(head, cells)

    @property
    def sentence(self) -> str:
        """How much of the last difference is noise, and how much is there without."""
        plain = float(self.second.without["loss"][-1] - self.first.without["loss"][-1])
        last = float(self.differences[-1])
        told = [
            f" {name}: {one.warnings[0]}."
            for name, one in (("First", self.first), ("Second", self.second))
            if one.warnings
        ]
        return (
            f"After {self.first.steps[-1]} steps each the second's mean loss is {last:+.4g}: {plain:+.4g} without "
            f"noise and {last - plain:+.4g} by noise." + "".join(told)
        )

    def plot(self) -> Figure:
        """Draw the mean losses against the step, real runs with bars of two standard errors."""
        figure, (axes,) = panels(6.0, 3.8)
        for number, (name, one) in enumerate((("first", self.first), ("second", self.second))):
            axes.plot(
                one.steps,
                one.expectations["loss"],
                color=COLOURS[number],
                label=f"{name}: eta = {one.eta:g}, batches of {one.loader.size}",
            )
            axes.plot(one.steps, one.without["loss"], "--", color=COLOURS[number], linewidth=0.8)
            if one.ensemble is not None:
                bars = 2 * one.ensemble.standard_errors["loss"]
                axes.errorbar(one.steps, one.ensemble.expectations["loss"], bars, fmt="o", color=COLOURS[number])
        axes.set(xlabel="step", ylabel="mean loss (dashed: without noise)", yscale="log")
        figure.legend(loc="outside lower center", frameon=False)
        return figure


def compare_trainings(
    first: Training,
    second: Training,
    steps: int,
    *,
    rank: int | None = None,
    gaussian: float = 0.0,
    ensemble: int = 0,
    seed: int = 0,
) -> TrainingsCompared:
    """Predict the mean loss of two trainings on random batches after the same steps, and what differs between them.

    Options are those of ``noise``, by which both are predicted: ``training`` and ``training.with_(eta=…)``, or other
    batches.  Raises ``InputError`` and ``IntegrationError`` as it does, and for another loss or another start.
    """
    if len(first.theta) != len(second.theta) or np.any(first.theta != second.theta):
        raise InputError("second: begins at another point; give training.with_(eta=…), batches or another optimizer")
    options: dict[str, Any] = {"rank": rank, "gaussian": gaussian, "ensemble": ensemble, "seed": seed}
    return TrainingsCompared(noise(first, steps, **options), noise(second, steps, **options))
