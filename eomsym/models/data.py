"""Data sets: scikit-learn's digits, some that are made from a seed, and one's own, with a network that suits each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from eomsym.checks import check_choice, check_integer
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
        from eomsym.models.samples import check_samples

        inputs, targets = check_samples(self.inputs, self.targets, f"dataset {self.name!r}: ")
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "targets", targets)

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
        return cls(file.title, *file.read())

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """``(inputs, targets)``, as a kernel takes them."""
        return self.inputs, self.targets


def dataset(name: str | Dataset, seed: int = 0) -> Dataset:
    """The data set called ``name``: one of ``DATASETS``, or a file, as in ``house.csv?target=price``; or as it is.

    ``seed`` draws the samples of all but ``digits`` and files, which do not depend on it.
    Raises ``InputError`` for an unknown name, a file that cannot be read, or a seed that is no integer ≥ 0.
    """
    if isinstance(name, Dataset):
        return name
    if isinstance(name, str) and is_data_file(name):
        return Dataset.from_file(DataFile.parse(name))
    from eomsym.models.samples import MAKERS

    known = check_choice("dataset", name, MAKERS)
    return Dataset(known, *MAKERS[known](check_integer("seed", seed)))


def default_model(data: str | Dataset) -> MLP:
    """A small network that suits a data set, by its name or itself.  Raises ``InputError`` as ``dataset`` does."""
    if isinstance(data, str) and not is_data_file(data):
        return _MODELS[check_choice("dataset", data, _MODELS)]
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


#: The network that suits each data set.
_MODELS = {
    "digits": MLP([64, 32, 10], activation="tanh", loss="cross-entropy"),
    "digits-small": MLP([8, 16, 10], activation="tanh", loss="cross-entropy"),
    "moons": MLP([2, 16, 2], activation="tanh", loss="cross-entropy"),
    # One block of a kernel: what a study in double-double arithmetic can afford.
    "teacher-small": MLP([2, 3, 1], activation="tanh", loss="mse"),
    "teacher": MLP([2, 16, 16, 1], activation="tanh", loss="mse"),
}

#: Width of the hidden layer of a network for one's own data, if none is given.
HIDDEN = 16
#: The names that ``dataset`` knows.
DATASETS = tuple(_MODELS)

#: The data set of a convergence study if none is named, for each precision that has one: in double-double only tiny
#: problems are quick.
DEFAULT_DATASETS = {"double": "digits", "double-double": "teacher-small"}
