"""Data sets: scikit-learn's digits, some that are made from a seed, and one's own, with a network that suits each.

Bits do not depend on the number of threads or the BLAS at hand: nothing is multiplied in floating point, or the result
is rounded far above the round-off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from eomsym.checks import check_array, check_choice, check_integer
from eomsym.errors import InputError
from eomsym.models.data_files import DataFile, columns, is_data_file
from eomsym.models.losses import LOSS_TABLE
from eomsym.models.mlp import MLP

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples and what they should be mapped to.

    ``inputs`` is (n, n_in) float64; ``targets`` is (n,) integer class labels, kept as int64, or (n, n_out) float64
    values, (n,) for one output.  Arrays of any library are taken, read-only and memory-mapped ones too.
    ``about`` is what a file says of itself, as plain values: names of columns, classes, scaling.
    Raises ``InputError`` if the shapes or types are not these, an array is masked, or a number is not finite.
    """

    name: str
    inputs: np.ndarray
    targets: np.ndarray
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        inputs, targets = (check_array(f"dataset {self.name!r}", part) for part in (self.inputs, self.targets))
        _check_inputs(self.name, inputs)
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "targets", _checked_targets(self.name, targets, len(inputs)))

    @classmethod
    def from_csv(
        cls,
        path: str | PathLike[str],
        target: str | int | Iterable[str | int] | None = None,
        *,
        inputs: str | int | Iterable[str | int] | None = None,
        header: bool | None = None,
        scale: str = "none",
        labels: bool | None = None,
    ) -> Dataset:
        """The samples in a CSV or NPZ file; what each argument says, and what it is by default: see ``DataFile``.

        Raises ``InputError`` that names the file, and the line and column of what is no finite number.
        """
        file = DataFile(fspath(path), columns(target), columns(inputs), header, scale, labels)
        return cls.from_file(file)

    @classmethod
    def from_file(cls, file: DataFile) -> Dataset:
        """The samples in a file, which is read as it says.  Raises ``InputError`` as ``DataFile.read`` does."""
        table, about = file.read()
        return cls(file.title, table.inputs, table.targets, about)

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """``(inputs, targets)``, as a kernel takes them."""
        return self.inputs, self.targets


@dataclass(frozen=True)
class _Entry:
    """How a data set is made from a seed, and the network that it is trained on by default."""

    make: Callable[[int], tuple[np.ndarray, np.ndarray]]
    model: MLP


def dataset(name: str | Dataset, seed: int = 0) -> Dataset:
    """The data set called ``name``: one of ``DATASETS``, or a file, as in ``house.csv?target=price``; or as it is.

    ``seed`` draws the samples of all but ``digits`` and files, which do not depend on it.
    Raises ``InputError`` for an unknown name, a file that cannot be read, or a seed that is no integer ≥ 0.
    """
    if isinstance(name, Dataset):
        return name
    if isinstance(name, str) and is_data_file(name):
        return Dataset.from_file(DataFile.parse(name))
    known = check_choice("dataset", name, _REGISTRY)
    return Dataset(known, *_REGISTRY[known].make(check_integer("seed", seed)))


def default_model(data: str | Dataset) -> MLP:
    """A small network that suits a data set, by its name or itself.  Raises ``InputError`` as ``dataset`` does."""
    if isinstance(data, str) and not is_data_file(data):
        return _REGISTRY[check_choice("dataset", data, _REGISTRY)].model
    samples = dataset(data)
    if samples.targets.ndim == 1:
        classes = max(2, 1 + int(samples.targets.max()), len(samples.about.get("classes") or ()))
        return MLP([samples.inputs.shape[1], HIDDEN, classes], activation="tanh", loss="cross-entropy")
    return MLP([samples.inputs.shape[1], HIDDEN, samples.targets.shape[1]], activation="tanh", loss="mse")


def check_fit(model: MLP, suited: MLP, data: str, layers: str = "layers", loss: str = "loss") -> MLP:
    """``model`` if it serves the data that ``suited`` is for; ``layers`` and ``loss`` are what the user calls these.

    Classes that never occur do no harm, so that there may be more outputs; values without a target would.
    Raises ``InputError`` for another loss or number of inputs, and for outputs that do not fit.
    """
    classes, values = (LOSS_TABLE[network.loss].labels for network in (model, suited))
    if classes != values:
        raise InputError(f"{loss} {model.loss!r}: the targets of {data} are not for it; take {suited.loss}")
    given, wanted = (",".join(map(str, network.layers)) for network in (model, suited))
    least = LOSS_TABLE[model.loss].labels
    fits = model.layers[-1] >= suited.layers[-1] if least else model.layers[-1] == suited.layers[-1]
    if model.layers[0] != suited.layers[0] or not fits:
        raise InputError(
            f"{layers} {given!r}: do not fit {data}, where the first width is {suited.layers[0]} and the last is "
            f"{suited.layers[-1]}{' or more' if least else ''}; give them as {wanted}"
        )
    return model


def _check_inputs(name: str, inputs: np.ndarray) -> None:
    import numpy as np

    if not isinstance(inputs, np.ndarray) or inputs.ndim != 2 or inputs.dtype != np.float64 or inputs.size == 0:
        found = f"{getattr(inputs, 'dtype', type(inputs).__name__)} of shape {np.shape(inputs)}"
        raise InputError(f"dataset {name!r}: inputs are {found}; give a float64 array of shape (samples, features)")
    if not np.isfinite(inputs).all():
        raise InputError(f"dataset {name!r}: inputs hold NaN or infinity; give finite numbers")


def _checked_targets(name: str, targets: np.ndarray, samples: int) -> np.ndarray:
    """Labels as int64, values with an axis of outputs."""
    import numpy as np

    shape, kind = np.shape(targets), getattr(targets, "dtype", type(targets).__name__)
    is_labels = isinstance(targets, np.ndarray) and targets.dtype.kind in "iu" and len(shape) == 1
    is_values = kind == np.float64 and len(shape) in (1, 2)
    if not (is_labels or is_values) or shape[0] != samples:
        raise InputError(
            f"dataset {name!r}: targets are {kind} of shape {shape}; give integer labels of shape ({samples},) "
            f"or float64 values of shape ({samples}, outputs)"
        )
    if is_labels:
        return targets.astype(np.int64, copy=False)
    if not np.isfinite(targets).all():
        raise InputError(f"dataset {name!r}: targets hold NaN or infinity; give finite numbers")
    return targets.reshape(samples, -1)


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

#: Width of the hidden layer of a network for one's own data, if none is given.
HIDDEN = 16
#: The names that ``dataset`` knows.
DATASETS = tuple(_REGISTRY)

#: The data set of a convergence study if none is named, for each precision that has one: in double-double only tiny
#: problems are quick.
DEFAULT_DATASETS = {"double": "digits", "double-double": "teacher-small"}
