"""The results of a sweep in one table, and what they say about each optimiser on each model.

The table is a polars frame.  polars and not pyarrow, because what follows on reading is grouping, and pyarrow's tables
are made for exchange: polars reads and writes Parquet, groups and writes CSV by itself, in one package that needs no
other.  What it writes is read by pandas, DuckDB and pyarrow.
"""

from __future__ import annotations

import io
import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from eomsym.errors import InputError
from eomsym.files import read_bounded, write_atomically
from eomsym.result import Result, Row, Table, fixed, small
from eomsym.sweeps.job import JobResult
from eomsym.sweeps.plan import SweepPlan, describe_settings, read_plan
from eomsym.sweeps.store import ResultStore
from eomsym.verification.training import describe_model
from eomsym.verification.verification_record import OrderRecord

if TYPE_CHECKING:
    import polars

#: The columns of the table: one row for each job and order.  Where a job failed there is a reason and no error.
COLUMNS = {
    "job": str,
    "optimizer": str,
    "parameters": str,
    "model": str,
    "data": str,
    "seed": int,
    "order": int,
    "eta": float,
    "time": float,
    "exponent": int,
    "error": float,
    "predicted_error": float,
    "floor": float,
    "reason": str,
}
#: Characters of the first column of the table: what is left of 80.
CASE_WIDTH = 19
#: Reasons of failed jobs that are told one by one.
MOST_REASONS = 5
#: What is larger was not written by a sweep.
MAX_TABLE_BYTES = 2**30
_CASE = ("optimizer", "parameters", "model", "data")


@dataclass(frozen=True, repr=False)
class OrderSummary(Result):
    """One order in one case: a record over the step sizes for each seed, and what is common to them."""

    order: int
    seeds: tuple[int, ...]
    by_seed: tuple[OrderRecord, ...]

    @property
    def expected_slope(self) -> int:
        """The power of η with which the error falls."""
        return self.by_seed[0].expected_slope

    @property
    def slope(self) -> float:
        """The median over the seeds; NaN where none has a slope."""
        return _median(record.slope for record in self.by_seed)

    @property
    def extrapolated_ratio(self) -> float:
        """Measured over predicted error at η = 0, the median over the seeds; NaN where none has one."""
        return _median(record.extrapolated_ratio for record in self.by_seed)

    @property
    def smallest_error(self) -> float:
        """The smallest error above the floor, the median over the seeds; NaN where none is above it."""
        return _median(min(record.errors[: record.points_above_floor], default=math.nan) for record in self.by_seed)

    @property
    def cells(self) -> tuple[str, ...]:
        """What a table shows of it."""
        numbers = fixed(self.slope), fixed(self.extrapolated_ratio), small(self.smallest_error)
        return (str(self.order), str(self.expected_slope), *numbers, f"{self.passed}/{len(self.seeds)}")

    @property
    def passed(self) -> int:
        """How many seeds are verified, by the standard of ``eomsym.verify``."""
        return sum(record.passed for record in self.by_seed)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; a number that does not exist is ``None``."""
        names = ("order", "expected_slope", "slope", "extrapolated_ratio", "smallest_error", "passed")
        return self.entries(*names) | {"seeds": len(self.seeds)}


@dataclass(frozen=True, repr=False)
class Case(Result):
    """One optimiser, with its parameters as text, on one model and its data."""

    optimizer: str
    parameters: str
    model: str
    data: str
    orders: tuple[OrderSummary, ...]

    told = (*_CASE, "orders")

    def records(self) -> list[dict[str, Any]]:
        """One row for each order."""
        return [{**self.entries(*_CASE), **summary.to_dict()} for summary in self.orders]

    @property
    def lines(self) -> list[str]:
        """The case beside its orders, a part on each line: nothing is repeated and no line is left empty for it."""
        parts = (self.optimizer, self.parameters, self.model, self.data)
        return [line for part in parts for line in wrap(part, CASE_WIDTH, break_on_hyphens=False)]


@dataclass(frozen=True, eq=False, repr=False)
class SweepResults(Result):
    """What there is of a sweep: ``frame`` has the columns ``COLUMNS``; ``missing`` jobs have no result yet."""

    frame: polars.DataFrame
    missing: int = 0

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """Each optimiser on each model, in the sequence of the sweep; a case of failed jobs alone has no orders."""
        return tuple(_cases(self.frame))

    @property
    def jobs(self) -> int:
        """How many jobs have a result."""
        return self.frame["job"].n_unique()

    @property
    def failures(self) -> dict[str, str]:
        """The digests of the jobs that failed, and why."""
        import polars

        failed = self.frame.filter(polars.col("reason") != "").unique("job", keep="first", maintain_order=True)
        return dict(zip(failed["job"], failed["reason"], strict=True))

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of ``eomsym sweep table`` as plain values."""
        failures = [{"job": job, "reason": reason} for job, reason in self.failures.items()]
        return {"jobs": self.jobs, "missing": self.missing, "failures": failures, **self.entries("cases")}

    def to_csv(self) -> str:
        """One line for each order of each case, below a line of names."""
        return self.to_polars().write_csv()

    def records(self) -> list[dict[str, Any]]:
        """One row for each order of each case; those for each job and order are in ``frame``."""
        return [row for case in self.cases for row in case.records()]

    @property
    def summary(self) -> str:
        """How much there is."""
        return f"{self.jobs} jobs, {self.missing} missing, {len(self.failures)} failed, {len(self.cases)} cases"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is not in the table."""
        said = [f"{self.missing} jobs of the sweep have no result yet"] if self.missing else []
        failures = list(self.failures.items())
        said += [f"job {job[:12]} failed: {reason}" for job, reason in failures[:MOST_REASONS]]
        if len(failures) > MOST_REASONS:
            said.append(f"{len(failures) - MOST_REASONS} more jobs failed; --format json has all reasons")
        return tuple(said)

    def report(self) -> list[str | Table]:
        """A row for each order of each case."""
        head = ["case", "order", "expected\nslope", "slope", "ratio", "smallest\nerror", "passed"]
        rows: list[Row | None] = []
        for case in self.cases:
            cells = (summary.cells for summary in case.orders)
            rows += [None, *([name, *found] for name, found in zip_longest(case.lines, cells, fillvalue=""))]
        return [Table(head, rows, words=(0,), boxed=True, fixed=tuple(range(1, 7)), width=CASE_WIDTH)]

    def write_parquet(self, path: str | Path) -> None:
        """The frame as a Parquet file, whole or not at all."""
        content = io.BytesIO()
        self.frame.write_parquet(content)
        write_atomically(Path(path), content.getvalue())

    drawn_by = "eomsym.sweeps.figures.sweep_figure"


def sweep_folder(path: str | Path) -> Path:
    """Where the results of a sweep file lie if nobody says otherwise: beside it, with the ending ``.results``."""
    return Path(path).with_suffix(".results")


def read_results(place: str | Path) -> SweepResults:
    """The results in ``place``: a sweep file, a folder of results, or a table of them (``.parquet``).

    A folder may be read while a sweep is at work in it.
    Raises ``InputError`` if there are none, ``EomsymError`` that names the file for one that was altered.
    """
    path = Path(place)
    if path.is_dir():
        store = ResultStore(path)
        return collect(store.read_plan(), store)
    if path.suffix == ".parquet":
        return SweepResults(_read_parquet(path))
    return collect(read_plan(path), ResultStore(sweep_folder(path)))


def collect(plan: SweepPlan, store: ResultStore) -> SweepResults:
    """The results of the jobs of ``plan``, in its sequence.  Raises ``InputError`` if there is not one."""
    import polars

    present = store.digests()
    jobs = list(plan.jobs())
    found = [job for job in jobs if job.digest in present]
    if not found:
        raise InputError(f"sweep folder {str(store.folder)!r}: no results of this sweep; run it first")
    rows = [row for job in found for row in _rows(store.read(job))]
    return SweepResults(polars.DataFrame(rows, schema=COLUMNS, orient="row"), len(jobs) - len(found))


def _rows(result: JobResult) -> Iterator[tuple[Any, ...]]:
    job = result.job
    case = (job.optimizer, describe_settings(job.parameters), describe_model(job.model), job.dataset)
    begin = (job.digest, *case, job.seed)
    if result.failed:
        for order in job.orders:
            yield (*begin, order, job.eta, job.time, None, None, None, None, result.reason)
    for error in result.errors:
        numbers = (error.exponent, error.error, error.predicted_error, error.floor)
        yield (*begin, error.order, job.eta, job.time, *numbers, "")


def _cases(frame: polars.DataFrame) -> Iterator[Case]:
    import polars

    paths = (
        frame.filter(polars.col("reason") == "")
        .group_by(*_CASE, "order", "seed", maintain_order=True)
        .agg("eta", "error", "predicted_error", "floor", polars.col("exponent").first())
    )
    found: dict[Any, dict[int, dict[int, OrderRecord]]]
    found = {names: {} for names in frame.select(_CASE).unique(maintain_order=True).rows()}
    for *names, order, seed, etas, errors, predicted, floors, exponent in paths.iter_rows():
        record = OrderRecord(order, etas, errors, predicted, floors, exponent)
        found[tuple(names)].setdefault(order, {})[seed] = record
    for names, orders in found.items():
        summaries = (
            OrderSummary(order, tuple(seeds), tuple(seeds.values())) for order, seeds in sorted(orders.items())
        )
        optimizer, parameters, model, data = names
        yield Case(optimizer, parameters, model, data, tuple(summaries))


def _read_parquet(path: Path) -> polars.DataFrame:
    import polars

    try:
        frame = polars.read_parquet(io.BytesIO(read_bounded(path, MAX_TABLE_BYTES)))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"results {str(path)!r}: cannot be read ({reason}); give results.parquet") from error
    except polars.exceptions.PolarsError as error:
        raise InputError(f"results {str(path)!r}: not a Parquet file; give one that a sweep has written") from error
    expected = polars.DataFrame(schema=COLUMNS).schema
    if frame.schema != expected or not len(frame):
        raise InputError(f"results {str(path)!r}: no table of a sweep; give one with {', '.join(COLUMNS)}")
    return frame


def _median(values: Iterator[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return statistics.median(finite) if finite else math.nan
