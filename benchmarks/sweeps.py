"""Sweeps: two processes beside one on jobs of half a second, and what it costs to hand out a job and keep its result.

``python -m benchmarks.sweeps EXECUTOR KIND COUNT`` runs COUNT jobs of a kind in a process of its own.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from benchmarks import processes, tables
from benchmarks.timing import Spread
from eomsym.sweeps.executors import Executor

#: What issue 7 asks for: how much faster two processes are than one, and milliseconds a job besides its measurement.
SPEEDUP, OVERHEAD = 1.7, 10.0
WORKERS = 2
#: The kinds of job: one that takes about half a second alone on a core, and one of a few hundredths.
KINDS = {
    "half a second": {
        "orders": [0, 1, 2, 3],
        "etas": [0.1],
        "steps": 200,
        "optimizer": [{"name": "gradient-descent"}],
        "model": [{"data": "digits-small"}],
    },
    "cheap": {
        "orders": [0, 1],
        "etas": [0.1],
        "steps": 2,
        "optimizer": [{"name": "gradient-descent"}],
        "model": [{"data": "teacher-small"}],
    },
}


def report(jobs: int, rounds: int) -> str:
    """A line for each kind of job and executor; the executors take turns."""
    rows = []
    for kind in KINDS:
        count = jobs if kind == "half a second" else 10 * jobs
        measured: dict[str, list[dict]] = {"serial": [], "processes": []}
        processes.progress(f"sweeps: compiles the kernel of jobs of kind {kind!r}")
        _measured("serial", kind, 1)
        for turn in range(rounds):
            for executor, answers in measured.items():
                processes.progress(f"sweeps: {count} jobs, {kind}, {executor}, round {turn + 1} of {rounds}")
                answers.append(_measured(executor, kind, count))
        rows += _rows(kind, count, measured)
    header = (
        "jobs",
        "executor",
        "one job, ms",
        "whole sweep, s",
        "ms a job besides",
        "faster",
        "best pair",
        "to reach",
    )
    return tables.table(header, rows)


def _rows(kind: str, count: int, measured: dict[str, list[dict]]) -> list[list[str]]:
    pairs = [serial["whole"] / parallel["whole"] for serial, parallel in zip(*measured.values(), strict=True)]
    rows = []
    for executor, answers in measured.items():
        besides = [1e3 * answer["besides"] for answer in answers]
        alone = executor == "serial"
        reached = f"< {OVERHEAD:.0f} ms besides" if kind == "cheap" else f"{SPEEDUP:g} times faster"
        rows.append(
            [
                f"{count} x {kind}" if alone else "",
                executor if alone else f"{WORKERS} {executor}",
                tables.number(1e3 * Spread.of([answer["job"] for answer in answers]).median),
                tables.spread(Spread.of([answer["whole"] for answer in answers])),
                tables.number(min(besides)),
                tables.NONE if alone else tables.spread(Spread.of(pairs)),
                tables.NONE if alone else tables.number(max(pairs)),
                tables.NONE if alone != (kind == "cheap") else reached,
            ]
        )
    return rows


def _measured(executor: str, kind: str, count: int) -> dict:
    outcome = processes.measured("benchmarks.sweeps", (executor, kind, count), limit=600)
    if outcome.answer is None:
        raise RuntimeError(f"sweeps: {outcome.reason}")
    return outcome.answer


def measure(executor: str, kind: str, count: int) -> dict[str, float]:
    """Seconds of the whole run, of the median job, and of what is besides for each job once the workers are up.

    The kernel is in the cache; that workers start and load it is in the whole.
    """
    from eomsym import sweeps

    plan = sweeps.plan_from_dict({**KINDS[kind], "seeds": count})
    place = _Timed(sweeps.Serial() if executor == "serial" else sweeps.Processes(WORKERS))
    clock: list[float] = []
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        sweeps.run_sweep(plan, folder, place, progress=lambda what, done, total: clock.append(time.perf_counter()))
        whole = time.perf_counter() - begin
    # The first tenth is left out: workers are still starting.
    seconds = place.seconds[count // 10 :]
    pace = (clock[-1] - clock[-1 - len(seconds)]) / len(seconds)
    workers = WORKERS if executor == "processes" else 1
    return {"whole": whole, "job": statistics.median(seconds), "besides": pace * workers - statistics.mean(seconds)}


class _Timed(Executor):
    """An executor that keeps the seconds of each task, taken where it is done."""

    def __init__(self, place: Executor) -> None:
        self._place = place
        self.width, self.together, self.most = place.width, place.together, place.most
        self.seconds: list[float] = []

    def __enter__(self) -> _Timed:
        self._place.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._place.__exit__(*exception)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        return self._place.submit(timed, function, *arguments)

    def value(self, future: Future[Any]) -> Any:
        answer, seconds = self._place.value(future)
        self.seconds.append(seconds)
        return answer


def timed(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """What a task gives, and how long it took."""
    begin = time.perf_counter()
    return function(*arguments), time.perf_counter() - begin


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
