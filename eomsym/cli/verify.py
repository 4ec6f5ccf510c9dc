"""``eomsym verify``: does the equation of motion follow the optimiser to the order promised?"""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(verify)


def verify() -> None:
    "TBD"
