"""What noise does to a run: mean, covariance and expectations along its path, and an ensemble of real runs beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from eomsym.dynamics.loader import Loader
from eomsym.dynamics.noise_equations import Spread
from eomsym.dynamics.setting import OfTraining, Setting
from eomsym.errors import InputError
from eomsym.result import Result, Table

#: The reach from which on traces were measured to be off by a third, and by a factor of two (docs/noise.md).
ROUGH, LOST = 0.05, 0.15
#: Groups of samples by which an epoch of large models is remembered.
PIECES = 128
#: Mixed columns with more of the trace are said to be too much.
LARGE_SHARE = 0.5


@dataclass(frozen=True, eq=False, repr=False)
class Ensemble(Result):
    """Real runs on batches drawn with a seed: means over them at each recorded step, and their standard errors.

    ``means`` (steps, d); ``traces`` of the covariance (steps,), and ``expectations`` of observables by name.
    """

    runs: int
    seed: int
    means: np.ndarray
    traces: np.ndarray
    trace_errors: np.ndarray
    expectations: Mapping[str, np.ndarray]
    standard_errors: Mapping[str, np.ndarray]

    told = ("runs", "seed", "traces", "trace_errors", "expectations", "standard_errors")  # without the means of θ


@dataclass(frozen=True, eq=False, repr=False)
class Noise(OfTraining):
    """A run on random batches, predicted to weak order 1, at the recorded ``steps``.

    ``means`` (steps, d); ``traces`` (steps,) of the covariance; ``spread`` the covariance itself after the last step;
    ``expectations`` of observables by name, and ``without`` their values along the run on all samples, which has no
    noise.  ``gaussian`` is the standard deviation of what was added to each entry of a gradient.  ``rank`` is the
    number of columns kept of the covariance, None where it was dense.  ``reach`` is how much of how the gradient
    changes over the scatter is of second order: where it is no longer small weak order 1 ends.
    """

    training: Setting
    loader: Loader
    gaussian: float
    rank: int | None
    steps: tuple[int, ...]
    means: np.ndarray
    traces: np.ndarray
    spread: Spread
    reach: float
    expectations: Mapping[str, np.ndarray]
    without: Mapping[str, np.ndarray]
    ensemble: Ensemble | None
    restored: Callable[[np.ndarray], Any]

    @property
    def mean(self) -> Any:
        """The mean after the last step, in the form of the parameters."""
        return self.restored(self.means[-1])

    @property
    def covariance(self) -> np.ndarray:
        """The covariance after the last step, (d, d); of large models ``spread`` has its factors."""
        return self.spread.matrix

    @property
    def outside(self) -> float:
        """The share of the last covariance's trace that is in mixed columns."""
        return self.spread.outside

    def expected(self, observable: str | Callable[[Any], Any]) -> Any:
        """An observable's expectation: by its name at all recorded steps, of a function after the last one.

        Functions take the parameters and give a number or an array.  Raises ``InputError`` for an unknown name.
        """
        if callable(observable):
            return expectation(lambda theta: observable(self.restored(theta)), self.means[-1], self.spread)
        if observable not in self.expectations:
            names = ", ".join(self.expectations)
            raise InputError(f"observable {observable!r}: was not asked for; there are {names or 'none'}")
        return self.expectations[observable]

    @property
    def summary(self) -> str:
        """The last step's trace and expectations."""
        values = ", ".join(f"{name} {values[-1]:.4g}" for name, values in self.expectations.items())
        return f"steps 0 to {self.steps[-1]}, trace {self.traces[-1]:.3g}{', ' if values else ''}{values}"

    def column_values(self) -> dict[str, Any]:
        """One row a recorded step: trace and observables, each predicted, of the ensemble, and without noise."""
        columns: dict[str, Any] = {"step": self.steps, "trace": self.traces}
        found = self.ensemble
        if found is not None:
            columns |= {"ensemble": found.traces, "ensemble_error": found.trace_errors}
        for name, values in self.expectations.items():
            columns[name] = values
            if found is not None:
                errors = found.standard_errors[name]
                columns |= {f"{name}, ensemble": found.expectations[name], f"{name}, ensemble_error": errors}
            columns[f"{name}, no noise"] = self.without[name]
        return columns

    def report(self) -> list[str | Table]:
        """The records, standard errors behind a ±, and how the ensemble compares."""
        rows = self.records()
        names = [name for name in rows[0] if not name.endswith("ensemble_error")]
        cells = [[_cell(row, name) for name in names] for row in rows]
        return [Table(names, cells), self.sentence]

    @property
    def told_training(self) -> str:
        """The rule, its rate, its batches, and the noise that is added."""
        added = f", Gaussian noise of {self.gaussian:g} added" if self.gaussian else ""
        return f"{self.training.rule}, eta = {self.eta:g}. {self.loader}{added}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """That the scatter is too large for weak order 1, if it is."""
        if self.reach < ROUGH:
            return ()
        off = "a factor of two" if self.reach >= LOST else "a third"
        told = f"over the scatter {self.reach:.0%} of the gradient's change is of second order"
        return (f"{told}: a trace may be off by {off}, take real runs beside (ensemble)",)

    @property
    def sentence(self) -> str:
        """How the batches are drawn, how the covariance is kept, and how far the ensemble is at the last step."""
        text = self.told_training
        for name, values in self.expectations.items():
            text += f"; noise adds {values[-1] - self.without[name][-1]:.3g} to {name}"
        if self.rank is not None:
            text += f"; covariance of rank {self.rank} and mixed columns with {self.outside:.1%} of the trace"
            text += ", which is much: take a larger rank" if self.outside > LARGE_SHARE else ""
        if self.warnings:
            text += f"; {self.warnings[0]}"
        found = self.ensemble
        if found is not None and found.traces[-1] > 0:
            parts = [f"trace {self.traces[-1] / found.traces[-1] - 1:+.1%}"]
            pairs = ((name, self.expectations[name][-1], values[-1]) for name, values in found.expectations.items())
            parts += [f"{name} {predicted / seen - 1:+.2%}" for name, predicted, seen in pairs if seen]
            text += f"; predicted over {found.runs} runs: {', '.join(parts)}"
        return text + "."

    drawn_by = "eomsym.dynamics.noise_figure.noise_figure"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, the covariance by its trace."""
        names = ("rank", "outside", "reach", "warnings", "steps", "traces", "expectations", "without")
        return {
            **self.entries("optimizer", "parameters", "model", "dataset", "seed", "eta"),
            **{"samples": self.loader.samples, "batch_size": self.loader.size, "batches": self.loader.order},
            **self.entries("gaussian"),
            **self.entries(*names, "ensemble"),
        }


def expectation(function: Callable[[np.ndarray], Any], mean: np.ndarray, spread: Spread) -> Any:
    """``φ(μ) + φ'':K/2`` for a covariance K, up to its square.

    By differences along its columns, a standard deviation to both sides: exact where φ is quadratic.
    """
    centre = np.asarray(function(mean))
    total = np.array(centre, dtype=float)
    for column in spread.all_columns.T:
        if column.any():
            total += (np.asarray(function(mean + column)) + np.asarray(function(mean - column))) / 2 - centre
    return total[()]


def _cell(row: Mapping[str, Any], name: str) -> str:
    error = row.get(f"{name}_error")
    return f"{row[name]:.4g}" + ("" if error is None else f" ± {error:.1g}") if name != "step" else str(row[name])
