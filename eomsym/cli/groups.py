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


def new_group(help: str, epilog: str | None = None) -> typer.Typer:
    """An empty group of commands; errors pass through it as they are, without decoration."""
    return typer.Typer(
        cls=_Group,
        help=help,
        epilog=epilog,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
