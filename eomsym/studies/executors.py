"""Where jobs are measured: one after the other in this process, or in several processes of this machine.

An executor is given functions and data that can be pickled, and kernels by their specification, never as compiled
objects.  It writes nothing: results come back to the caller as they are ready.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol, cast

from threadpoolctl import threadpool_limits

from eomsym.checks import check_integer
from eomsym.errors import EomsymError
from eomsym.studies.job import Job
from eomsym.studies.measure import KernelOrder, Measured, measure, one_blas_thread, prepare_kernel

#: A job whose worker has died this often is not tried again.
MOST_DEATHS = 3
MAX_WORKERS = 256


@dataclass(frozen=True)
class WorkerLost:
    """In place of a value: each worker that was given the task died over it."""

    @property
    def reason(self) -> str:
        """What is recorded; without numbers or places, so that it is the same for every executor."""
        return "each worker process that was given this job died over it"


class Executor(Protocol):
    """What a study asks of the place where it is measured; used as a context manager."""

    name: str

    def __enter__(self) -> Executor: ...

    def __exit__(self, *exception: object) -> None: ...

    def prepare(self, orders: Sequence[KernelOrder]) -> Iterator[None]:
        """Compiles each kernel once on each machine, before any job needs it; yields after each."""

    def measure(self, jobs: Sequence[Job]) -> Generator[tuple[Job, Measured | WorkerLost]]:
        """Every job once, in whatever sequence they are ready."""


class Serial:
    """One job after the other, in this process."""

    name = "serial"

    def __init__(self) -> None:
        self._limit: AbstractContextManager | None = None

    def __enter__(self) -> Serial:
        self._limit = threadpool_limits(limits=1, user_api="blas")
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._limit is not None
        self._limit.__exit__(None, None, None)

    def prepare(self, orders: Sequence[KernelOrder]) -> Iterator[None]:
        """Compiles each kernel."""
        for order in orders:
            prepare_kernel(order)
            yield

    def measure(self, jobs: Sequence[Job]) -> Generator[tuple[Job, Measured | WorkerLost]]:
        """Every job, in its place."""
        for job in jobs:
            yield job, measure(job)


class Processes:
    """``workers`` processes of this machine, by default as many as there are cores for this one.

    Each is a fresh interpreter with one BLAS thread.  One that dies is replaced, and its job tried again.
    ``concurrent.futures`` would not do: it cannot say whose job broke the pool, and its workers outlive a parent that
    is killed; here they meet the end of their pipe.
    Raises ``InputError`` for a number of workers out of range.
    """

    name = "processes"

    def __init__(self, workers: int | None = None) -> None:
        self._count = check_integer("workers", available_cores() if workers is None else workers, 1, MAX_WORKERS)
        self._workers: set[_Worker] = set()
        self._busy: dict[Connection, _Worker] = {}

    def __enter__(self) -> Processes:
        for _ in range(self._count):  # they import what they need while the first one compiles
            self._hire()
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in self._workers:
            worker.end()
        self._workers, self._busy = set(), {}

    def prepare(self, orders: Sequence[KernelOrder]) -> Iterator[None]:
        """Compiles the kernels, several at a time."""
        for _, value in self._map(prepare_kernel, orders):
            if isinstance(value, WorkerLost):
                raise EomsymError("kernels: each worker process died while it compiled; is there memory enough?")
            yield

    def measure(self, jobs: Sequence[Job]) -> Generator[tuple[Job, Measured | WorkerLost]]:
        """Every job, as it is ready."""
        return self._map(measure, jobs)

    def _map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Generator[tuple[Any, Any]]:
        tasks = deque(_Task(function, item) for item in items)
        while tasks or self._busy:
            self._hand_out(tasks)
            for connection in wait(list(self._busy)):
                worker = self._busy.pop(cast(Connection, connection))
                task = worker.task
                try:
                    answer = worker.answer()
                except EOFError:
                    self._workers.discard(worker)
                    task.deaths += 1
                    if task.deaths < MOST_DEATHS:
                        tasks.appendleft(task)
                        continue
                    answer = WorkerLost()
                self._hand_out(tasks)  # before the caller, who may write, keeps us waiting
                yield task.item, answer

    def _hand_out(self, tasks: deque[_Task]) -> None:
        idle = self._workers.difference(self._busy.values())
        while tasks and len(self._busy) < self._count:
            worker = idle.pop() if idle else self._hire()
            try:
                worker.give(tasks[0])
            except OSError:  # it died idle: nothing is lost, the next one takes the task
                worker.end()
                self._workers.discard(worker)
                continue
            self._busy[worker.connection] = worker
            tasks.popleft()

    def _hire(self) -> _Worker:
        worker = _Worker()
        self._workers.add(worker)
        return worker


def available_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(eq=False)
class _Task:
    function: Callable[[Any], Any]
    item: Any
    deaths: int = 0


class _Worker:
    """A process that answers one task at a time."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _deaf_to_interrupts():
            self._process.start()
        theirs.close()
        self._started = False

    def give(self, task: _Task) -> None:
        self.task = task
        self.connection.send((task.function, task.item))

    def answer(self) -> Any:
        """The value of the task.  Raises what it raised, ``EOFError`` if the worker died over it."""
        try:
            if not self._started:
                self.connection.recv()
                self._started = True
            done, value = self.connection.recv()
        except (EOFError, ConnectionError) as error:
            self.end()
            if not self._started:
                raise EomsymError(
                    "worker process: ended before it began; in a script, call this below if __name__ == '__main__':"
                ) from error
            raise EOFError from error
        if not done:
            raise value
        return value

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self.connection.close()


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes begun within never see Ctrl-C, which reaches every process of a terminal: the parent ends them.

    For this process it waits until the end of the block.  Where there are no signal masks nothing is done.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # else the first start does it, and unblocks the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection) -> None:
    """The worker: answers tasks until the other end of the pipe is closed, by whatever end its process has come to."""
    one_blas_thread()
    try:
        connection.send("ready")
        while True:
            function, item = connection.recv()
            try:
                answer = (True, function(item))
            except Exception as error:
                error.add_note(f"in a worker process:\n{traceback.format_exc()}")
                answer = (False, error)
            connection.send(answer)
    except (EOFError, ConnectionError):
        return
