"""Options that several commands share, each described once, with what the shell completes for them.

Those that belong together are a data class, which a command takes whole, and which reads them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eomsym.checks import check_choice
from eomsym.cli import output, parsing
from eomsym.errors import InputError

if TYPE_CHECKING:
    from eomsym.models import MLP
    from eomsym.models.data import Dataset
    from eomsym.optimizers import Optimizer as Entry
    from eomsym.verification import training as trainings

#: Seeds have at most nine digits.
LARGEST_SEED = 999_999_999
MOST_STEPS = 100_000
#: How batches are ordered, or drawn.
ORDERS = ("shuffled", "fixed", "independent", "replacement")
#: Characters of a line about one's own data; JSON has all.
MOST_TOLD = 400
#: The learning rate of a run where none is given.
USUAL_ETA = 0.01


def option(metavar: str, help: str, *flags: str, **more: Any) -> Any:
    """An option that takes a value; its name is that of the parameter where no flag is given."""
    return typer.Option(*flags, metavar=metavar, help=help, **more)


def argument(metavar: str, help: str, **more: Any) -> Any:
    """An argument that is told in the help as options are."""
    return typer.Argument(metavar=metavar, help=help, **more)


def choice(what: str, kinds: Sequence[str], help: str, metavar: str = "NAME", **more: Any) -> Any:
    """An option that is one of ``kinds``."""
    return option(metavar, help, parser=lambda text: check_choice(what, text, kinds), **more)


def number(help: str, **more: Any) -> Any:
    """An option that is a number above 0."""
    return option("NUMBER", help, parser=parsing.positive, **more)


def named(table: str, help: str, **more: Any) -> Any:
    """An option that takes one of the names of a table in ``eomsym.models``, which is imported when the shell asks."""

    def complete(incomplete: str) -> list[str]:
        from eomsym import models

        return _beginning(incomplete, getattr(models, table))

    return option("NAME", help, autocompletion=complete, **more)


def _beginning(incomplete: str, names: Sequence[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def complete_optimizer(incomplete: str) -> list[str]:
    """Names in the registry that begin so."""
    from eomsym.optimizers import REGISTRY

    return _beginning(incomplete, list(REGISTRY))


Optimizer = Annotated[str, option("NAME", "Name of the update rule.", autocompletion=complete_optimizer)]
Folder = Annotated[
    Path,
    option("DIR", "Folder for the file; made if it is not there.", "--output", parser=parsing.folder),
]


def form(*kinds: str) -> Any:
    """The option ``--format``."""
    help = f"{', '.join(kinds[:-1])} or {kinds[-1]}; --json is json."
    return option("FORMAT", help, "--format", parser=lambda text: check_choice("format", text, kinds))


def orders(most: int) -> Any:
    """The option ``--orders``, up to ``most``."""
    text = f"A range 0:3, its end included, or a list 0,1,3; 0 to {most}."
    return option("ORDERS", text, parser=parsing.orders_to(most))


def names(*flags: str, help: str) -> Any:
    """An option of several names."""
    return option("NAMES", help, *flags, parser=parsing.names)


Format = Annotated[str, form("table", "json")]
Steps = Annotated[int, option("N", "Steps of the optimizer.", min=1, max=MOST_STEPS)]
After = Annotated[int, option("N", "Steps that it makes before.", min=0, max=MOST_STEPS)]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", callback=output.set_quiet, help="No progress bar and no warnings."),
]


@dataclass(frozen=True)
class Rule:
    """The optimiser and its parameters."""

    optimizer: Optimizer = "gradient-descent"
    set_: Annotated[
        list[str] | None,
        option("NAME=VALUE", "Give a parameter an exact value, an option yes or no. May be repeated.", "--set"),
    ] = None

    def read_rule(self) -> tuple[Entry, dict[str, Any]]:
        """Its entry, and the values that are given, exact."""
        from eomsym.optimizers import chosen

        entry, exact = chosen(self.optimizer, self.settings)
        return entry, dict(exact)

    @property
    def settings(self) -> dict[str, Any]:
        """The values as they are written."""
        return dict(parsing.settings(self.set_ or []))


@dataclass(frozen=True)
class _Named:
    dataset: Annotated[
        str | None,
        named("DATASETS", "digits, digits-small, moons, teacher or teacher-small.", show_default="one that suits"),
    ] = None


@dataclass(frozen=True)
class OwnNetwork:
    """Data in a file, if any, and the network that is trained."""

    data: Annotated[str | None, option("FILE", "Own data instead: .csv, or .npz with two arrays.")] = None
    target: Annotated[
        str | None, option("COLUMNS", "What is learnt, by name or number from 1.", show_default="the last column")
    ] = None
    inputs: Annotated[str | None, option("COLUMNS", "What it is learnt from.", show_default="all other columns")] = None
    header: Annotated[
        bool | None,
        typer.Option(
            "--header/--no-header", help="Whether line 1 names the columns.", show_default="if it has no number"
        ),
    ] = None
    scale: Annotated[
        str | None,
        option(
            "HOW", "Of inputs and values: none, standard (mean 0, deviation 1) or range (0 to 1).", show_default="none"
        ),
    ] = None
    layers: Annotated[Any, option("WIDTHS", "Widths, such as 64,32,10.", parser=parsing.widths)] = None
    activation: Annotated[str | None, named("ACTIVATIONS", "tanh, sigmoid, softplus, gelu, silu, sin or identity.")] = (
        None
    )
    loss: Annotated[str | None, named("LOSSES", "cross-entropy or mse.")] = None
    weight_decay: Annotated[float | None, option("NUMBER", "Strength of the weight decay.", show_default="0")] = None
    normalization: Annotated[
        str | None,
        named("NORMALIZATIONS", "none, weight, batch or layer.", show_default="none"),
    ] = None
    no_bias: Annotated[bool, typer.Option("--no-bias", help="A network without bias vectors.")] = False

    def samples(self, dataset: str | None = None) -> str | Dataset | None:
        """The name of a data set, or the samples in a file; None where neither is given.

        The target is a class where the loss is for classes, and a value where it is not or the network has one output;
        else the file decides.  Raises ``InputError`` for options that do not go together, and as ``DataFile`` does.
        """
        from eomsym.models import LOSSES, DataFile
        from eomsym.models.data import Dataset
        from eomsym.models.data_files import columns
        from eomsym.models.losses import LOSS_TABLE

        if self.data is None:
            for name in ("target", "inputs", "header", "scale"):
                if getattr(self, name) is not None:
                    raise InputError(f"--{name}: of what? give the file with --data too")
            return dataset
        if dataset is not None:
            raise InputError("--data, --dataset: both given; give one of them")
        labels = None if self.loss is None else LOSS_TABLE[check_choice("--loss", self.loss, LOSSES)].labels
        if labels is None and self.layers is not None and self.layers[-1] == 1:
            labels = False
        how = "none" if self.scale is None else self.scale
        return Dataset.from_file(
            DataFile(self.data, columns(self.target), columns(self.inputs), self.header, how, labels)
        )

    def model(self, samples: str | Dataset | None) -> MLP:
        """The network that is described; what is None is that of the one that suits the data, ``MLP``'s own without.

        Raises ``InputError`` if the data cannot be the model's, before a kernel is generated for nothing.
        """
        from eomsym.models import MLP, default_model
        from eomsym.models.data import check_fit

        own: dict[str, Any] = {
            name: value
            for name in ("layers", "activation", "loss", "weight_decay", "normalization")
            if (value := getattr(self, name)) is not None
        }
        own["bias"] = not self.no_bias
        if samples is not None:
            suited, name = default_model(samples), samples if isinstance(samples, str) else samples.name
            return check_fit(replace(suited, **own), suited, name, "--layers", "--loss")
        if self.layers is None:
            raise InputError("option '--layers': missing; give the widths, such as 64,32,10, or the data with --data")
        return MLP(**own)


@dataclass(frozen=True)
class Network(OwnNetwork, _Named):
    """The same, or data by their name."""

    def read_network(self, suited: str = "digits") -> tuple[str | Dataset, MLP]:
        """The data, ``suited`` if none are given, and the network."""
        samples = self.samples(self.dataset) or suited
        return samples, self.model(samples)


@dataclass(frozen=True)
class _Loop:
    """The learning rate, its schedule, what does not decay, and batches."""

    eta: Annotated[
        float | None, number("Learning rate, the largest where it is halved.", show_default="chosen, or 0.01 for a run")
    ] = None
    schedule: Annotated[
        list[str] | None,
        option(
            "[NAME=]EXPR",
            "The learning rate is eta times this, in tau = n eta; or cosine(2). Of a parameter: beta=EXPR.",
        ),
    ] = None
    no_decay: Annotated[
        Any, option("NAMES", "Parameters that do not decay: bias, or 0.weight,2.bias.", parser=parsing.patterns)
    ] = None
    batch_size: Annotated[int | None, option("N", "Samples in a batch.", min=1, max=parsing.MAX_BATCHES)] = None
    batches: Annotated[
        str | None,
        choice(
            "batches",
            ORDERS,
            "shuffled in each round, fixed, or drawn: independent, or with replacement.",
            metavar="ORDER",
            show_default="shuffled",
        ),
    ] = None
    last_batch: Annotated[
        str | None,
        choice(
            "last batch",
            ("keep", "weight", "drop"),
            "A smaller last batch: keep, weight (by its size) or drop.",
            metavar="WHAT",
            show_default="keep",
        ),
    ] = None
    seed: Annotated[int, option("N", "Seed of the start and of the data.", min=0, max=LARGEST_SEED)] = 0
    precision: Annotated[
        str | None,
        choice(
            "precision",
            ("double", "double-double"),
            "Arithmetic: double, or double-double (32 digits) for high orders.",
            show_default="double",
        ),
    ] = None


@dataclass(frozen=True)
class Training(_Loop, Network, Rule):
    """What is trained, by what: the options that all commands have that run something."""

    def pose(self, suited: str = "digits", *, eta: float | None = None, **network: Any) -> trainings.Training:
        """The training; ``suited`` data, a usual ``eta`` and parts of the network where none are given.

        Raises ``InputError`` for options that do not go together, before a kernel is generated for nothing.
        """
        from eomsym.verification.batches import Batches
        from eomsym.verification.training import Training as Posed

        self.read_rule()  # refuses what is wrong with it before data are read
        own = {name: value for name, value in network.items() if getattr(self, name) is None}
        samples, model = replace(self, **own).read_network(suited)
        batches: Any = None
        if self.batch_size is not None:
            how = {"order": self.batches, "last": self.last_batch}
            batches = Batches(self.batch_size, **{name: word for name, word in how.items() if word is not None})
        elif self.batches is not None or self.last_batch is not None:
            raise InputError("--batches, --last-batch: of what? give --batch-size too")
        optimizer, settings = self.optimizer, self.settings
        if "batches" in settings:  # of a rule of batches: as an argument these are the training's
            written = ", ".join(f"{name}={value}" for name, value in settings.items())
            optimizer, settings = f"{optimizer}({written})", {}
        return Posed(
            model,
            samples,
            optimizer,
            eta if self.eta is None else self.eta,
            seed=self.seed,
            groups={pattern: {"decay": 0} for pattern in self.no_decay or ()} or None,
            schedule=parsing.schedules(self.schedule or []),
            batches=batches,
            precision=self.precision,
            **settings,
        )


@dataclass(frozen=True)
class Report:
    """The options that say where a result goes."""

    quiet: Quiet = False
    format_: Format = "table"

    def tell(self, result: Any, training: trainings.Training | None = None) -> int:
        """Prints a result; returns the exit status, 1 where something is judged and has not passed.

        Of one's own data it is said what was read and how it was scaled.
        """
        own = {"data": training.about} if training is not None and training.about else {}
        if self.format_ == "json":
            output.write(json.dumps(result.to_dict() | own, allow_nan=False))
        else:
            for about in own.values():
                output.write(described(about))
            output.show_result(result)
        return 0 if getattr(result, "passed", True) else 1


@dataclass(frozen=True)
class _Drawn:
    plot: Annotated[Path | None, option("FILE", "Draw what was found; .png, .pdf or .svg.", parser=parsing.figure)] = (
        None
    )


@dataclass(frozen=True)
class DrawnReport(Report, _Drawn):
    """The same of what has a figure."""

    def tell(self, result: Any, training: trainings.Training | None = None) -> int:
        """Draws the result too."""
        if self.plot is not None:
            output.save(result.plot(), self.plot)
        return super().tell(result, training)


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
