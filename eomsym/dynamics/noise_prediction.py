"""What random batches do to gradient descent, predicted, with an ensemble of real runs beside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from eomsym.checks import check_integer, shown
from eomsym.dynamics.differentials import gradient_along
from eomsym.dynamics.kernel import Data
from eomsym.dynamics.noise_equations import FEWEST_DRAWN, NoisyLoss, NoisyRun
from eomsym.dynamics.noise_record import Ensemble, Noise, expectation
from eomsym.dynamics.setting import Setting
from eomsym.errors import InputError, IntegrationError, OverflowInKernelError

#: More parameters than these get ``RANK`` columns of the covariance where no rank is given.
DENSE, RANK = 128, 128
#: Numbers that all samples' gradients may take, 8 bytes each.
MOST_NUMBERS = 2 * 10**8
MOST_STEPS, MOST_RUNS, FEWEST_RUNS = 1_000_000, 100_000, 10
#: Relative difference of g from the mean of the samples' gradients that is round-off.
ROUND_OFF = 1e-8

Observables = Iterable[str] | Mapping[str, Callable[[Any], Any]]


def predict_noise(
    run: NoisyRun,
    start: Sequence[np.ndarray],
    steps: int,
    setting: Setting,
    *,
    observables: Any,
    every: Any,
    ensemble: Any,
    seed: Any,
    restored: Callable[[np.ndarray], Any] = lambda theta: theta,
) -> Noise:
    """Predicts noise for any loss with its derivatives; observables take what ``restored`` makes of a vector."""
    check_integer("steps", steps, 1, MOST_STEPS)
    pause = max(1, steps // 20) if every is None else check_integer("every", every, 1, steps)
    runs, seed = check_integer("ensemble", ensemble, 0, MOST_RUNS), check_integer("seed", seed)
    if 0 < runs < FEWEST_RUNS:
        raise InputError(f"ensemble {runs}: too few for a standard error; give 0 or at least {FEWEST_RUNS}")
    measured = _observables(observables, run.loss, restored)
    marks = tuple(sorted({*range(0, steps + 1, pause), steps}))
    means, traces, expected, generator = [], [], [], np.random.default_rng(0)
    with threadpool_limits(limits=1, user_api="blas"):
        _check_size(run, sum(len(part) == run.loss.size for part in start))
        check_mean(run.loss, start[0], "noise")
        try:
            for step, moments in zip(range(steps + 1), run.moments(start), strict=False):
                if step in marks:
                    mean, spread = moments.state[0], run.covariance(moments, generator)
                    means.append(mean)
                    traces.append(spread.trace)
                    expected.append([expectation(function, mean, spread) for function in measured.values()])
            plain = real_runs(run, start, marks, 0, 0, measured)
            beside = real_runs(run, start, marks, runs, seed, measured) if runs else None
        except OverflowInKernelError as fault:
            raise IntegrationError(f"noise: {fault}; take a smaller eta") from fault
    return Noise(
        training=setting,
        loader=run.loader,
        gaussian=run.gaussian,
        rank=run.rank,
        steps=marks,
        means=np.array(means),
        traces=np.array(traces),
        spread=spread,
        reach=moments.reach,
        expectations=dict(zip(measured, np.array(expected).T, strict=True)),
        without=plain.expectations,
        ensemble=beside,
        restored=restored,
    )


def real_runs(
    run: NoisyRun,
    start: Sequence[np.ndarray],
    marks: Sequence[int],
    runs: int,
    seed: int,
    measured: Mapping[str, Callable[[np.ndarray], float]],
) -> Ensemble:
    """Real runs, one after the other, on batches; one on all samples where ``runs`` is 0."""
    generator, count = np.random.default_rng(seed), max(1, runs)
    states = np.empty((len(marks), count, run.loss.size))
    for number in range(count):
        steps = run.steps(start, generator if runs else None)
        place = 0
        for step, theta in zip(range(marks[-1] + 1), steps, strict=False):
            if step == marks[place]:
                states[place, number] = theta
                place += 1
    # equal states are equal to the last digit
    means = states[:, 0] + (states - states[:, :1]).mean(axis=1)
    squares = ((states - means[:, None]) ** 2).sum(axis=2) * count / max(1, count - 1)
    values = {
        name: np.array([[function(state) for state in row] for row in states]) for name, function in measured.items()
    }

    def error(rows: np.ndarray) -> np.ndarray:
        """The standard error of the mean of each row."""
        return np.std(rows - rows[:, :1], axis=1, ddof=min(1, count - 1)) / np.sqrt(count)

    return Ensemble(
        runs=runs,
        seed=seed,
        means=means,
        traces=squares.mean(axis=1),
        trace_errors=error(squares),
        expectations={name: rows.mean(axis=1) for name, rows in values.items()},
        standard_errors={name: error(rows) for name, rows in values.items()},
    )


def _observables(given: Any, loss: NoisyLoss, restored: Callable[[np.ndarray], Any]) -> dict[str, Callable[..., float]]:
    known: dict[str, Callable[..., float]] = {"loss": loss.loss, "norm2": lambda theta: float(theta @ theta)}
    if isinstance(given, Mapping):
        wrong = next((name for name, function in given.items() if not callable(function)), None)
        if wrong is None:
            return {name: lambda theta, own=own: float(own(restored(theta))) for name, own in given.items()}
        raise InputError(f"observable {wrong!r}: is no function of the parameters")
    names = [given] if isinstance(given, str) else list(given)
    for name in names:
        if name not in known:
            raise InputError(f"observable {shown(name)}: unknown; choose from {', '.join(known)}, or give functions")
    return {name: known[name] for name in names}


def _check_size(run: NoisyRun, states: int) -> None:
    """Raises ``InputError``, before anything is computed, where gradients or columns do not fit."""
    loss = run.loss
    if loss.samples * loss.size > MOST_NUMBERS:
        raise InputError(
            f"noise: {loss.samples} gradients of {loss.size} parameters do not fit; give samples that stand for all"
        )
    if run.rank is None:
        return
    columns = states * (run.rank + len(loss.pieces) + (FEWEST_DRAWN if run.nonlinear else 0))
    if columns * loss.size > MOST_NUMBERS:
        raise InputError(
            f"noise: {columns} columns of {loss.size} parameters do not fit; take a smaller rank or fewer parameters"
        )


def check_mean(loss: NoisyLoss, theta: np.ndarray, purpose: str) -> None:
    """Raises ``InputError`` for a loss that is no mean over its samples, as a sum or with batch normalisation."""
    slope = loss.gradient(theta)
    try:
        apart = float(np.linalg.norm(slope - loss.sample_gradients(theta).mean(axis=0)))
    except OverflowInKernelError:  # a normalisation over a single sample
        apart = np.inf
    if not apart < ROUND_OFF * (1 + np.linalg.norm(slope)):
        raise InputError(
            f"{purpose}: the loss is no mean over its samples, as a sum or with batch normalisation, and has no Σ of a "
            "sample; give a mean, or all samples at once"
        )


class KernelLoss:
    """A kernel with its data; samples and pieces are bound once."""

    def __init__(self, kernel: Any, data: Data, pieces: Sequence[np.ndarray]) -> None:
        self.size, self.samples, self.pieces = kernel.size, len(data[0]), pieces
        self._kernel, self._data, self._all = kernel, data, gradient_along(kernel, data)
        self._each = [self._bound([number]) for number in range(self.samples)]
        single = all(len(piece) == 1 for piece in pieces)
        self._parts = self._each if single else [self._bound(piece) for piece in pieces]

    def _bound(self, chosen: Sequence[int] | np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        return gradient_along(self._kernel, [np.ascontiguousarray(array[chosen]) for array in self._data])

    def along(self, theta: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        zero = np.zeros(self.size)
        if not columns.size:
            return self._all(theta[None])[0], columns, columns
        rows = np.array([self._all(np.array([theta, column, zero])) for column in columns.T])
        return rows[0, 0], rows[:, 1].T, 2 * rows[:, 2].T

    def sample_gradients(self, theta: np.ndarray) -> np.ndarray:
        return np.array([gradient(theta[None])[0] for gradient in self._each])

    def piece_turned(self, theta: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return np.array(
            [
                [part(np.array([theta, column]))[1] for column in own]
                for part, own in zip(self._parts, columns, strict=True)
            ]
        )

    def gradient(self, theta: np.ndarray, chosen: np.ndarray | None = None) -> np.ndarray:
        if chosen is None:
            return self._all(theta[None])[0]
        return np.asarray(self._kernel.gradient(theta, *(array[chosen] for array in self._data)))

    def loss(self, theta: np.ndarray) -> float:
        return float(self._kernel.loss(theta, *self._data))
