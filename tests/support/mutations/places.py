"""Where a fault is planted: what it is in is found by its name, in whatever file of ``eomsym`` it lies."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from mutations.faults import Fault


class Misfit(Exception):
    """A fault cannot be planted in the code as it is."""


def with_fault(fault: Fault, root: Path) -> tuple[Path, str, str]:
    """The file below ``root``, its text, and its text with the fault.  Raises ``Misfit``."""
    if fault.place.startswith("templates/"):
        spots = [(root / fault.place, slice(None))] if (root / fault.place).is_file() else []
    else:
        spots = _definitions(root).get(fault.place, [])
    if not spots:
        raise Misfit("no such place")
    texts = [(path, lines, path.read_text(encoding="utf-8").splitlines(keepends=True)) for path, lines in spots]
    counts = ["".join(text[lines]).count(fault.old) for _, lines, text in texts]
    if sum(counts) != 1:
        raise Misfit(f"stands {sum(counts)} times there")
    path, lines, text = texts[counts.index(1)]
    changed = text.copy()
    changed[lines] = ["".join(text[lines]).replace(fault.old, fault.new)]
    return path, "".join(text), "".join(changed)


@cache
def _definitions(root: Path) -> dict[str, list[tuple[Path, slice]]]:
    """Files and lines of all functions, classes and assigned names, by their qualified names."""
    found: dict[str, list[tuple[Path, slice]]] = {}
    for path in sorted((root / "eomsym").rglob("*.py")):
        for name, lines in _named(ast.parse(path.read_text(encoding="utf-8")).body):
            found.setdefault(name, []).append((path, lines))
    return found


def _named(body: list[ast.stmt], outer: str = "") -> Iterator[tuple[str, slice]]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                first = min(line.lineno for line in (node, *node.decorator_list))
                yield outer + name, slice(first - 1, node.end_lineno)
                yield from _named(node.body, f"{outer}{name}.")
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield outer + name, slice(node.lineno - 1, node.end_lineno)
