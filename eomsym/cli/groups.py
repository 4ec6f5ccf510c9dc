"""The application, and groups of commands that name the commands there are when asked for one that is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from eomsym.checks import check_choice


class _PlainFlags:
    """Help without a type beside options that take no value."""

    def get_params(self, ctx: Any) -> list[Any]:
        found: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for option in found:
            if getattr(option, "is_flag", False):
                option.metavar = ""
        return found


class _Group(_PlainFlags, TyperGroup):
    """Lists its commands by name, and refuses an unknown one in the package's own words."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(self.commands)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = check_choice("command", args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, [name, *args[1:]])


class _Command(_PlainFlags, TyperCommand):
    """Takes ``--json`` for ``--format json`` where there is a format."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if any("--format" in parameter.opts for parameter in self.params):
            args = ["--format=json" if argument == "--json" else argument for argument in args]
        return super().parse_args(ctx, args)


class Typer(typer.Typer):
    """An application whose commands are of this kind; they may take options together, as a data class."""

    def command(self, name: str | None = None, **settings: Any) -> Any:
        register = super().command(name, cls=_Command, **settings)
        return lambda function: register(_unfolded(function))


def _unfolded(function: Callable[..., Any]) -> Callable[..., Any]:
    """The command with the fields of each data class that it takes as options of its own."""
    options: list[Parameter] = []
    groups: dict[str, tuple[Any, list[str]]] = {}
    for parameter in signature(function, eval_str=True).parameters.values():
        group = parameter.annotation
        if not is_dataclass(group):
            options.append(parameter.replace(kind=Parameter.KEYWORD_ONLY))
            continue
        hints, own = get_type_hints(group, include_extras=True), fields(group)
        groups[parameter.name] = group, [each.name for each in own]
        options += [
            Parameter(each.name, Parameter.KEYWORD_ONLY, default=each.default, annotation=hints[each.name])
            for each in own
        ]

    @wraps(function)
    def call(**given: Any) -> Any:
        made = {name: group(**{each: given.pop(each) for each in own}) for name, (group, own) in groups.items()}
        return function(**given, **made)

    call.__signature__ = Signature(options)  # type: ignore[attr-defined]
    return call


def new_group(help: str, epilog: str | None = None, completion: bool = False) -> typer.Typer:
    """An empty group of commands; errors pass through it as they are, without decoration.

    ``completion`` adds the options that install the shell's completion, which belong to the outermost group.
    """
    return Typer(
        cls=_Group,
        context_settings={"help_option_names": ["-h", "--help"]},
        help=help,
        epilog=epilog,
        add_completion=completion,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )


def examples(*commands: str, closing: str = "") -> str:
    """The end of a help page: one example a line.  typer makes a paragraph of what stands between empty lines."""
    return "\n\n".join(("Examples:", *commands, *([closing] if closing else [])))


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
