"""From a sweep file, or the same words in Python, to a plan with nothing left to defaults, and to its jobs.

Whatever is not understood is refused by its name, and by its line where there is a file.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from fractions import Fraction
from itertools import islice, pairwise, product
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, ValidationError
from pydantic import ValidationInfo as Info

from eomsym import optimizers
from eomsym.checks import check_choice, check_finite, check_integer, nearest, shown
from eomsym.errors import InputError
from eomsym.files import read_bounded
from eomsym.models import LOSSES, MLP, DataFile, default_model
from eomsym.models.data import DATASETS, Dataset, check_fit
from eomsym.models.data_files import columns, is_data_file
from eomsym.models.losses import LOSS_TABLE
from eomsym.optimizers.registry import is_built_in
from eomsym.sweeps.job import Job
from eomsym.verification.training import describe_model

#: More jobs than this are a slip of the pen more often than a sweep; each leaves a file, too.
MAX_JOBS = 100_000
MAX_FILE_BYTES = 2**20
#: T is this many of an optimiser's largest steps, where the sweep does not say; as in ``eomsym.verify``.
DEFAULT_STEPS = 8
MAX_STEPS, MAX_SEED, MAX_WIDTH, MAX_ORDER = 100_000, 999_999_999, 100_000, 11
#: Decimal exponents beyond those of a double are no step sizes, and as exact fractions they would fill the memory.
MAX_EXPONENT = 400
#: How files are read that ``data`` names.
FILE_KEYS = ("target", "inputs", "header", "scale")
#: How what is needed, or was written otherwise, is written.
WRITTEN = {
    "orders": "orders = [0, 1, 2]",
    "etas": "etas = [0.4, 0.2, 0.1]",
    "seeds": "seeds = 3 or seeds = [3, 14]",
    "optimizer": "a table [[optimizer]] with its name",
    "name": 'name = "gradient-descent"',
    "parameters": "parameters = { beta = '1/2' }",
    "model": "a table [[model]] with its data",
    "data": 'data = "moons"',
    "layers": "layers = [2, 16, 2]",
    "hidden": "hidden = [16]",
}

T = TypeVar("T")


def _integer(least: int, most: int) -> BeforeValidator:
    return BeforeValidator(lambda value, info: check_integer(_key(info), value, least, most))


def _key(info: Info) -> str:
    return str(info.field_name).replace("_", "-")


def _distinct(numbers: list[int], info: Info) -> list[int]:
    if len(set(numbers)) < len(numbers):
        raise InputError(f"{_key(info)} {shown(numbers)}: one of them stands there twice; give each once")
    return numbers


def _falling(numbers: list[float], info: Info) -> list[float]:
    if numbers[-1] <= 0 or any(after >= before for before, after in pairwise(numbers)):
        raise InputError(f"{_key(info)} {shown(numbers)}: give numbers above 0, each half of the one before")
    return numbers


def _counted(value: Any, info: Info) -> Any:
    """How many seeds there are stands for a list of them, counted from 0."""
    return value if isinstance(value, (list, tuple)) else list(range(check_integer(_key(info), value, 1, MAX_JOBS)))


def _several(value: Any) -> Any:
    """A list as it is, a single value as a list of one."""
    return value if isinstance(value, (list, tuple)) else [value]


Number = Annotated[float, BeforeValidator(lambda value, info: check_finite(_key(info), value))]
Several = Annotated[list[T], BeforeValidator(_several)]
Etas = Annotated[list[Number], Field(min_length=1), AfterValidator(_falling)]
Widths = Annotated[list[Annotated[int, _integer(1, MAX_WIDTH)]], Field(min_length=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=lambda name: name.replace("_", "-"))


class _Optimizer(_Table):
    """``[[optimizer]]``: a choice for each combination of the values of its parameters."""

    name: str
    parameters: dict[str, Any] = {}
    etas: Etas | None = None


class _Model(_Table):
    """``[[model]]``: a choice for each combination of data, activation, weight decay, normalization and bias."""

    data: Several[str]
    layers: Widths | None = None
    hidden: Widths | None = None
    activation: Several[str] | None = None
    loss: str | None = None
    weight_decay: Several[Number] = [0.0]
    normalization: Several[str] = ["none"]
    bias: Several[StrictBool] = [True]
    target: str | int | list[str | int] | None = None
    inputs: str | int | list[str | int] | None = None
    header: StrictBool | None = None
    scale: str | None = None


class _Sweep(_Table):
    """What stands in a sweep file (docs/sweeps.md)."""

    orders: Annotated[list[Annotated[int, _integer(0, MAX_ORDER)]], Field(min_length=1), AfterValidator(_distinct)]
    etas: Etas | None = None
    steps: Annotated[int, _integer(1, MAX_STEPS)] = DEFAULT_STEPS
    seeds: Annotated[
        list[Annotated[int, _integer(0, MAX_SEED)]],
        BeforeValidator(_counted),
        Field(min_length=1),
        AfterValidator(_distinct),
    ] = [0]
    optimizer: Annotated[list[_Optimizer], Field(min_length=1)]
    model: Annotated[list[_Model], Field(min_length=1)]


@dataclass(frozen=True)
class OptimizerChoice:
    """An optimiser with all its parameters, exact, as text, and its step sizes, falling."""

    name: str
    parameters: tuple[tuple[str, str], ...]
    etas: tuple[float, ...]

    def __str__(self) -> str:
        settings = describe_settings(self.parameters)
        return f"{self.name} ({settings})" if settings else self.name

    @property
    def exact(self) -> dict[str, Fraction]:
        """The parameters as numbers."""
        return {name: Fraction(value) for name, value in self.parameters}


@dataclass(frozen=True)
class ModelChoice:
    """A model and the name of the data that it is trained on."""

    data: str
    model: MLP

    def __str__(self) -> str:
        return f"{describe_model(self.model)} on {self.data}"


@dataclass(frozen=True)
class SweepPlan:
    """Every optimiser on every model from every seed, at each of the optimiser's step sizes.

    T is ``steps`` of an optimiser's largest steps.  ``read_plan`` makes a plan from a file, ``plan_from_dict`` from the
    same words as Python values.  Raises ``InputError`` for a job that would be there twice, for step sizes that do not
    make up T, and for more than 100000 jobs.
    """

    optimizers: tuple[OptimizerChoice, ...]
    models: tuple[ModelChoice, ...]
    orders: tuple[int, ...]
    seeds: tuple[int, ...]
    steps: int

    def __post_init__(self) -> None:
        if not len(self):
            raise InputError("sweep: not one job follows from it; some list is empty, give it a value")
        if len(self) > MAX_JOBS:
            raise InputError(
                f"sweep: {len(self)} jobs ({sum(len(choice.etas) for choice in self.optimizers)} optimisers with step "
                f"sizes x {len(self.models)} models x {len(self.seeds)} seeds), at most {MAX_JOBS} are allowed; "
                "cut it into several sweeps"
            )
        for kind, names in (("optimizer", map(str, self.optimizers)), ("model", map(str, self.models))):
            name, count = Counter(names).most_common(1)[0]
            if count > 1:
                raise InputError(f"{kind}: {name} stands there {count} times; give it once")
        for choice in self.optimizers:
            _check_whole(choice, self.steps)

    def __len__(self) -> int:
        """How many jobs there are."""
        return sum(len(choice.etas) for choice in self.optimizers) * len(self.models) * len(self.seeds)

    def jobs(self) -> Iterator[Job]:
        """Every job, in the sequence of the file; the step sizes of one path follow one another."""
        for choice, trained, seed in product(self.optimizers, self.models, self.seeds):
            entry, exact = optimizers.get(choice.name), choice.exact
            time = self.steps * choice.etas[0] * entry.steps(**exact)
            what = choice.name, choice.parameters, trained.model, trained.data, self.orders
            for eta in choice.etas:
                yield Job(*what, eta, time, seed)

    def to_dict(self) -> dict[str, Any]:
        """The plan in the words of a sweep file; ``plan_from_dict`` reads it."""
        return {
            "orders": list(self.orders),
            "steps": self.steps,
            "seeds": list(self.seeds),
            "optimizer": [
                {"name": choice.name, "parameters": dict(choice.parameters), "etas": list(choice.etas)}
                for choice in self.optimizers
            ],
            "model": [_model_dict(choice) for choice in self.models],
        }


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
        return _plan(tomllib.loads(text, parse_float=_decimal))
    except ValidationError as error:
        told, place = _told(error)
        line = _line(text, place)
        raise InputError(f"sweep {str(file)!r}: {f'line {line}: ' if line else ''}{told}") from error
    except InputError as error:
        raise InputError(f"sweep {str(file)!r}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"sweep {str(file)!r}: not TOML ({error}); docs/sweeps.md shows the form") from error


def plan_from_dict(data: Mapping[str, Any]) -> SweepPlan:
    """A plan from the keys and values that a sweep file holds (docs/sweeps.md lists them).

    Raises ``InputError`` that names the entry for what is unknown, missing, of the wrong kind, out of range or there
    twice, and for what ``SweepPlan`` refuses.
    """
    try:
        return _plan(data)
    except ValidationError as error:
        raise InputError(_told(error)[0]) from error


def _plan(data: Mapping[str, Any]) -> SweepPlan:
    sweep = _Sweep.model_validate(data)
    choices = (choice for table in sweep.optimizer for choice in _optimizers(table, sweep.etas))
    models = (choice for table in sweep.model for choice in _models(table))
    return SweepPlan(
        # One too many is enough to be refused: a few long lists multiply to more than fits the memory.
        optimizers=tuple(islice(choices, MAX_JOBS + 1)),
        models=tuple(islice(models, MAX_JOBS + 1)),
        orders=tuple(sweep.orders),
        seeds=tuple(sweep.seeds),
        steps=sweep.steps,
    )


def _told(error: ValidationError) -> tuple[str, tuple[str | int, ...]]:
    """What pydantic has found, as a line that names the table, the key and what would be right; and where it is.

    A key that is unknown comes first: it may be the one that is missing.
    """
    fault = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    place = fault["loc"]
    table = str(place[0]) if len(place) > 2 else "sweep"
    key = str(([part for part in place if isinstance(part, str)] or ["sweep"])[-1])
    reason: Any = fault.get("ctx", {}).get("error")
    right = f"; write {WRITTEN[key]}" if key in WRITTEN else ""
    if fault["type"] == "extra_forbidden":
        allowed = [name.replace("_", "-") for name in _TABLES[table].model_fields]
        near = nearest(key, allowed)
        right = f"did you mean {near!r}?" if near else f"choose from {', '.join(allowed)}"
        said = f"key {shown(key)} is unknown; {right}"
    elif fault["type"] == "missing":
        said = f"no {key}{right}"
    elif isinstance(reason, InputError):
        said = str(reason)
    else:
        said = f"{key} {shown(fault['input'])}: {fault['msg'][:1].lower()}{fault['msg'][1:]}{right}"
    return f"{table}: {said}", place


_TABLES: dict[str, type[_Table]] = {"sweep": _Sweep, "optimizer": _Optimizer, "model": _Model}


def _line(text: str, place: tuple[str | int, ...]) -> int:
    """The line of a key in a sweep file, or of the table where it is missing; 0 for what is above all tables."""
    table, number, *keys = place if len(place) > 2 else ("", 0, *place)
    begun, line, inside = -1, 0, not table
    for here, words in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[+\s*([\w-]+)\s*\]", words):
            begun += header[1] == table
            inside = header[1] == table and begun == number
            line = here if inside else line
        elif inside and keys and re.match(rf"""\s*["']?{re.escape(str(keys[0]))}["']?\s*=""", words):
            return here
    return line


def _decimal(text: str) -> Decimal:
    number = Decimal(text.replace("_", ""))
    if not number.is_finite() or abs(number.adjusted()) > MAX_EXPONENT:
        raise InputError(f"number {shown(text)}: out of range; give a finite number such as 0.1")
    return number


def _optimizers(table: _Optimizer, shared: list[float] | None) -> Iterator[OptimizerChoice]:
    entry, _ = optimizers.chosen(table.name, {})
    where = f"optimizer {entry.name!r}"
    if not is_built_in(entry):
        raise InputError(f"{where}: registered in this process only, so no worker knows it; take one of eomsym's own")
    etas = table.etas or shared
    if etas is None:
        raise InputError(f"{where}: no step sizes; give etas here or for the whole sweep")
    for values in product(*map(_several, table.parameters.values())):
        named = dict(zip(table.parameters, map(_exact, values), strict=True))
        form, exact = optimizers.chosen(table.name, named)
        complete = form.complete(exact)
        yield OptimizerChoice(form.name, tuple((name, str(number)) for name, number in complete.items()), tuple(etas))


def _exact(value: Any) -> Any:
    """A decimal number as the fraction that is written there; the optimiser judges all else."""
    return Fraction(value) if isinstance(value, Decimal) else value


def _models(table: _Model) -> Iterator[ModelChoice]:
    if table.layers is not None and table.hidden is not None:
        raise InputError("model: both layers and hidden; give all widths, or those of the hidden layers alone")
    for name in table.data:
        data, suited = _data(table, name)
        around = (suited.layers[0], *(table.hidden or suited.layers[1:-1]), suited.layers[-1])
        layers, loss = table.layers or around, table.loss or suited.loss
        activations = table.activation or [suited.activation]
        for axes in product(activations, table.weight_decay, table.normalization, table.bias):
            activation, decay, normalization, bias = axes
            model = MLP(layers, activation, loss, decay, normalization, bias)
            yield ModelChoice(data, check_fit(model, suited, data, "model: layers", "model: loss"))


def _data(table: _Model, name: str) -> tuple[str, MLP]:
    """The name of a data set and the network that suits it.

    A file's name says how it is read, and by its digest which one is meant.
    """
    read = {key: value for key in FILE_KEYS if (value := getattr(table, key)) is not None}
    if not is_data_file(name):
        if read:
            raise InputError(f"model: {next(iter(read))} is said of a file, and {name!r} is none; leave it out")
        data = check_choice("dataset", name, DATASETS)
        return data, default_model(data)
    written = DataFile.parse(name)
    if written.sha256 and table.loss and table.layers:  # of a plan, which was checked when it was made
        return str(written), MLP(table.layers, loss=table.loss)
    if table.loss:
        read["labels"] = LOSS_TABLE[check_choice("model: loss", table.loss, LOSSES)].labels
    read |= {key: columns(read[key]) for key in ("target", "inputs") if key in read}
    if "target" in read:
        read["targets"] = read.pop("target")
    file = replace(written, **read)
    file = file if file.sha256 else file.pinned
    samples = Dataset.from_file(file)
    return str(replace(file, labels=samples.targets.ndim == 1)), default_model(samples)


def describe_settings(parameters: Iterable[tuple[str, str]]) -> str:
    """Parameters in a few words, such as ``beta=1/2``."""
    return ", ".join(f"{name}={value}" for name, value in parameters)


def _check_whole(choice: OptimizerChoice, steps: int) -> None:
    for eta in choice.etas:
        count = steps * choice.etas[0] / eta
        if not math.isfinite(count) or abs(count - round(count)) > 1e-12 * count:
            raise InputError(
                f"optimizer {choice.name!r}: {steps} x {choice.etas[0]!r} is not a whole number of steps of {eta!r}; "
                "take step sizes that are each half of the one before"
            )


def _model_dict(choice: ModelChoice) -> dict[str, Any]:
    described = {name.replace("_", "-"): value for name, value in asdict(choice.model).items()}
    return {"data": choice.data, **described, "layers": list(choice.model.layers)}
