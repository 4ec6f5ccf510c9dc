"""What the commands that train a network share: the network from its options, and how what was found is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eomsym.checks import check_choice
from eomsym.cli import options, output, parsing
from eomsym.errors import InputError

if TYPE_CHECKING:
    from eomsym.models import MLP, Dataset


#: Characters of a line about one's own data; JSON has all.
MOST_TOLD = 400


class Report:
    """The options that say where a study begins and where it goes, read before anything long is done."""

    def __init__(self, format_: str, seed: str, plot: str | None, folder: str | None) -> None:
        self.json = check_choice("--format", format_, ("table", "json")) == "json"
        self.seed = parsing.integer("--seed", seed, 0, options.LARGEST_SEED)
        self._figure = None if plot is None else parsing.figure_path("--plot", plot)
        self.folder: Path | None = None if folder is None else parsing.folder("--output", folder)

    def tell(self, study: Any, data: str | Dataset = "") -> int:
        """Draws and prints a result that says whether it ``passed``; returns the exit status.

        Of one's own ``data`` it is said what was read and how it was scaled.
        """
        if self._figure is not None:
            output.save(study.plot(), self._figure)
        if self.json:
            own = {} if isinstance(data, str) else {"data": data.about}
            output.write(json.dumps(study.to_dict() | own, allow_nan=False))
        else:
            if not isinstance(data, str):
                output.write(described(data.about))
            output.show_result(study)
        return 0 if study.passed else 1


def data_of(
    dataset: str | None,
    file: str | None,
    target: str | None,
    inputs: str | None,
    header: bool | None,
    scale: str | None,
    layers: str | None = None,
    loss: str | None = None,
) -> str | Dataset | None:
    """The name of a data set, or the samples in a file; None where neither is given.

    The target is a class where the loss is for classes, and a value where it is not or the network has one output; else
    the file decides.  Raises ``InputError`` for options that do not go together, and as ``DataFile`` does.
    """
    from eomsym.models import LOSS_TABLE, LOSSES, DataFile, Dataset
    from eomsym.models.data_files import columns

    if file is None:
        given = {"--target": target, "--inputs": inputs, "--header": header, "--scale": scale}
        for option, value in given.items():
            if value is not None:
                raise InputError(f"{option}: of what? give the file with --data too")
        return dataset
    if dataset is not None:
        raise InputError("--data, --dataset: both given; give one of them")
    labels = None if loss is None else LOSS_TABLE[check_choice("--loss", loss, LOSSES)].labels
    if labels is None and layers is not None and parsing.widths("--layers", layers)[-1] == 1:
        labels = False
    how = "none" if scale is None else scale
    return Dataset.from_file(DataFile(file, columns(target), columns(inputs), header, how, labels))


def described(about: Mapping[str, Any]) -> str:
    """What a file holds, and what was done to it, on a line of its own."""
    kind = "a value" if about["classes"] is None else f"classes {', '.join(about['classes'])}"
    names = {part: ", ".join(about[part]) for part in ("inputs", "targets")}
    lines = [
        f"{about['file']}: {about['samples']} samples; inputs {names['inputs']}; target {names['targets']}, {kind}"
    ]
    for part, by in about.get("scaling", {}).items():
        numbers = (f"({shift:.6g}, {spread:.6g})" for shift, spread in zip(by["shift"], by["spread"], strict=True))
        lines.append(f"{part} scaled ({about['scale']}): (value - shift)/spread, with {', '.join(numbers)}")
    return "\n".join(line if len(line) <= MOST_TOLD else f"{line[:MOST_TOLD]} ..." for line in lines)


def suited_model(
    dataset: str | Dataset,
    layers: str | None,
    activation: str | None,
    decay: float,
    normalization: str = "none",
    loss: str | None = None,
    no_bias: bool = False,
) -> MLP:
    """The network that is described; what is None is that of the one that suits the data set.

    Raises ``InputError`` if the data cannot be the model's, before a kernel is generated for nothing.
    """
    from eomsym.models import MLP, check_fit, default_model

    suited = default_model(dataset)
    widths = suited.layers if layers is None else parsing.widths("--layers", layers)
    model = MLP(widths, activation or suited.activation, loss or suited.loss, decay, normalization, not no_bias)
    return check_fit(model, suited, dataset if isinstance(dataset, str) else dataset.name, "--layers", "--loss")
