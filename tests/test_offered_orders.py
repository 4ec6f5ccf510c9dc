"""The table of docs/limits.md, which orders are offered for which optimiser through which door, against the doors."""

import re
from pathlib import Path

import pytest

from eomsym.codegen import KernelSpec
from eomsym.derivation import closed_forms, derive, posing
from eomsym.derivation.closed_forms import closed_form
from eomsym.errors import InputError
from eomsym.models import MLP, ExpressionLoss
from eomsym.optimizers import REGISTRY
from eomsym.optimizers.registry import is_built_in

LIMITS = (Path(__file__).parents[1] / "docs/limits.md").read_text(encoding="utf-8")
LINES = [line for line in LIMITS.splitlines() if line.startswith(("| optimiser", "| `"))]
HEADER, *ROWS = ([cell.strip() for cell in line.strip("|").split("|")] for line in LINES)
TABLE = {
    name: dict(zip(HEADER[1:], row[1:], strict=True)) for row in ROWS for name in re.findall(r"`([\w-]+)`", row[0])
}
NETWORK, WRITTEN = MLP([2, 2], "tanh", "mse"), ExpressionLoss("x**4", ["x"])


class Reached(Exception):
    """The order was accepted: what follows would take its time."""


def reached(*arguments):
    raise Reached


def offered(door, highest=24):
    """The highest order that a door takes, as the table writes it."""
    orders = []
    for order in range(highest + 1):
        try:
            door(order)
        except Reached:
            orders.append(order)
        except InputError:
            continue
        else:
            orders.append(order)
    assert orders == list(range(len(orders)))
    return str(orders[-1]) if orders else "—"


def through_derive(name, monkeypatch):
    solve = posing.solve_slow
    monkeypatch.setattr(
        posing, "solve_slow", lambda rule, algebra, terms: solve(rule, algebra, 1) if terms == 1 else reached()
    )
    values = REGISTRY[name].complete({})
    return lambda order: derive(name, max(order, 1), **values)


def through_closed_form(name, monkeypatch):
    try:
        closed_form(WRITTEN, 0, name)
    except InputError:
        return lambda order: closed_form(WRITTEN, 0, name)  # it is refused whatever the order
    through_derive(name, monkeypatch)
    monkeypatch.setattr(closed_forms, "program_columns", reached)
    values = REGISTRY[name].complete({})
    return lambda order: closed_form(WRITTEN, max(order, 1), name, **values)


def through_library(name, library):
    module = pytest.importorskip(f"eomsym.{library}")
    ones = pytest.importorskip("numpy" if library == "jax" else library).ones(1)
    return lambda order: module.counterterms(reached, ones, order, optimizer=name)


DOORS = {
    "`derive`": through_derive,
    "in closed form": through_closed_form,
    "networks": lambda name, _: lambda order: KernelSpec(NETWORK, order, name),
    "in double-double": lambda name, _: lambda order: KernelSpec(NETWORK, order, name, "double-double"),
    "written losses": lambda name, _: lambda order: KernelSpec(WRITTEN, order, name),
    "JAX": lambda name, _: through_library(name, "jax"),
    "PyTorch": lambda name, _: through_library(name, "torch"),
}


def test_the_table_has_all_optimizers_and_doors():
    assert set(TABLE) == {name for name, entry in REGISTRY.items() if is_built_in(entry)}
    assert HEADER[1:] == list(DOORS)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", TABLE)
def test_what_is_offered_is_what_the_table_says(name, door, monkeypatch):
    if door in ("JAX", "PyTorch"):
        pytest.importorskip(door.removeprefix("Py").lower(), reason=f"{door} is not installed")
    assert TABLE[name][door] == offered(DOORS[door](name, monkeypatch))
