"""Where jobs are measured: in this process, in several of this machine, or on the workers of a dask scheduler.

An executor is given functions and data that can be pickled, and kernels by their specification, never as compiled
objects.  It writes nothing: results come back to the caller as they are ready, so a worker that is lost loses none.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from importlib import import_module
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

from threadpoolctl import threadpool_limits

from eomsym import __version__
from eomsym.checks import check_integer
from eomsym.errors import EomsymError, InputError, MissingExtraError

MAX_WORKERS = 256
#: Seconds until a scheduler that does not answer, or has no worker, is given up.
PATIENCE = 30.0


class WorkerLost(Exception):
    """The worker that a task was given to died, over this task or over another one."""


class Executor(ABC):
    """What a sweep asks of the place where it is measured; used as a context manager.

    ``width`` tasks are given at a time.  One that was lost ``together`` times is given alone, and given up when it was
    lost ``most`` times.
    """

    width, together, most = 1, 1, 2

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *exception: object) -> None:  # noqa: B027 - not all have something to end
        pass

    @abstractmethod
    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """What will become of ``function(*arguments)``."""

    def value(self, future: Future[Any]) -> Any:
        """What became of it.  Raises what the task raised, or ``WorkerLost``."""
        return future.result()


def answers(
    place: Executor, function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]
) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every task once, as it is ready, with ``function(*task)``, or ``WorkerLost`` if each worker died over it.

    Whatever else was with a worker when it died is lost, too.  So what was lost several times is tried again by
    itself: who then loses its worker has only itself to blame.
    """
    waiting = deque((task, 0) for task in tasks)  # with how often it was lost
    busy: dict[Future[Any], tuple[tuple[Any, ...], int]] = {}
    while waiting or busy:
        while waiting and len(busy) < place.width:
            task, lost = waiting[0]
            alone = lost >= place.together
            if alone and busy:
                break
            waiting.popleft()
            busy[place.submit(function, *task)] = task, lost
            if alone:
                break
        for future in wait(busy, return_when=FIRST_COMPLETED).done:
            task, lost = busy.pop(future)
            try:
                answer = place.value(future)
            except WorkerLost as error:
                if lost + 1 < place.most:
                    waiting.append((task, lost + 1))
                    continue
                answer = error
            yield task, answer


class Serial(Executor):
    """One job after the other, in this process."""

    def __init__(self) -> None:
        self._limit: AbstractContextManager | None = None

    def __enter__(self) -> Serial:
        self._limit = threadpool_limits(limits=1, user_api="blas")
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._limit is not None
        self._limit.__exit__(None, None, None)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """What became of it."""
        done: Future[Any] = Future()
        done.set_result(function(*arguments))
        return done


class Processes(Executor):
    """``workers`` processes of this machine, by default as many as there are cores for this one.

    Each is a fresh interpreter with one BLAS thread.  When one dies a new pool takes the place of the old one.
    Raises ``InputError`` for a number of workers out of range.
    """

    together, most = 2, 4

    def __init__(self, workers: int | None = None) -> None:
        self._count = check_integer("workers", available_cores() if workers is None else workers, 1, MAX_WORKERS)
        self.width = 2 * self._count  # no worker waits while the caller writes
        self._pool: ProcessPoolExecutor | None = None
        self._lifeline: Connection | None = None

    def __exit__(self, *exception: object) -> None:
        """Ends the workers, whatever they are at work on: the pool alone would wait for that."""
        if self._lifeline is not None:
            self._lifeline.close()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._lifeline = self._pool = None

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """What will become of it in some worker."""
        with _deaf_to_interrupts():
            pool = self._pool or self._begin()
            try:
                return pool.submit(function, *arguments)
            except BrokenProcessPool:
                return self._begin().submit(function, *arguments)

    def value(self, future: Future[Any]) -> Any:
        """What became of it."""
        try:
            return future.result()
        except BrokenProcessPool as error:
            raise WorkerLost from error

    def _begin(self) -> ProcessPoolExecutor:
        """A new pool.  Raises ``EomsymError`` if its first worker ends before it does anything."""
        context = multiprocessing.get_context("spawn")
        theirs, self._lifeline = context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(self._count, context, initializer=_begin_worker, initargs=(theirs,))
        try:
            self._pool.submit(os.getpid).result()
        except BrokenProcessPool as error:
            raise EomsymError(
                "worker process: ended before it began; in a script, call this below if __name__ == '__main__':"
            ) from error
        return self._pool


def available_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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


def _begin_worker(lifeline: Connection) -> None:
    """Ends this worker as soon as the other end of the line is closed, also by the death of its process."""
    one_blas_thread()

    def watch() -> None:
        lifeline.poll(None)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


@lru_cache(maxsize=1)
def one_blas_thread() -> None:
    """Limits BLAS to one thread for the rest of this process."""
    threadpool_limits(limits=1, user_api="blas")


class Cluster(Executor):
    """The workers of the dask scheduler at ``address``, such as ``tcp://host:8786`` (the extra ``cluster``).

    They share nothing with this process.  dask gives the jobs of a lost worker to others, and gives up on a job over
    which several have died.
    Raises ``MissingExtraError`` without dask.distributed, ``InputError`` for an address that is none, and, when it is
    entered, ``EomsymError`` for a scheduler that does not answer or has no worker within ``patience`` seconds.
    """

    width = 2000  # enough for any cluster, few enough for the memory of its scheduler

    def __init__(self, address: str, patience: float = PATIENCE) -> None:
        try:
            self._dask: Any = import_module("distributed")
        except ImportError as error:
            raise MissingExtraError(
                "scheduler: dask.distributed is not installed; pip install 'eomsym[cluster]'"
            ) from error
        if "://" not in address:
            raise InputError(f"scheduler {address!r}: no address; give one such as tcp://127.0.0.1:8786")
        self._address, self._patience = address, patience
        self._client: Any = None
        self._logger, self._level = logging.getLogger("distributed.client"), logging.NOTSET

    def __enter__(self) -> Cluster:
        # A lost scheduler is told once, as the error that ends the sweep.
        self._level = self._logger.level
        self._logger.setLevel(logging.CRITICAL)
        try:
            self._client = self._dask.Client(self._address, timeout=self._patience, set_as_default=False)
            self._client.wait_for_workers(1, timeout=self._patience)
        except (OSError, ValueError) as error:
            self.__exit__()
            raise EomsymError(
                f"scheduler {self._address!r}: no answer, or no worker, within {self._patience:g} s; "
                f"start one with 'dask scheduler' and workers with 'dask worker {self._address} --nthreads 1'"
            ) from error
        return self

    def __exit__(self, *exception: object) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()
        self._logger.setLevel(self._level)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """What will become of it on some worker."""
        # Not pure: what was measured for another sweep or by another version is not taken for this.
        future: Future[Any] = self._client.get_executor(pure=False).submit(_by_one_thread, function, *arguments)
        return future

    def value(self, future: Future[Any]) -> Any:
        """What became of it.  Raises ``EomsymError`` if the scheduler is gone, or the worker has another eomsym."""
        try:
            return future.result()
        except self._dask.KilledWorker as error:
            raise WorkerLost from error
        except ImportError as error:
            raise EomsymError(f"worker of {self._address}: {error}; install eomsym {__version__} there") from error
        except (OSError, TimeoutError, CancelledError, self._dask.CancelledError) as error:
            raise EomsymError(
                f"scheduler {self._address!r}: the connection was lost; what is measured is kept, run the sweep again"
            ) from error


def _by_one_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    one_blas_thread()
    return function(*arguments)
