"""``{command-help}``: a section for every command, with what its ``--help`` prints in 80 columns."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator

import typer
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from eomsym.cli import main
from eomsym.cli.app import app as command_line

Path = tuple[str, ...]


def commands(found: object, path: Path = ()) -> Iterator[Path]:
    """Paths of all commands, such as ``("generate", "mlp")``, groups before what is in them."""
    yield path
    for name, inner in sorted(getattr(found, "commands", {}).items()):
        yield from commands(inner, (*path, name))


def help_text(path: Path) -> str:
    """What ``eomsym … --help`` prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        main([*path, "--help"])
    return "\n".join(line.rstrip() for line in printed.getvalue().strip("\n").splitlines())


class CommandHelp(SphinxDirective):
    """Takes no argument and no content."""

    def run(self) -> list[nodes.Node]:
        os.environ["COLUMNS"] = "80"
        return [self._section(path) for path in commands(typer.main.get_command(command_line))]

    def _section(self, path: Path) -> nodes.section:
        title = " ".join(("eomsym", *path))
        section = nodes.section(ids=[title.replace(" ", "-")], names=[title])
        text = help_text(path)
        section += [nodes.title(text=title), nodes.literal_block(text, text, language="text")]
        return section


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": False}
