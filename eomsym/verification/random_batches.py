"""``noise``: what random batches do to gradient descent, predicted, with an ensemble of real runs beside."""

from __future__ import annotations

from typing import Any

import numpy as np

from eomsym.dynamics.noise_prediction import KernelLoss, Observables, predict_noise
from eomsym.dynamics.noise_record import Noise
from eomsym.errors import InputError
from eomsym.verification.training import Training


def noise(
    training: Training,
    steps: int,
    *,
    observables: Observables = ("loss",),
    rank: int | None = None,
    every: int | None = None,
    ensemble: int = 0,
    seed: int = 0,
) -> Noise:
    """Predict mean and covariance of ``θ ← θ − η g_b(θ)`` on random batches b after up to ``steps`` steps, to order 1.

    The training's batches are drawn independently of one another, ``Batches(size, "replacement")``, every sample anew,
    or ``Batches(size, "independent")``, all different.  (Rounds that visit every sample once have far less noise; their
    mean is what ``verify`` and ``follow`` say of shuffled batches.)

    ``observables`` are names, ``loss`` and ``norm2`` (‖θ‖²), or functions of θ by name, of the params of a JAX loss.
    They, the mean and the trace of the covariance are recorded each ``every`` steps, twenty times by default.  With
    ``rank`` None the equations of motion are integrated with a dense covariance to 64 parameters; beyond, or with a
    rank, they advance by steps of η, the covariance as so many columns and the diagonal of the rest, whose share of the
    trace is ``Noise.outside``.  ``ensemble`` real runs, with batches drawn by ``seed``, give means with standard errors
    beside.

    Raises ``InputError`` for a bad value, and ``IntegrationError`` where something leaves the floating-point numbers.
    """
    rate, batches = training.rate("noise"), training.batches
    if training.loop is not None and training.loop.schedules:
        raise InputError("schedule: noise is predicted at a constant rate; leave it out")
    entry, _ = training.rule
    if entry.name != "gradient-descent":
        raise InputError(f"optimizer {entry.name!r}: noise is predicted of gradient-descent; take it")
    if batches is None or not batches.is_drawn or not isinstance(batches.size, (int, np.integer)):
        raise InputError(
            "batches: noise is predicted of batches that are drawn; give a size and the order 'independent' or "
            "'replacement'"
        )
    options: dict[str, Any] = {"observables": observables, "rank": rank, "every": every}
    options |= {"ensemble": ensemble, "seed": seed}
    if training.own is None:
        if not training.data:
            raise InputError("noise: a loss without data has no batches; give inputs and targets")
        kernel = training.series_kernel(2, "the curvature that noise feels, g''")
        kernel.gradient(training.theta, *training.data)  # checks the data
        loss = KernelLoss(kernel, training.data)
        draw = batches.draw(loss.samples)
        return predict_noise(loss, draw, training.theta, rate, steps, training.setting, **options)
    own = training.own
    if own.of_samples is None:
        raise InputError("data: noise is of samples; give loss_fn(params, data) and the data")
    if not own.is_jax:
        raise InputError("noise: of PyTorch losses not yet; give a JAX loss or the kernel of a network")
    import jax

    from eomsym.jax.noise import noisy_model

    with jax.enable_x64(True):
        model = noisy_model(own.of_samples, own.params, own.data)
        draw = batches.draw(model.samples)
        setting, restored = training.setting, model.restored
        return predict_noise(model.loss, draw, model.theta, rate, steps, setting, restored=restored, **options)
