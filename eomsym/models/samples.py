"""Samples as arrays: what a network takes, and those that are made from a seed.

Bits do not depend on the number of threads or the BLAS at hand: nothing is multiplied in floating point, or the result
is rounded far above the round-off.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from eomsym.checks import check_array
from eomsym.errors import InputError


def check_samples(inputs: Any, targets: Any, of: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Inputs (n, n_in) float64; targets (n,) integer labels as int64, or (n, n_out) float64, (n,) for one output.

    ``of`` says whose they are.  Raises ``InputError`` for other types and shapes, no samples, and what is not finite.
    """
    inputs = float_array(f"{of}inputs", inputs, "(samples, features)")
    if inputs.ndim != 2 or inputs.size == 0:
        raise InputError(f"{of}inputs: shape {inputs.shape}; give (samples, features), one or more of each")
    targets, samples = check_array(f"{of}targets", targets), len(inputs)
    in_classes = isinstance(targets, np.ndarray) and targets.dtype.kind in "iu"
    if not in_classes:
        targets = float_array(f"{of}targets", targets, f"({samples}, outputs), or integer labels of shape ({samples},)")
    if not 1 <= targets.ndim <= 2 - in_classes or len(targets) != samples:
        raise InputError(
            f"{of}targets: {targets.dtype} of shape {targets.shape}; give integer labels of shape ({samples},) "
            f"or float64 values of shape ({samples}, outputs)"
        )
    return inputs, targets.astype(np.int64, copy=False) if in_classes else targets.reshape(samples, -1)


def float_array(name: str, value: Any, shape: str) -> np.ndarray:
    """``value`` as NumPy's.  Raises ``InputError`` unless it is a float64 array of finite numbers."""
    value = check_array(name, value)
    if not isinstance(value, np.ndarray) or value.dtype != np.float64:
        kind = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
        raise InputError(f"{name}: {kind} is not a float64 array; give a NumPy array of shape {shape}, dtype float64")
    if not all_finite(value):
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(value))[0])
        raise InputError(f"{name}: entry {place} is {value[place]}; every entry has to be finite")
    return value


def all_finite(values: Any) -> bool:
    """Whether all are finite.  Then the sum of squares is, but for overflow, which costs less than to look at each."""
    return math.isfinite(np.vdot(values, values)) or bool(np.isfinite(values).all())


def _digit_pixels() -> tuple[np.ndarray, np.ndarray]:
    """The 1797 × 64 pixels of 8 × 8 digits, whole numbers from 0 to 16, and their labels."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return np.ascontiguousarray(pixels, dtype=np.float64), labels.astype(np.int64)


def _digits(seed: int) -> tuple[np.ndarray, np.ndarray]:
    pixels, labels = _digit_pixels()
    return pixels / 16.0, labels


def _digits_small(seed: int, components: int = 8, samples: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Digits on their first principal components (the first of unit variance), a random choice of samples."""
    pixels, labels = _digit_pixels()
    total = pixels.sum(axis=0)
    # n² times the covariance: whole numbers below 2^53, so exact in any order of summation.
    scatter = len(pixels) * (pixels.T @ pixels) - np.outer(total, total)
    values, vectors = np.linalg.eigh(scatter)
    axes = vectors[:, : -components - 1 : -1]
    strongest = np.abs(axes).argmax(axis=0)
    axes = axes * np.sign(axes[strongest, np.arange(components)])
    deviation = np.sqrt(values[-1]) / len(pixels)
    chosen = np.sort(np.random.default_rng(seed).choice(len(pixels), samples, replace=False))
    projected = (pixels[chosen] - total / len(pixels)) @ axes / deviation
    return np.ascontiguousarray(projected.round(6)), labels[chosen]


def _moons(seed: int, samples: int = 256, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Two interleaved half circles of radius 1 with normal noise, the first half of the samples labelled 0."""
    random = np.random.default_rng(seed)
    angle = np.pi * random.random(samples)
    labels = np.repeat(np.array([0, 1], dtype=np.int64), samples // 2)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lower = np.array([1.0, 0.5]) - upper
    clean = np.where(labels[:, None] == 0, upper, lower)
    return (clean + noise * random.standard_normal((samples, 2))).round(12), labels


def _teacher(seed: int, samples: int = 256, width: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Values of a random network with 2 inputs, ``width`` tanh units and 1 output at normally distributed points."""
    random = np.random.default_rng(seed)
    inputs = random.standard_normal((samples, 2))
    first, bias = random.standard_normal((2, width)), random.standard_normal(width)
    second = random.standard_normal(width) / np.sqrt(width)
    hidden = np.tanh(inputs[:, :1] * first[0] + inputs[:, 1:] * first[1] + bias)
    return inputs, (hidden * second).sum(axis=1, keepdims=True).round(12)


#: How each data set is made from a seed.
MAKERS: dict[str, Callable[[int], tuple[np.ndarray, np.ndarray]]] = {
    "digits": _digits,
    "digits-small": _digits_small,
    "moons": _moons,
    "teacher-small": partial(_teacher, samples=64, width=3),
    "teacher": _teacher,
}
