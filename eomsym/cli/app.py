"""The application: its commands, and how it is run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from eomsym import __version__

# Each of these registers its commands.
from eomsym.cli import audit, derive, generate, layers, noise, optimizers, output, questions, sweep  # noqa: F401
from eomsym.cli.groups import app


def run(arguments: Sequence[str] | None) -> int:
    """Run one command and return its exit status; errors are left to the caller, with the options that it has."""
    output.options = _options(sys.argv[1:] if arguments is None else arguments)
    output.set_quiet(False)
    status = app(args=None if arguments is None else list(arguments), prog_name="eomsym", standalone_mode=False)
    return int(status or 0)


def _options(arguments: Sequence[str]) -> frozenset[str]:
    """The options of the command that is named."""
    command: Any = typer.main.get_command(app)
    for word in arguments:
        command = getattr(command, "commands", {}).get(word, command)
    return frozenset(name for parameter in command.params for name in parameter.opts)


def _print_version(wanted: bool) -> None:
    if wanted:
        output.write(f"eomsym {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _main(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        output.write(context.get_help())
