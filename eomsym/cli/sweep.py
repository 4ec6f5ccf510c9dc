"""``eomsym sweep``: many measurements from one file, on one machine or many; their table and their figure."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eomsym.cli import INTERRUPTED, options, output, parsing
from eomsym.cli.groups import app, examples, new_group
from eomsym.errors import InputError

if TYPE_CHECKING:
    from eomsym.sweeps.executors import Executor
    from eomsym.sweeps.run import SweepRun


group = new_group(
    help="Run a sweep of many jobs from a file, show its results as a table or a figure.",
    epilog=examples(
        "eomsym sweep run sweep.toml --executor processes",
        "eomsym sweep table sweep.toml",
        "eomsym sweep plot sweep.toml sweep.pdf",
    ),
)
app.add_typer(group, name="sweep")

PLACE = options.argument("SWEEP", "Sweep file, its folder of results, or a .parquet file of them.", show_default=False)


@group.command(
    epilog=examples("eomsym sweep run sweep.toml", "eomsym sweep run sweep.toml --executor processes --workers 4")
)
def run(
    file: Annotated[str, options.argument("SWEEP", "Sweep file (TOML).", show_default=False)],
    output_: Annotated[
        Path | None,
        options.option(
            "DIR", "Folder for the results.", "--output", parser=parsing.folder, show_default="SWEEP.results"
        ),
    ] = None,
    executor: Annotated[str, options.choice("executor", ("serial", "processes"), "serial or processes.")] = "serial",
    workers: Annotated[
        int | None, options.option("N", "Number of processes.", show_default="the cores there are")
    ] = None,
    scheduler: Annotated[
        str | None, options.option("ADDRESS", "Run on the workers of this dask scheduler, as tcp://host:8786.")
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try jobs again that have failed.")] = False,
    quiet: options.Quiet = False,
) -> int:
    """Measure every job of a sweep that has no result yet.

    Results are kept one by one as they come. A run that was stopped, by Ctrl-C
    or by a power failure, goes on where it was when the same command is given
    again, and the results are the same for every executor. The exit status is 1
    if a job of the sweep failed.
    """
    place = _executor(executor, workers, scheduler)
    from eomsym.sweeps import read_plan, run_sweep
    from eomsym.sweeps.results import sweep_folder

    plan = read_plan(file)
    folder = output_ or sweep_folder(file)
    try:
        with output.progress("") as update:
            told = None if update is None else lambda stage, done, total: update(done, total, stage)
            done = run_sweep(plan, folder, place, retry_failed=retry_failed, progress=told)
    except KeyboardInterrupt:
        print(f"eomsym: interrupted; results are kept in {folder}, the same command goes on", file=sys.stderr)
        return INTERRUPTED
    _tell(done, folder)
    return 1 if done.failed else 0


@group.command(epilog=examples("eomsym sweep table sweep.toml", "eomsym sweep table sweep.toml --format csv"))
def table(
    place: Annotated[str, PLACE],
    format_: Annotated[str, options.form("table", "json", "csv")] = "table",
) -> None:
    """Show slopes and errors of a sweep, as far as it has come.

    One line for each order of each optimiser on each model: the expected slope,
    then the medians over the seeds of the slope, of the ratio of measured to
    predicted error (extrapolated to learning rate 0), and of the smallest error
    above round-off; and how many seeds pass by the standard of 'eomsym verify'.
    """
    from eomsym.sweeps import read_results

    results = read_results(place)
    if format_ == "json":
        output.write(results.to_json())
    elif format_ == "csv":
        output.write(results.to_csv())
    else:
        output.show_result(results)


@group.command(epilog=examples("eomsym sweep plot sweep.toml sweep.pdf"))
def plot(
    place: Annotated[str, PLACE],
    file: Annotated[
        Path, options.argument("FILE", "Figure: .png, .pdf or .svg.", parser=parsing.figure, show_default=False)
    ],
) -> None:
    """Draw the errors of a sweep over learning rates.

    One panel for each optimiser on each model, one colour for each order, a
    marker for each seed; dashed lines are the predicted errors and the numbers
    are median slopes. More than 24 panels are refused.
    """
    from eomsym.sweeps import read_results

    results = read_results(place)
    output.save(results.plot(), file)
    for warning in results.warnings:
        output.warn(warning)


def _executor(kind: str, workers: int | None, scheduler: str | None) -> Executor:
    from eomsym.sweeps import Cluster, Processes, Serial

    if scheduler is not None:
        if kind != "serial" or workers is not None:
            raise InputError("--scheduler: the scheduler has workers of its own; leave out --executor and --workers")
        return Cluster(scheduler)
    if kind == "serial":
        if workers is not None:
            raise InputError("--workers: serial has none; add --executor processes")
        return Serial()
    return Processes(workers)


def _tell(done: SweepRun, folder: Path) -> None:
    output.write(f"{done.jobs} jobs: {done.found} found, {done.measured} measured, {done.failed} failed; in {folder}")
