"""Specification to source text: the folder of a backend, its context, the opening comment."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import eomsym
from eomsym.codegen.expression_context import expression_context
from eomsym.codegen.mlp_context import double_double_context, mlp_context
from eomsym.codegen.spec import KernelSpec
from eomsym.codegen.templates import environment
from eomsym.models import MLP

#: What the template of each backend, a folder of ``templates/``, is given.
BACKENDS: Mapping[str, Callable[[KernelSpec], dict[str, Any]]] = {
    "expression": expression_context,
    "mlp": mlp_context,
    "double_double": double_double_context,
}

_SECTION = re.compile(r"^# =+ (.+) =+$", re.MULTILINE)


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
