"""``eomsym optimizers``: what can be derived."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from eomsym.cli import options, output
from eomsym.cli.groups import examples
from eomsym.result import Row, Table, plain

if TYPE_CHECKING:
    from eomsym.optimizers import Optimizer, Parameter

#: What JSON says of a parameter, and of an option.
TOLD = ("name", "symbol", "meaning", "minimum", "supremum", "default", "verified_at")
OPTION = ("name", "kind", "meaning", "brought_by", *TOLD[3:])
EXAMPLES = examples("eomsym optimizers", "eomsym optimizers --format json")


def optimizers(
    format_: options.Format = "table",
) -> None:
    """List the optimisers, their parameters and their options.

    Below the update rule stands on which conditions its equation of motion holds;
    beside a parameter the value that people use, and the one at which the tests
    verify the slow manifold. An option is yes or no, with --set or in the name:
    --optimizer "adam(inside=yes)"; a number below it is there with it only.
    """
    from eomsym.optimizers import FURTHER, REGISTRY

    entries = [*REGISTRY.values(), *FURTHER.values()]
    if format_ == "json":
        output.write(json.dumps({"optimizers": [_record(entry) for entry in entries]}, ensure_ascii=False))
    else:
        output.show(_table(entries))


def _record(entry: Optimizer) -> dict[str, object]:
    from eomsym.optimizers.variants import options_of

    record = {
        **{"name": entry.name, "aliases": entry.aliases, "update_rule": entry.summary},
        "parameters": [{name: getattr(parameter, name) for name in TOLD} for parameter in entry.parameters],
        "options": [{name: getattr(option, name) for name in OPTION} for option in options_of(entry)],
        **{"source": entry.source, "limits": entry.limits, "why_not_derived": entry.numeric_only},
    }
    found: dict[str, object] = plain(record)
    return found


def _table(entries: list[Optimizer]) -> Table:
    from eomsym.optimizers import COMMON

    rows: list[Row | None] = []
    for entry in entries:
        names = "\n".join((entry.name, *(f"  = {alias}" for alias in entry.aliases)))
        rule = f"{entry.summary}\n{entry.limits}" if entry.limits else entry.summary
        rows += [None, [names, rule, "\n".join(map(_describe, (*entry.parameters, *entry.options))) or "none"]]
    rows += [None, ["all of one gradient", "and of no players or batches", "\n".join(map(_describe, COMMON))]]
    return Table(["optimiser", "update rule", "parameters (--set)"], rows, words=(0, 1, 2), boxed=True, fixed=(0,))


def _describe(parameter: Parameter) -> str:
    if parameter.kind == "flag":
        return f"{parameter.name} ({'yes' if parameter.default else 'no'}): {parameter.meaning}"
    known = {"default": parameter.default, "verified at": parameter.verified_at}
    values = ", ".join(f"{word} {value}" for word, value in known.items() if value is not None)
    begin = f"with {' or '.join(parameter.brought_by)} " if parameter.brought_by else ""
    return f"{begin}{parameter.bounds}: {parameter.symbol}, {parameter.meaning}{f' ({values})' if values else ''}"
