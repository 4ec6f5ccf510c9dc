"""The application: its commands, and how it is run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from eomsym import __version__
from eomsym.cli import (
    audit,
    derive,
    drift,
    edge,
    follow,
    generate,
    layers,
    noise,
    optimizers,
    output,
    recommend,
    sweep,
    terms,
    track,
    verify,
)
from eomsym.cli.groups import examples, new_group

app = new_group(
    help="Equations of motion of deep-learning optimisers: derive them, generate kernels, verify them.",
    epilog=examples(
        "eomsym derive --order 3",
        "eomsym generate mlp --layers 64,32,10 --order 4 --output kernels",
        "eomsym verify --plot slopes.png",
        closing="Exit status: 0 done, 1 a check failed, 2 bad input.",
    ),
    completion=True,
)
app.command(epilog=audit.EXAMPLES)(audit.audit)
app.command(epilog=derive.EXAMPLES)(derive.derive)
app.add_typer(generate.group, name="generate")
app.command(epilog=verify.EXAMPLES)(verify.verify)
app.command(epilog=follow.EXAMPLES)(follow.follow)
app.command(epilog=drift.EXAMPLES)(drift.drift)
app.add_typer(layers.group, name="layers")
app.command(epilog=terms.EXAMPLES)(terms.terms)
app.command(epilog=recommend.EXAMPLES)(recommend.recommend)
app.command(epilog=edge.EXAMPLES)(edge.edge)
app.command(epilog=noise.EXAMPLES)(noise.noise)
app.command(epilog=optimizers.EXAMPLES)(optimizers.optimizers)
app.command(epilog=track.EXAMPLES)(track.track)
app.add_typer(sweep.group, name="sweep")


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
