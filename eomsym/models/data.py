"""Data sets: scikit-learn's digits and two that are made from a seed, with a network that suits each.

Bits do not depend on the number of threads or the BLAS at hand: nothing is multiplied in floating point, or the result
is rounded far above the round-off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from eomsym.checks import check_integer
from eomsym.errors import InputError
from eomsym.models.mlp import MLP

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples and what they should be mapped to.

    ``inputs`` is (n, n_in) float64; ``targets`` is (n,) int64 class labels or (n, n_out) float64 values.
    Raises ``InputError`` if the shapes or types are not these, or an input is not finite.
    """

    name: str
    inputs: np.ndarray
    targets: np.ndarray

    def __post_init__(self) -> None:
        _check_inputs(self.name, self.inputs)
        _check_targets(self.name, self.targets, len(self.inputs))

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """``(inputs, targets)``, as a kernel takes them."""
        return self.inputs, self.targets


@dataclass(frozen=True)
class _Entry:
    """How a data set is made from a seed, and the network that it is trained on by default."""

    make: Callable[[int], tuple[np.ndarray, np.ndarray]]
    model: MLP


def dataset(name: str, seed: int = 0) -> Dataset:
    """The data set called ``name``; one of ``DATASETS``.

    ``seed`` draws the samples of all but ``digits``, which does not depend on it.
    Raises ``InputError`` for an unknown name, or a seed that is no integer ≥ 0.
    """
    entry = _entry(name)
    return Dataset(name, *entry.make(check_integer("seed", seed)))


def default_model(name: str) -> MLP:
    """A small network that suits the data set called ``name``.  Raises ``InputError`` for an unknown name."""
    return _entry(name).model


def outputs_fit(model: MLP, suited: MLP) -> bool:
    """Whether the last width of a model serves the targets that ``suited`` is for, by the same loss.

    Classes that never occur do no harm; values without a target would.
    """
    width, wanted = model.layers[-1], suited.layers[-1]
    return width >= wanted if model.loss == "cross-entropy" else width == wanted


def _entry(name: str) -> _Entry:
    if name not in _REGISTRY:
        raise InputError(f"dataset {name!r}: unknown; choose from {', '.join(_REGISTRY)}")
    return _REGISTRY[name]


def _check_inputs(name: str, inputs: np.ndarray) -> None:
    import numpy as np

    if not isinstance(inputs, np.ndarray) or inputs.ndim != 2 or inputs.dtype != np.float64 or inputs.size == 0:
        found = f"{getattr(inputs, 'dtype', type(inputs).__name__)} of shape {np.shape(inputs)}"
        raise InputError(f"dataset {name!r}: inputs are {found}; give a float64 array of shape (samples, features)")
    if not np.isfinite(inputs).all():
        raise InputError(f"dataset {name!r}: inputs hold NaN or infinity; give finite numbers")


def _check_targets(name: str, targets: np.ndarray, samples: int) -> None:
    import numpy as np

    shape, kind = np.shape(targets), getattr(targets, "dtype", type(targets).__name__)
    if (len(shape), kind) not in {(1, np.dtype(np.int64)), (2, np.dtype(np.float64))} or shape[0] != samples:
        raise InputError(
            f"dataset {name!r}: targets are {kind} of shape {shape}; give int64 labels of shape ({samples},) "
            f"or float64 values of shape ({samples}, outputs)"
        )


def _digit_pixels() -> tuple[np.ndarray, np.ndarray]:
    """The 1797 × 64 pixels of 8 × 8 digits, whole numbers from 0 to 16, and their labels."""
    import numpy as np
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return np.ascontiguousarray(pixels, dtype=np.float64), labels.astype(np.int64)


def _digits(seed: int) -> tuple[np.ndarray, np.ndarray]:
    pixels, labels = _digit_pixels()
    return pixels / 16.0, labels


def _digits_small(seed: int, components: int = 8, samples: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Digits on their first principal components (the first of unit variance), a random choice of samples."""
    import numpy as np

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
    import numpy as np

    random = np.random.default_rng(seed)
    angle = np.pi * random.random(samples)
    labels = np.repeat(np.array([0, 1], dtype=np.int64), samples // 2)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lower = np.array([1.0, 0.5]) - upper
    clean = np.where(labels[:, None] == 0, upper, lower)
    return (clean + noise * random.standard_normal((samples, 2))).round(12), labels


def _teacher(seed: int, samples: int = 256, width: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Values of a random network with 2 inputs, ``width`` tanh units and 1 output at normally distributed points."""
    import numpy as np

    random = np.random.default_rng(seed)
    inputs = random.standard_normal((samples, 2))
    first, bias = random.standard_normal((2, width)), random.standard_normal(width)
    second = random.standard_normal(width) / np.sqrt(width)
    hidden = np.tanh(inputs[:, :1] * first[0] + inputs[:, 1:] * first[1] + bias)
    return inputs, (hidden * second).sum(axis=1, keepdims=True).round(12)


_REGISTRY = {
    "digits": _Entry(_digits, MLP([64, 32, 10], activation="tanh", loss="cross-entropy")),
    "digits-small": _Entry(_digits_small, MLP([8, 16, 10], activation="tanh", loss="cross-entropy")),
    "moons": _Entry(_moons, MLP([2, 16, 2], activation="tanh", loss="cross-entropy")),
    # One block of a kernel: what a study in double-double arithmetic can afford.
    "teacher-small": _Entry(partial(_teacher, samples=64, width=3), MLP([2, 3, 1], activation="tanh", loss="mse")),
    "teacher": _Entry(_teacher, MLP([2, 16, 16, 1], activation="tanh", loss="mse")),
}

#: The names that ``dataset`` knows.
DATASETS = tuple(_REGISTRY)

#: The data set of a convergence study if none is named, for each precision that has one: in double-double only tiny
#: problems are quick.
DEFAULT_DATASETS = {"double": "digits", "double-double": "teacher-small"}
