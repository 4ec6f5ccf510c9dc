"""From a sweep file, or the same words in Python, to a plan.  Whatever is not understood is refused by its name."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import islice, product
from pathlib import Path
from typing import Any

from eomsym import optimizers
from eomsym.checks import check_choice, check_finite, check_integer, shown
from eomsym.errors import InputError
from eomsym.files import read_bounded
from eomsym.models import DATASETS, LOSS_TABLE, LOSSES, MLP, DataFile, Dataset, default_model
from eomsym.models.data import check_fit
from eomsym.models.data_files import columns, is_data_file
from eomsym.optimizers.registry import is_built_in
from eomsym.sweeps import entries
from eomsym.sweeps.plan import MAX_JOBS, ModelChoice, OptimizerChoice, SweepPlan

MAX_FILE_BYTES = 2**20
#: T is this many of an optimiser's largest steps, where the sweep does not say; as in ``eomsym.verify``.
DEFAULT_STEPS = 8
MAX_STEPS, MAX_SEED, MAX_WIDTH, MAX_ORDER = 100_000, 999_999_999, 100_000, 11
#: Decimal exponents beyond those of a double are no step sizes, and as exact fractions they would fill the memory.
MAX_EXPONENT = 400

SWEEP_KEYS = ("orders", "etas", "steps", "seeds", "optimizer", "model")
OPTIMIZER_KEYS = ("name", "parameters", "etas")
MODEL_KEYS = ("data", "layers", "hidden", "activation", "loss", "weight-decay", "normalization", "bias")
#: How files are read that ``data`` names.
FILE_KEYS = ("target", "inputs", "header", "scale")


def read_plan(path: str | Path) -> SweepPlan:
    """The plan in a sweep file (TOML).  Raises ``InputError`` that names the file and what is wrong in it."""
    file = Path(path)
    try:
        text = read_bounded(file, MAX_FILE_BYTES).decode()
    except UnicodeDecodeError as error:
        raise InputError(f"sweep {str(file)!r}: byte {error.start} is not UTF-8; give a sweep file") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        right = "give a sweep file, with orders, [[optimizer]] and [[model]]"
        raise InputError(f"sweep {str(file)!r}: cannot be read ({reason}); {right}") from error
    try:
        # Decimal fractions as they are written, because parameters are exact.
        return plan_from_dict(tomllib.loads(text, parse_float=_decimal))
    except InputError as error:
        raise InputError(f"sweep {str(file)!r}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"sweep {str(file)!r}: not TOML ({error}); docs/sweeps.md shows the form") from error


def plan_from_dict(data: Mapping[str, Any]) -> SweepPlan:
    """A plan from the keys and values that a sweep file holds (docs/sweeps.md lists them).

    Raises ``InputError`` that names the entry for what is unknown, missing, of the wrong kind, out of range or there
    twice, and for what ``SweepPlan`` refuses.
    """
    sweep = entries.table("sweep", data, SWEEP_KEYS)
    shared = entries.falling("sweep", "etas", sweep["etas"]) if "etas" in sweep else None
    if "orders" not in sweep:
        raise InputError("sweep: no orders; write orders = [0, 1, 2]")
    choices = (choice for table in entries.tables(sweep, "optimizer") for choice in _optimizers(table, shared))
    models = (choice for table in entries.tables(sweep, "model") for choice in _models(table))
    return SweepPlan(
        # One too many is enough to be refused: a few long lists multiply to more than fits the memory.
        optimizers=tuple(islice(choices, MAX_JOBS + 1)),
        models=tuple(islice(models, MAX_JOBS + 1)),
        orders=entries.distinct_integers("sweep", "orders", sweep["orders"], 0, MAX_ORDER),
        seeds=_seeds(sweep.get("seeds", 1)),
        steps=check_integer("sweep: steps", sweep.get("steps", DEFAULT_STEPS), 1, MAX_STEPS),
    )


def _decimal(text: str) -> Decimal:
    number = Decimal(text.replace("_", ""))
    if not number.is_finite() or abs(number.adjusted()) > MAX_EXPONENT:
        raise InputError(f"number {shown(text)}: out of range; give a finite number such as 0.1")
    return number


def _seeds(value: Any) -> tuple[int, ...]:
    """A list of seeds, or how many there are, counted from 0."""
    if isinstance(value, (list, tuple)):
        return entries.distinct_integers("sweep", "seeds", value, 0, MAX_SEED)
    return tuple(range(check_integer("sweep: seeds", value, 1, MAX_JOBS)))


def _optimizers(value: Any, shared: tuple[float, ...] | None) -> Iterator[OptimizerChoice]:
    """The choices of one table: one for each combination of the values of its parameters."""
    table = entries.table("optimizer", value, OPTIMIZER_KEYS)
    name = entries.text("optimizer", "name", table.get("name"))
    entry, _ = optimizers.chosen(name, {})
    where = f"optimizer {entry.name!r}"
    if not is_built_in(entry):
        raise InputError(f"{where}: registered in this process only, so no worker knows it; take one of eomsym's own")
    etas = entries.falling(where, "etas", table["etas"]) if "etas" in table else shared
    if etas is None:
        raise InputError(f"{where}: no step sizes; give etas here or for the whole sweep")
    given = entries.mapping(where, "parameters", table.get("parameters", {}))
    for values in product(*map(entries.several, given.values())):
        named = dict(zip(given, map(_exact, values), strict=True))
        form, exact = optimizers.chosen(name, named)
        complete = form.complete(exact, trial=True)
        yield OptimizerChoice(form.name, tuple((name, str(number)) for name, number in complete.items()), etas)


def _exact(value: Any) -> Any:
    """A decimal number as the fraction that is written there; the optimiser judges all else."""
    return Fraction(value) if isinstance(value, Decimal) else value


def _models(value: Any) -> Iterator[ModelChoice]:
    """The choices of one table: one for each combination of data, activation, weight decay, normalization and bias."""
    table = entries.table("model", value, (*MODEL_KEYS, *FILE_KEYS))
    if "data" not in table:
        raise InputError("model: no data; give the name of a data set, or several, as data = ['moons', 'digits']")
    if "layers" in table and "hidden" in table:
        raise InputError("model: both layers and hidden; give all widths, or those of the hidden layers alone")
    for name in entries.several(table["data"]):
        data, suited = _data(table, entries.text("model", "data", name))
        layers, loss = _layers(table, suited), entries.text("model", "loss", table.get("loss", suited.loss))
        axes = (
            table.get("activation", suited.activation),
            table.get("weight-decay", 0),
            table.get("normalization", "none"),
            table.get("bias", True),
        )
        for activation, decay, normalization, bias in product(*map(entries.several, axes)):
            model = MLP(
                layers,
                entries.text("model", "activation", activation),
                loss,
                check_finite("model: weight-decay", decay),
                entries.text("model", "normalization", normalization),
                bias,
            )
            yield ModelChoice(data, check_fit(model, suited, data, "model: layers", "model: loss"))


def _data(table: Mapping[str, Any], name: str) -> tuple[str, MLP]:
    """The name of a data set and the network that suits it.

    A file's name says how it is read, and by its digest which one is meant.
    """
    read = {key: table[key] for key in FILE_KEYS if key in table}
    if not is_data_file(name):
        if read:
            raise InputError(f"model: {next(iter(read))} is said of a file, and {name!r} is none; leave it out")
        data = check_choice("dataset", name, DATASETS)
        return data, default_model(data)
    written = DataFile.parse(name)
    if written.sha256 and "loss" in table and "layers" in table:  # of a plan, which was checked when it was made
        widths = entries.integers("model", "layers", table["layers"], 1, MAX_WIDTH)
        return str(written), MLP(widths, loss=entries.text("model", "loss", table["loss"]))
    if not isinstance(read.get("header", True), bool):
        raise InputError(f"model: header {shown(read['header'])}: neither true nor false; give one of them")
    if "loss" in table:
        read["labels"] = LOSS_TABLE[check_choice("model: loss", table["loss"], LOSSES)].labels
    read |= {key: columns(read[key]) for key in ("target", "inputs") if key in read}
    if "target" in read:
        read["targets"] = read.pop("target")
    file = replace(written, **read)
    file = file if file.sha256 else file.pinned
    samples = Dataset.from_file(file)
    return str(replace(file, labels=samples.targets.ndim == 1)), default_model(samples)


def _layers(table: Mapping[str, Any], suited: MLP) -> tuple[int, ...]:
    """All widths: as given, around the hidden ones given, or those of the network that suits the data."""
    if "layers" in table:
        return entries.integers("model", "layers", table["layers"], 1, MAX_WIDTH)
    if "hidden" in table:
        hidden = entries.integers("model", "hidden", table["hidden"], 1, MAX_WIDTH)
        return (suited.layers[0], *hidden, suited.layers[-1])
    return suited.layers
