"""How the commands that train a network begin, and how they tell what was found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eomsym.checks import check_choice
from eomsym.cli import options, output, parsing

if TYPE_CHECKING:
    from eomsym.models import Dataset


#: Characters of a line about one's own data; JSON has all.
MOST_TOLD = 400


@dataclass
class Report:
    """The options that say where a study begins and where it goes, read before anything long is done."""

    seed: Annotated[str, typer.Option(metavar="N", help="Seed of the starting point and of the data.")] = "0"
    output_: Annotated[
        str | None, typer.Option("--output", metavar="DIR", help="Keep the generated kernel in this folder.")
    ] = None
    quiet: options.Quiet = False
    format_: options.Format = "table"

    def __post_init__(self) -> None:
        self.json = check_choice("--format", self.format_, ("table", "json")) == "json"
        self.number = parsing.integer("--seed", self.seed, 0, options.LARGEST_SEED)
        self.folder: Path | None = None if self.output_ is None else parsing.folder("--output", self.output_)

    def tell(self, study: Any, data: str | Dataset = "") -> int:
        """Prints a result that says whether it ``passed``; returns the exit status.

        Of one's own ``data`` it is said what was read and how it was scaled.
        """
        own = {} if isinstance(data, str) else {"data": data.about}
        if self.json:
            output.write(json.dumps(study.to_dict() | own, allow_nan=False))
        else:
            for about in own.values():
                output.write(described(about))
            output.show_result(study)
        return 0 if study.passed else 1


@dataclass
class _Drawn:
    plot: Annotated[str | None, typer.Option(metavar="FILE", help="Draw what was found; .png, .pdf or .svg.")] = None


@dataclass
class DrawnReport(Report, _Drawn):
    """The same of what has a figure."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._figure = None if self.plot is None else parsing.figure_path("--plot", self.plot)

    def tell(self, study: Any, data: str | Dataset = "") -> int:
        """Draws the study too."""
        if self._figure is not None:
            output.save(study.plot(), self._figure)
        return super().tell(study, data)


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
