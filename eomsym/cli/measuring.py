"""What the commands that train a network share: the network from its options, and how what was found is told."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from eomsym.checks import check_choice
from eomsym.cli import options, output, parsing
from eomsym.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from eomsym.models import MLP


class Found(Protocol):
    """What a measurement returns."""

    @property
    def passed(self) -> bool: ...
    def to_json(self) -> str: ...


class Study(Found, Protocol):
    """One that can be drawn."""

    def plot(self) -> Figure: ...


class Report:
    """The options that say where a study begins and where it goes, read before anything long is done."""

    def __init__(self, format_: str, seed: str, plot: str | None, folder: str | None) -> None:
        self._json = check_choice("--format", format_, ("table", "json")) == "json"
        self.seed = parsing.integer("--seed", seed, 0, options.LARGEST_SEED)
        self._figure = None if plot is None else parsing.figure_path("--plot", plot)
        self.folder: Path | None = None if folder is None else parsing.folder("--output", folder)

    def tell(self, study: Study, show: Callable[[Any], None]) -> int:
        """Draws and prints a study, by ``show`` where no JSON is asked for; returns the exit status."""
        if self._figure is not None:
            output.save(study.plot(), self._figure)
        return self.write(study, show)

    def write(self, study: Found, show: Callable[[Any], None]) -> int:
        """The same without a figure."""
        if self._json:
            output.write(study.to_json())
        else:
            show(study)
        return 0 if study.passed else 1


def suited_model(
    dataset: str,
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
    from eomsym.models import MLP, default_model, outputs_fit

    suited = default_model(dataset)
    widths = suited.layers if layers is None else parsing.widths("--layers", layers)
    model = MLP(widths, activation or suited.activation, loss or suited.loss, decay, normalization, not no_bias)
    if model.loss != suited.loss:
        raise InputError(f"--loss {model.loss!r}: the targets of {dataset} are not for it; take {suited.loss}")
    if model.layers[0] != suited.layers[0] or not outputs_fit(model, suited):
        raise InputError(
            f"--layers {','.join(map(str, model.layers))!r}: for {dataset} the first width is {suited.layers[0]} and "
            f"the last is {suited.layers[-1]}"
        )
    return model


def fixed(number: float, form: str = ".4f") -> str:
    """A number as tables show it; ``none`` for what is not finite."""
    return format(number, form) if math.isfinite(number) else "none"
