"""What random batches do to gradient descent, predicted, with an ensemble of real runs beside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from eomsym.checks import check_integer, check_positive, shown
from eomsym.dynamics.differentials import gradient_along
from eomsym.dynamics.kernel import Data
from eomsym.dynamics.noise_equations import Draw, NoisyLoss, dense_moments, stepped_moments
from eomsym.dynamics.noise_record import Ensemble, Noise, expectation
from eomsym.dynamics.setting import Setting
from eomsym.dynamics.vectors import is_finite
from eomsym.errors import InputError, IntegrationError, OverflowInKernelError

#: More parameters than these get ``RANK`` columns of the covariance where no rank is given.
DENSE, RANK = 64, 64
#: Numbers that all samples' gradients may take, 8 bytes each.
MOST_NUMBERS = 2 * 10**8
MOST_STEPS, MOST_RUNS, FEWEST_RUNS = 1_000_000, 100_000, 10
#: Relative difference of g from the mean of the samples' gradients that is round-off.
ROUND_OFF = 1e-8

Observables = Iterable[str] | Mapping[str, Callable[[Any], Any]]


def predict_noise(
    loss: NoisyLoss,
    draw: Draw,
    theta: np.ndarray,
    eta: float,
    steps: int,
    setting: Setting,
    *,
    observables: Any,
    rank: Any,
    every: Any,
    ensemble: Any,
    seed: Any,
    restored: Callable[[np.ndarray], Any] = lambda theta: theta,
) -> Noise:
    """Predicts noise for any loss with its derivatives; observables take what ``restored`` makes of a vector."""
    rate, size = check_positive("eta", eta), len(theta)
    check_integer("steps", steps, 1, MOST_STEPS)
    pause = max(1, steps // 20) if every is None else check_integer("every", every, 1, steps)
    columns = check_integer("rank", rank, 1, size) if rank is not None else None if size <= DENSE else RANK
    runs, seed = check_integer("ensemble", ensemble, 0, MOST_RUNS), check_integer("seed", seed)
    if 0 < runs < FEWEST_RUNS:
        raise InputError(f"ensemble {runs}: too few for a standard error; give 0 or at least {FEWEST_RUNS}")
    measured = _observables(observables, loss, restored)
    marks = tuple(sorted({*range(0, steps + 1, pause), steps}))
    means, traces, expected = [], [], []
    with threadpool_limits(limits=1, user_api="blas"):
        _check_mean(loss, theta)
        if columns is None:
            states = dense_moments(loss, draw, rate, theta, marks)
        else:
            states = stepped_moments(loss, draw, rate, theta, marks, columns)
        try:
            for mean, spread in states:
                means.append(mean)
                traces.append(spread.trace)
                expected.append([expectation(function, mean, spread) for function in measured.values()])
            plain = _runs(loss, None, theta, rate, marks, 1, 0, measured)
            beside = _runs(loss, draw, theta, rate, marks, runs, seed, measured) if runs else None
        except OverflowInKernelError as fault:
            raise IntegrationError(f"noise: {fault}; take a smaller eta") from fault
    return Noise(
        training=setting,
        draw=draw,
        rank=columns,
        steps=marks,
        means=np.array(means),
        traces=np.array(traces),
        spread=spread,
        expectations=dict(zip(measured, np.array(expected).T, strict=True)),
        without=plain.expectations,
        ensemble=beside,
        restored=restored,
    )


def _runs(
    loss: NoisyLoss,
    draw: Draw | None,
    theta: np.ndarray,
    eta: float,
    marks: Sequence[int],
    runs: int,
    seed: int,
    measured: Mapping[str, Callable[[np.ndarray], float]],
) -> Ensemble:
    """Real runs side by side, on batches, or on all samples where nothing is drawn."""
    generator, states = np.random.default_rng(seed), np.tile(theta, (runs, 1))
    means, squares, values = [], [], []
    for step in range(marks[-1] + 1):
        if step in marks:
            means.append(states[0] + (states - states[0]).mean(axis=0))  # equal states are equal to the last digit
            squares.append(((states - means[-1]) ** 2).sum(axis=1) * runs / max(1, runs - 1))
            values.append([[function(state) for state in states] for function in measured.values()])
        for number in range(runs) if step < marks[-1] else ():
            chosen = None if draw is None else draw.batch(generator)
            states[number] -= eta * loss.gradient(states[number], chosen)
        if not is_finite(states):
            raise IntegrationError(f"run: not finite after {step + 1} steps; take a smaller eta")
    found = np.moveaxis(np.array(values).reshape(len(marks), len(measured), runs), 1, 0)
    each = np.array(squares)

    def error(rows: np.ndarray) -> np.ndarray:
        """The standard error of the mean of each row."""
        return np.std(rows - rows[:, :1], axis=1, ddof=min(1, runs - 1)) / np.sqrt(runs)

    return Ensemble(
        runs=runs,
        seed=seed,
        means=np.array(means),
        traces=each.mean(axis=1),
        trace_errors=error(each),
        expectations={name: rows.mean(axis=1) for name, rows in zip(measured, found, strict=True)},
        standard_errors={name: error(rows) for name, rows in zip(measured, found, strict=True)},
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


def _check_mean(loss: NoisyLoss, theta: np.ndarray) -> None:
    """Raises ``InputError`` for a loss that is no mean over its samples, as with batch normalisation."""
    if loss.samples * loss.size > MOST_NUMBERS:
        raise InputError(
            f"noise: {loss.samples} gradients of {loss.size} parameters do not fit; give samples that stand for all"
        )
    slope = loss.gradient(theta)
    try:
        apart = float(np.linalg.norm(slope - loss.sample_gradients(theta).mean(axis=0)))
    except OverflowInKernelError:  # a normalisation over a single sample
        apart = np.inf
    if not apart < ROUND_OFF * (1 + np.linalg.norm(slope)):
        raise InputError("noise: the loss is no mean over its samples, as with batch normalisation; there is no Σ")


class KernelLoss:
    """A kernel with its data; single samples are bound once."""

    def __init__(self, kernel: Any, data: Data) -> None:
        self.size, self.samples = kernel.size, len(data[0])
        self._kernel, self._data, self._all = kernel, data, gradient_along(kernel, data)
        self._each = [
            gradient_along(kernel, [np.ascontiguousarray(array[i : i + 1]) for array in data])
            for i in range(self.samples)
        ]

    def along(self, theta: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        zero = np.zeros(self.size)
        rows = np.array([self._all(np.array([theta, column, zero])) for column in columns.T])
        return rows[0, 0], rows[:, 1].T, 2 * rows[:, 2].T

    def sample_gradients(self, theta: np.ndarray) -> np.ndarray:
        return np.array([gradient(theta[None])[0] for gradient in self._each])

    def gradient(self, theta: np.ndarray, chosen: np.ndarray | None = None) -> np.ndarray:
        if chosen is None:
            return self._all(theta[None])[0]
        return np.asarray(self._kernel.gradient(theta, *(array[chosen] for array in self._data)))

    def loss(self, theta: np.ndarray) -> float:
        return float(self._kernel.loss(theta, *self._data))
