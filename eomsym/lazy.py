"""Imports public names of a package on first use, so that numba, SymPy and JAX load only where they are needed."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Collection
from importlib import import_module
from typing import Any


def homes(source: str) -> dict[str, str]:
    """Returns the module of every name that a source imports under ``if TYPE_CHECKING:``."""
    blocks = [node for node in ast.parse(source).body if isinstance(node, ast.If)]
    imports = [
        node
        for block in blocks
        if ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
    ]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def attach(package: str, rooms: Collection[str] = ()) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Returns ``__getattr__`` and ``__dir__`` of a package, which import its names when somebody asks for them.

    The names are those that its ``__init__`` imports for types alone, so that each is told once, to type checkers and
    to Python alike; ``rooms`` are modules inside the package.
    """
    module = sys.modules[package]
    home = homes(module.__spec__.loader.get_source(package))  # type: ignore[union-attr]

    def find(name: str) -> Any:
        if name in home:
            return getattr(import_module(home[name]), name)
        if name in rooms:
            return import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def names() -> list[str]:
        return sorted({*vars(module), *module.__all__, *rooms})

    return find, names
