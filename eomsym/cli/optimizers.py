"""``eomsym optimizers``: what can be derived."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from eomsym.cli import options, output
from eomsym.cli.groups import examples
from eomsym.result import Row, Table, plain

if TYPE_CHECKING:
    from eomsym.optimizers import Optimizer, Parameter

#: What JSON says of a parameter.
TOLD = ("name", "symbol", "meaning", "minimum", "supremum", "default", "verified_at")
EXAMPLES = examples("eomsym optimizers", "eomsym optimizers --format json")


def optimizers(
    format_: options.Format = "table",
) -> None:
    """List the optimisers that can be derived.

    Below the update rule stands on which conditions its equation of motion holds;
    beside a parameter the value that people use, and the one at which the tests
    verify the slow manifold.
    """
    from eomsym.optimizers import REGISTRY

    entries = list(REGISTRY.values())
    if format_ == "json":
        output.write(json.dumps({"optimizers": [_record(entry) for entry in entries]}, ensure_ascii=False))
    else:
        output.show(_table(entries))


def _record(entry: Optimizer) -> dict[str, object]:
    parameters = [{name: getattr(parameter, name) for name in TOLD} for parameter in entry.parameters]
    named = {"name": entry.name, "aliases": entry.aliases, "update_rule": entry.summary}
    found: dict[str, object] = plain(named | {"parameters": parameters, "source": entry.source, "limits": entry.limits})
    return found


def _table(entries: list[Optimizer]) -> Table:
    rows: list[Row | None] = []
    for entry in entries:
        names = "\n".join((entry.name, *(f"  = {alias}" for alias in entry.aliases)))
        rule = f"{entry.summary}\n{entry.limits}" if entry.limits else entry.summary
        rows += [None, [names, rule, "\n".join(map(_describe, entry.parameters)) or "none"]]
    return Table(["optimiser", "update rule", "parameters (--set)"], rows, words=(0, 1, 2), boxed=True, fixed=(0,))


def _describe(parameter: Parameter) -> str:
    known = {"default": parameter.default, "verified at": parameter.verified_at}
    values = ", ".join(f"{word} {value}" for word, value in known.items() if value is not None)
    return f"{parameter.bounds}: {parameter.symbol}, {parameter.meaning}{f' ({values})' if values else ''}"
