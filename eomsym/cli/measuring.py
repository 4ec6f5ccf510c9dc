"""How the commands that train a network begin, and how they tell what was found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from eomsym.cli import options, output, parsing

if TYPE_CHECKING:
    from eomsym.verification import Training


#: Characters of a line about one's own data; JSON has all.
MOST_TOLD = 400


@dataclass(frozen=True)
class Report:
    """The options that say where a result goes."""

    quiet: options.Quiet = False
    format_: options.Format = "table"

    def tell(self, result: Any, training: Training) -> int:
        """Prints a result; returns the exit status, 1 where something is judged and has not passed.

        Of one's own data it is said what was read and how it was scaled.
        """
        own = {"data": training.about} if training.about else {}
        if self.format_ == "json":
            output.write(json.dumps(result.to_dict() | own, allow_nan=False))
        else:
            for about in own.values():
                output.write(described(about))
            output.show_result(result)
        return 0 if getattr(result, "passed", True) else 1


@dataclass(frozen=True)
class _Drawn:
    plot: Annotated[
        Path | None, options.option("FILE", "Draw what was found; .png, .pdf or .svg.", parser=parsing.figure)
    ] = None


@dataclass(frozen=True)
class DrawnReport(Report, _Drawn):
    """The same of what has a figure."""

    def tell(self, result: Any, training: Training) -> int:
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
