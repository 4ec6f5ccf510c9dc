"""Schedules and gradients along power series in η: what a step function is expanded with from its start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from eomsym.dynamics.differentials import SeriesKernel, gradient_along, gradient_of_fields
from eomsym.dynamics.kernel import Data
from eomsym.optimizers.optimizer import Field
from eomsym.schedules import Schedule
from eomsym.series.array_series import ArraySeries


def series_of_schedules(
    schedules: Mapping[str, Schedule], tau: float, terms: int, pieces: Mapping[str, int] | None
) -> Callable[[str, float], ArraySeries]:
    """``(name, number)`` → a schedule's value that many steps after ``tau``, of the pieces given or of those there."""
    taylor = {name: made.taylor(tau, terms, (pieces or {}).get(name)) for name, made in schedules.items()}
    rows, powers = {name: np.array(values)[:, None] for name, values in taylor.items()}, np.arange(terms)[:, None]
    return lambda name, number: ArraySeries(rows[name] * float(number) ** powers)


def gradient_of_series(kernel: SeriesKernel, data: Data, fields: Sequence[Field]) -> Callable[..., ArraySeries]:
    """``(point, field=0)`` → the gradient of a field along a series."""
    along = gradient_of_fields(data, fields, partial(gradient_along, kernel))
    return lambda point, field=0: ArraySeries(along(np.ascontiguousarray(point.rows), field))
