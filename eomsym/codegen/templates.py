"""The templates: their environment, and what they say of themselves in their first comment."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

import jinja2

from eomsym.codegen.locate import data_folder
from eomsym.codegen.table_text import filled, matrices, reference
from eomsym.errors import InputError

_CALLS = re.compile(r"Calls: (.*)\.")


@cache
def environment() -> jinja2.Environment:
    """The one jinja2 environment; an undefined name is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(data_folder("templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    made.globals["reference"] = reference
    made.filters |= {"filled": filled, "matrices": matrices}
    made.tests["containing"] = lambda text, part: part in text
    return made


def loss_template(backend: str, loss: str) -> str:
    """The template of a loss, found by its name.  Raises ``InputError`` where the backend has none."""
    template = f"{backend}/losses/{loss.replace('-', '_')}.jinja"
    if not (data_folder("templates") / template).is_file():
        raise InputError(f"loss {loss!r}: kernels of this precision know it not; templates/{template} would tell them")
    return template


@cache
def calls(template: str) -> tuple[str, ...]:
    """The elementary functions that a template says it calls: ``Calls: exp, log1p.`` in its first comment."""
    source = (data_folder("templates") / template).read_text(encoding="utf-8")
    found = _CALLS.search(source.partition("-#}")[0])
    return tuple(found[1].split(", ")) if found else ()


def is_function(name: str) -> bool:
    """Whether double-double arithmetic has an elementary function of this name."""
    return (data_folder("templates") / _function(name)).is_file()


def with_callees(functions: Iterable[str]) -> list[str]:
    """Functions of double-double arithmetic by name, each after all that it calls."""
    ordered: list[str] = []
    for name in functions:
        ordered += [callee for callee in [*with_callees(calls(_function(name))), name] if callee not in ordered]
    return ordered


def _function(name: str) -> str:
    return f"double_double/functions/{name}.jinja"
