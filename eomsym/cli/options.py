"""Options that several commands share, each described once, with what the shell completes for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from eomsym.cli import output

#: Seeds have at most nine digits, as all integers of the command line.
LARGEST_SEED = 999_999_999


def _from_models(name: str) -> Callable[[str], list[str]]:
    """Completion from a tuple of names in ``eomsym.models``, which is imported when the shell asks and not before."""

    def complete(incomplete: str) -> list[str]:
        from eomsym import models

        return _beginning(incomplete, getattr(models, name))

    return complete


def _beginning(incomplete: str, names: Sequence[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def complete_optimizer(incomplete: str) -> list[str]:
    """Names in the registry that begin so."""
    from eomsym.optimizers import REGISTRY

    return _beginning(incomplete, list(REGISTRY))


complete_dataset, complete_normalization = _from_models("DATASETS"), _from_models("NORMALIZATIONS")

Optimizer = Annotated[
    str, typer.Option(metavar="NAME", help="Name of the update rule.", autocompletion=complete_optimizer)
]
Dataset = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="digits, digits-small, moons, teacher or teacher-small.",
        autocompletion=complete_dataset,
    ),
]
#: The same where a file may take its place, and None stands for what suits.
NamedDataset = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="digits, digits-small, moons, teacher or teacher-small.",
        show_default="digits",
        autocompletion=complete_dataset,
    ),
]
Data = Annotated[str | None, typer.Option(metavar="FILE", help="Own data instead: .csv, or .npz with two arrays.")]
Target = Annotated[
    str | None,
    typer.Option(metavar="COLUMNS", help="What is learnt, by name or number from 1.", show_default="the last column"),
]
Inputs = Annotated[
    str | None, typer.Option(metavar="COLUMNS", help="What it is learnt from.", show_default="all other columns")
]
Header = Annotated[
    bool | None,
    typer.Option("--header/--no-header", help="Whether line 1 names the columns.", show_default="if it has no number"),
]
Scale = Annotated[
    str | None,
    typer.Option(
        metavar="HOW",
        help="Of inputs and values: none, standard (mean 0, deviation 1) or range (0 to 1).",
        show_default="none",
    ),
]
Layers = Annotated[str | None, typer.Option(metavar="WIDTHS", help="Widths, such as 64,32,10.")]
_activation = typer.Option(
    metavar="NAME",
    help="tanh, sigmoid, softplus, gelu, silu, sin or identity.",
    autocompletion=_from_models("ACTIVATIONS"),
)
_loss = typer.Option(metavar="NAME", help="cross-entropy or mse.", autocompletion=_from_models("LOSSES"))
#: None stands for what suits the data set.
SuitedActivation = Annotated[str | None, _activation]
SuitedLoss = Annotated[str | None, _loss]
Normalization = Annotated[
    str,
    typer.Option(metavar="NAME", help="none, weight, batch or layer.", autocompletion=complete_normalization),
]
NoBias = Annotated[bool, typer.Option("--no-bias", help="A network without bias vectors.")]
Decay = Annotated[str, typer.Option("--weight-decay", metavar="NUMBER", help="Strength of the weight decay.")]
LargestEta = Annotated[
    str | None, typer.Option("--eta", metavar="NUMBER", help="Largest learning rate; chosen to suit if not given.")
]
Folder = Annotated[str, typer.Option("--output", metavar="DIR", help="Folder for the file; made if it is not there.")]
Seed = Annotated[str, typer.Option(metavar="N", help="Seed of the starting point and of the data.")]
Plot = Annotated[str | None, typer.Option(metavar="FILE", help="Draw what was found; .png, .pdf or .svg.")]
Output = Annotated[
    str | None, typer.Option("--output", metavar="DIR", help="Keep the generated kernel in this folder.")
]
Format = Annotated[str, typer.Option("--format", metavar="FORMAT", help="table or json; --json is json.")]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", callback=output.set_quiet, help="No progress bar and no warnings."),
]
Schedule = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[NAME=]EXPR",
        help="The learning rate is eta times this, in tau = n eta; or cosine(2). Of a parameter: beta=EXPR.",
    ),
]
Batches = Annotated[str | None, typer.Option(metavar="M", help="Visit M batches one after the other.")]
BatchSize = Annotated[str | None, typer.Option(metavar="N", help="Or as many as there are of this size.")]
LastBatch = Annotated[
    str | None, typer.Option(metavar="WHAT", help="A smaller last batch: drop, keep or weight (by its size).")
]
BatchOrder = Annotated[
    str,
    typer.Option(metavar="ORDER", help="forward, palindrome (forward, then backward), reshuffled, or numbers 0,2,1."),
]
