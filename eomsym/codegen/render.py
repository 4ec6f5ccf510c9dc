"""Specification to source text: the folder of a backend, its context, the opening comment."""

from __future__ import annotations

import re

import eomsym
from eomsym.codegen.expression_context import expression_context
from eomsym.codegen.mlp_context import double_double_context, mlp_context
from eomsym.codegen.spec import KernelSpec
from eomsym.codegen.templates import environment
from eomsym.models import MLP

_SECTION = re.compile(r"^# =+ (.+) =+$", re.MULTILINE)


def render(spec: KernelSpec) -> str:
    """The source text of a kernel: the same bytes for the same specification, always."""
    if not isinstance(spec.model, MLP):
        folder, context = "expression", expression_context(spec)
    elif spec.precision == "double":
        folder, context = "mlp", mlp_context(spec)
    else:
        folder, context = "double_double", double_double_context(spec)
    body = environment().get_template(f"{folder}/kernel.py.jinja").render(context)
    head = environment().get_template("common/header.jinja")
    return head.render(context, version=eomsym.__version__, folder=folder, sections=_SECTION.findall(body)) + body
