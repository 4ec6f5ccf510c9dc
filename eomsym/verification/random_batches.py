"""``noise``: what random batches do to a run, predicted, with an ensemble of real runs beside."""

from __future__ import annotations

from typing import Any

import numpy as np

from eomsym.checks import check_finite, check_integer
from eomsym.dynamics.loader import Loader
from eomsym.dynamics.noise_equations import NoisyLoss, NoisyRun
from eomsym.dynamics.noise_prediction import DENSE, RANK, KernelLoss, Observables, predict_noise
from eomsym.dynamics.noise_record import PIECES, Noise
from eomsym.errors import InputError
from eomsym.optimizers.registry import check_one_gradient
from eomsym.schedules.schedule import RATE
from eomsym.verification.batches import Batches
from eomsym.verification.training import Training


def noise(
    training: Training,
    steps: int,
    *,
    observables: Observables = ("loss",),
    rank: int | None = None,
    gaussian: float = 0.0,
    every: int | None = None,
    ensemble: int = 0,
    seed: int = 0,
) -> Noise:
    """Predict mean and covariance of a training's random run after up to ``steps`` steps, to weak order 1 (theory §19).

    Of every rule with one gradient a step, with schedules, on batches as ``Training`` has them: ``shuffled``, every
    sample once an epoch, ``independent`` or ``replacement``.

    ``observables`` are names, ``loss`` and ``norm2`` (‖θ‖²), or functions of θ by name, of the params of a JAX or
    PyTorch loss.  They, the mean and the trace of the covariance are recorded each ``every`` steps, twenty times by
    default.  To 128 parameters, where ``rank`` is None, the covariance is dense and what the epoch remembers is kept by
    sample; beyond, or with a rank, so many leading columns are kept, with sums of the rest by random signs, whose
    share of the trace is ``Noise.outside``, and the memory is by 128 groups of samples.  ``gaussian`` is the standard
    deviation of noise added to each entry of a step's gradient, independently, as private training adds it (DP-SGD
    without its clipping); then batches may be all samples.  ``ensemble`` real runs, with batches drawn by ``seed``,
    give means with standard errors beside.

    Raises ``InputError`` for a bad value, a loss that is no mean over samples and a rule of more gradients, and
    ``IntegrationError`` where something leaves the floating-point numbers.
    """
    rate, (entry, values) = training.rate("noise"), training.rule
    training.check_cold("noise is predicted of its rule, from the rule's own start")
    check_one_gradient(entry, values)
    schedules = {} if training.loop is None else training.loop.schedules
    numbers = {name: float(value) for name, value in values.items()}

    def settings(step: int) -> tuple[float, dict[str, float]]:
        now = {name: schedule(step * rate) for name, schedule in schedules.items()}
        return rate * now.pop(RATE, 1.0), {**numbers, **now}

    size = len(training.theta)
    columns = check_integer("rank", rank, 1, size) if rank is not None else None if size <= DENSE else RANK
    nonlinear = bool(entry.numeric_only) or not entry.rule(**values).linear
    added = check_finite("gaussian", gaussian)
    if added < 0:
        raise InputError(f"gaussian {gaussian}: a standard deviation; give 0 or a positive number")
    loader = loader_of(training, added)
    generator = np.random.default_rng(0)
    order = np.arange(loader.samples) if columns is None else generator.permutation(loader.samples)
    pieces = np.array_split(order, len(order) if columns is None else min(PIECES, len(order)))
    loss, restored = sampled_loss(training, pieces)
    run = NoisyRun(loss, loader, entry, settings, columns, nonlinear, added)
    theta = training.theta
    start = entry.initial_state(theta, None, **settings(0)[1])
    return predict_noise(
        run,
        [np.array(part, dtype=float) for part in start],
        steps,
        training.setting,
        observables=observables,
        every=every,
        ensemble=ensemble,
        seed=seed,
        restored=restored,
    )


def loader_of(training: Training, added: float = 0.0) -> Loader:
    """How a training draws its batches.  Raises ``InputError`` where it draws none, and no noise is added."""
    batches = training.batches
    if batches is None and added and training.samples:
        batches = Batches(training.samples)
    if batches is None or batches.order == "fixed" or not isinstance(batches.size, (int, np.integer)):
        raise InputError(
            "batches: noise is of batches that are drawn; give a size and the order 'shuffled', 'independent' or "
            "'replacement'"
        )
    samples = training.samples
    if samples == 0:
        raise InputError("data: noise is of samples; give inputs and targets, or loss_fn(params, data) and the data")
    return batches.draw(samples)


def sampled_loss(training: Training, pieces: list[np.ndarray]) -> tuple[NoisyLoss, Any]:
    """The loss with its derivatives by samples, and what makes of a vector what observables take."""
    own = training.own
    if own is None:
        kernel = training.series_kernel(2, "the curvature that noise feels, g''")
        kernel.gradient(training.theta, *training.data)  # checks the data
        return KernelLoss(kernel, training.data, pieces), lambda theta: theta
    from eomsym.arrays.sampled import SampledLoss

    return SampledLoss(own.kernel, pieces), own.kernel.restored
