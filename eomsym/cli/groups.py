"""Groups of commands that name the commands there are when asked for one that is not."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from eomsym.errors import InputError


class _Group(TyperGroup):
    """Lists its commands by name, and refuses an unknown one in the package's own words."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(self.commands)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.commands:
            raise InputError(f"command {args[0]!r}: unknown; choose from {', '.join(self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


def new_group(help: str, epilog: str | None = None, completion: bool = False) -> typer.Typer:
    """An empty group of commands; errors pass through it as they are, without decoration.

    ``completion`` adds the options that install the shell's completion, which belong to the outermost group.
    """
    return typer.Typer(
        cls=_Group,
        help=help,
        epilog=epilog,
        add_completion=completion,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )


def examples(*commands: str, closing: str = "") -> str:
    """The end of a help page: one example a line.  typer makes a paragraph of what stands between empty lines."""
    return "\n\n".join(("Examples:", *commands, *([closing] if closing else [])))
