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
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from threading import Thread
from typing import Any, Protocol

from threadpoolctl import threadpool_limits

from eomsym.checks import check_integer
from eomsym.errors import EomsymError
from eomsym.sweeps.job import Job, JobResult
from eomsym.sweeps.measure import KernelOrder, measure, one_blas_thread, prepare_kernel

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
    """What a sweep asks of the place where it is measured; used as a context manager."""

    def __enter__(self) -> Executor: ...

    def __exit__(self, *exception: object) -> None: ...

    def prepare(self, orders: Sequence[KernelOrder]) -> Iterator[None]:
        """Compiles each kernel once on each machine, before any job needs it; yields after each."""

    def measure(self, jobs: Sequence[Job]) -> Generator[tuple[Job, JobResult | WorkerLost]]:
        """Every job once, in whatever sequence they are ready."""


class Serial:
    """One job after the other, in this process."""

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

    def measure(self, jobs: Sequence[Job]) -> Generator[tuple[Job, JobResult | WorkerLost]]:
        """Every job, in its place."""
        for job in jobs:
            yield job, measure(job)


class Processes:
    """``workers`` processes of this machine, by default as many as there are cores for this one.

    Each is a fresh interpreter with one BLAS thread.  One that dies is replaced, and its job tried again.
    Raises ``InputError`` for a number of workers out of range.
    """

    def __init__(self, workers: int | None = None) -> None:
        self._count = check_integer("workers", available_cores() if workers is None else workers, 1, MAX_WORKERS)
        self._workers: set[_Worker] = set()

    def __enter__(self) -> Processes:
        self._workers = {_Worker() for _ in range(self._count)}  # they begin while the first kernel is compiled
        return self

    def __exit__(self, *exception: object) -> None:
        while self._workers:
            self._workers.pop().end()

    def prepare(self, orders: Sequence[KernelOrder]) -> Iterator[None]:
        """Compiles the kernels, several at a time."""
        for _, value in self._map(prepare_kernel, orders):
            if isinstance(value, WorkerLost):
                raise EomsymError("kernels: each worker process died while it compiled; is there memory enough?")
            yield

    def measure(self, jobs: Sequence[Job]) -> Generator[tuple[Job, JobResult | WorkerLost]]:
        """Every job, as it is ready."""
        return self._map(measure, jobs)

    def _map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Generator[tuple[Any, Any]]:
        waiting = deque((item, 0) for item in items)  # with the deaths over it
        busy: dict[Future[Any], tuple[_Worker, Any, int]] = {}

        def hand_out() -> None:
            for worker in self._workers.difference(worker for worker, _, _ in busy.values()):
                if waiting:
                    item, deaths = waiting.popleft()
                    busy[worker.give(function, item)] = worker, item, deaths

        while waiting or busy:
            hand_out()
            for future in wait(busy, return_when=FIRST_COMPLETED).done:
                worker, item, deaths = busy.pop(future)
                try:
                    answer = future.result()
                except BrokenProcessPool:
                    self._workers.remove(worker)
                    self._workers.add(worker.successor())
                    if deaths + 1 < MOST_DEATHS:
                        waiting.appendleft((item, deaths + 1))
                        continue
                    answer = WorkerLost()
                hand_out()  # before the caller, who may write, keeps us waiting
                yield item, answer


def available_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Worker:
    """A pool of a single process, so that it is known whose job broke it."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_end_with_parent)
        with _deaf_to_interrupts():
            self._begun = self._pool.submit(os.getpid)

    def give(self, function: Callable[[Any], Any], item: Any) -> Future[Any]:
        """What becomes of the task; ``BrokenProcessPool`` if the worker died over it, or before."""
        try:
            return self._pool.submit(_answer, function, item)
        except BrokenProcessPool as error:
            lost: Future[Any] = Future()
            lost.set_exception(error)
            return lost

    def successor(self) -> _Worker:
        """Another in the place of one that died.  Raises ``EomsymError`` where it never was alive."""
        if self._begun.exception():
            raise EomsymError(
                "worker process: ended before it began; in a script, call this below if __name__ == '__main__':"
            )
        return _Worker()

    def end(self) -> None:
        """Whatever it is at work on: the pool alone would wait for that."""
        if not self._begun.exception():
            for process in multiprocessing.active_children():
                if process.pid == self._begun.result():
                    process.kill()
        self._pool.shutdown()


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


def _end_with_parent() -> None:
    """The workers of a pool would wait for ever for one that was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _answer(function: Callable[[Any], Any], item: Any) -> Any:
    one_blas_thread()
    try:
        return function(item)
    except Exception as error:
        error.add_note(f"in a worker process:\n{traceback.format_exc()}")
        raise
