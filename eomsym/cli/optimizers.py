"""``eomsym optimizers``: what can be derived."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eomsym.cli import options, output
from eomsym.cli.groups import app, examples
from eomsym.result import Row, Table, plain

if TYPE_CHECKING:
    from eomsym.optimizers import Optimizer, Parameter

#: What JSON says of a parameter, and of an option.
TOLD = ("name", "symbol", "meaning", "minimum", "supremum", "default", "verified_at")
OPTION = ("name", "kind", "meaning", "brought_by", *TOLD[3:])


@app.command(epilog=examples("eomsym optimizers", "eomsym optimizers --edge", "eomsym optimizers --format json"))
def optimizers(
    edge: Annotated[bool, typer.Option("--edge", help="Where each becomes unstable.")] = False,
    format_: options.Format = "table",
) -> None:
    """List the optimisers, their parameters and their options.

    Below the update rule stands on which conditions its equation of motion holds;
    beside a parameter the value that people use, and the one at which the tests
    verify the slow manifold. An option is yes or no, with --set or in the name:
    --optimizer "adam(inside=yes)"; a number below it is there with it only.
    With --edge the first eta lambda at which each becomes unstable, and the
    multiplier that leaves the unit circle; the number at the values people use.
    """
    from eomsym.optimizers import REGISTRY
    from eomsym.optimizers.registry import FURTHER

    entries = [*REGISTRY.values(), *FURTHER.values()]
    record, table = (_threshold, _edges) if edge else (_record, _table)
    if format_ == "json":
        output.write(json.dumps({"optimizers": [record(entry) for entry in entries]}, ensure_ascii=False))
    else:
        output.show(table(entries))


def _threshold(entry: Optimizer) -> dict[str, Any]:
    from eomsym.derivation.thresholds import edge_threshold
    from eomsym.errors import InputError

    try:
        found = edge_threshold(entry)
    except InputError as error:
        return {"optimizer": entry.name, "why_none": str(error).partition(": ")[2]}
    return {**found.to_dict(), "way": found.way}


def _edges(entries: list[Optimizer]) -> Table:
    rows: list[Row | None] = []
    for found in map(_threshold, entries):
        if "why_none" in found:
            rows.append([found["optimizer"], found["why_none"], "", ""])
            continue
        told = [found["expression"], *(f"{name} held" for name in found["held"]), *found["notes"]]
        value = "" if found["value"] is None else f"{found['value']:.6g}"
        rows.append([found["optimizer"], "; ".join(told), value, found["way"]])
    return Table(["optimiser", "unstable from eta lambda =", "value", "leaves"], rows, words=(0, 1, 3), boxed=True)


def _why_not_derived(entry: Optimizer) -> str:
    return entry.numeric_only or entry.rule(**entry.complete({}, trial=True)).unwritten


def _record(entry: Optimizer) -> dict[str, object]:
    from eomsym.optimizers.variants import options_of

    record = {
        **{"name": entry.name, "aliases": entry.aliases, "update_rule": entry.summary},
        "parameters": [{name: getattr(parameter, name) for name in TOLD} for parameter in entry.parameters],
        "options": [{name: getattr(option, name) for name in OPTION} for option in options_of(entry)],
        **{"source": entry.source, "limits": entry.limits, "why_not_derived": _why_not_derived(entry)},
    }
    found: dict[str, object] = plain(record)
    return found


def _table(entries: list[Optimizer]) -> Table:
    from eomsym.optimizers.variants import COMMON

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
