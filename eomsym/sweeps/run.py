"""Running a sweep: what has no result yet is measured, and every result is kept as soon as it comes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eomsym.errors import EomsymError
from eomsym.result import Result
from eomsym.sweeps.executors import Executor, Serial, WorkerLost, answers
from eomsym.sweeps.job import Job, JobResult
from eomsym.sweeps.measure import kernel_order, kernel_orders, measure, prepare_kernel
from eomsym.sweeps.plan import SweepPlan
from eomsym.sweeps.results import collect
from eomsym.sweeps.store import ResultStore

#: What is recorded of a job that no worker survives; without numbers or places, so that it is always the same.
GIVEN_UP = "each worker process that was given this job died over it"
#: Called with what is being done, how much of it is done, and how much there is.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, repr=False)
class SweepRun(Result):
    """What one run has done: of ``jobs``, ``found`` had a result before, and ``measured`` have one from this run.

    ``failed`` counts the jobs of the sweep whose result is a reason why there are no errors, from whatever run.
    """

    jobs: int
    found: int
    measured: int
    failed: int


def run_sweep(
    plan: SweepPlan,
    folder: str | Path,
    executor: Executor | None = None,
    *,
    retry_failed: bool = False,
    progress: Progress | None = None,
) -> SweepRun:
    """Measures every job of ``plan`` that has no result in ``folder``; a run that was ended goes on from there.

    ``executor`` is a ``Serial`` (the default), ``Processes`` or ``Cluster``; the results do not depend on it, byte for
    byte.  At the end they are gathered in ``results.parquet``.  Jobs that failed keep their reason, unless they are to
    be tried again (``retry_failed``).
    Raises ``InputError`` for a kernel that cannot be generated and for a folder where another run is at work,
    ``EomsymError`` if the folder cannot be written or workers are not to be had.
    """
    store, place = ResultStore(folder), executor or Serial()
    jobs = list(plan.jobs())
    kernel_orders(jobs)  # what cannot be generated is refused before anything is written
    with store.locked():
        store.write_plan(plan)
        present = store.digests()
        found = [job for job in jobs if job.digest in present]
        failed = {job.digest for job in found if store.read(job).failed}
        again = failed if retry_failed else set()
        todo = [job for job in jobs if job.digest not in present or job.digest in again]
        report = progress or (lambda what, done, total: None)
        if todo:
            failed = (failed - again) | _measure(todo, place, store, report)
        collect(plan, store).write_parquet(store.table_path)
    return SweepRun(len(jobs), len(jobs) - len(todo), len(todo), len(failed))


def _measure(todo: list[Job], place: Executor, store: ResultStore, report: Progress) -> set[str]:
    """Measures all of ``todo`` and returns the digests of those that failed."""
    failed = set()
    orders = kernel_orders(todo)
    with place:
        report("kernels", 0, len(orders))
        for done, (_, lost) in enumerate(answers(place, prepare_kernel, [(order,) for order in orders]), start=1):
            if lost:
                raise EomsymError("kernels: each worker died while it compiled; is there memory enough?")
            report("kernels", done, len(orders))
        report("jobs", 0, len(todo))
        tasks = ((job, kernel_order(job)) for job in todo)
        for done, ((job, _), answer) in enumerate(answers(place, measure, tasks), start=1):
            result = JobResult(job, reason=GIVEN_UP) if isinstance(answer, WorkerLost) else answer
            store.write(result)
            if result.failed:
                failed.add(job.digest)
            report("jobs", done, len(todo))
    return failed
