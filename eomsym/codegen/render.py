"""Specification to source text: the environment of the templates, the folder of a backend, the opening comment."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jinja2

import eomsym
from eomsym.codegen.expression_context import expression_context
from eomsym.codegen.locate import data_folder
from eomsym.codegen.mlp_context import double_double_context, mlp_context
from eomsym.codegen.spec import KernelSpec
from eomsym.models import MLP

#: What the template of each backend, a folder of ``templates/``, is given.
BACKENDS: Mapping[str, Callable[[KernelSpec], dict[str, Any]]] = {
    "expression": expression_context,
    "mlp": mlp_context,
    "double_double": double_double_context,
}

_SECTION = re.compile(r"^# =+ (.+) =+$", re.MULTILINE)


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
    made.tests["containing"] = lambda text, part: part in text
    return made


def backend(spec: KernelSpec) -> str:
    """The folder of templates that a kernel is made from."""
    if not isinstance(spec.model, MLP):
        return "expression"
    return "double_double" if spec.precision == "double-double" else "mlp"


def render(spec: KernelSpec) -> str:
    """The source text of a kernel: the same bytes for the same specification, always."""
    folder = backend(spec)
    context = BACKENDS[folder](spec)
    body = environment().get_template(f"{folder}/kernel.py.jinja").render(context)
    head = environment().get_template("common/header.jinja")
    return head.render(context, version=eomsym.__version__, folder=folder, sections=_SECTION.findall(body)) + body
