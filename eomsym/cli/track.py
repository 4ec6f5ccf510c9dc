"""``eomsym track``: what a run said of itself, from the file that it wrote on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from eomsym.cli import options
from eomsym.cli.groups import examples

EXAMPLES = examples("eomsym track run.jsonl", "eomsym track run.jsonl --plot run.png")


def track(
    file: Annotated[
        Path, options.argument("FILE", "Lines of JSON, as eomsym.tracking.json_lines writes them.", show_default=False)
    ],
    *,
    report: options.DrawnReport,
) -> int:
    """Show what a tracked run said of itself.

    The share of each order in its steps, multipliers, how near the edge, and
    what that means, of the last 20 looks; a figure and JSON have all.
    """
    from eomsym.tracking.lines import read_json_lines

    return report.tell(read_json_lines(file))
