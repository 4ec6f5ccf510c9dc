"""Jobs on the workers of a dask scheduler, on this machine or others (the extra ``cluster``).

Workers share nothing with the client: each generates the kernels that it needs into a folder of its own, and refuses a
job if other bytes come out than the client's.  A worker that is lost loses no result, because results lie with the
client as soon as they are made; dask gives its jobs to others, and gives up on a job over which several have died.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator, Sequence
from importlib import import_module
from itertools import islice
from typing import Any

from eomsym import __version__
from eomsym.errors import EomsymError, InputError, MissingExtraError
from eomsym.sweeps.executors import WorkerLost
from eomsym.sweeps.job import Job, JobResult
from eomsym.sweeps.measure import KernelOrder, kernel_order, measure_as_ordered, prepare_as_ordered

#: Jobs that the scheduler knows of at a time: enough for any cluster, few enough for its memory.
IN_FLIGHT = 2000
#: Seconds until a scheduler that does not answer, or has no worker, is given up.
PATIENCE = 30.0


class Cluster:
    """The workers of the dask scheduler at ``address``, such as ``tcp://host:8786``.

    Raises ``MissingExtraError`` without dask.distributed, ``InputError`` for an address that is none, and, when it is
    entered, ``EomsymError`` for a scheduler that does not answer or has no worker within ``patience`` seconds.
    """

    def __init__(self, address: str, patience: float = PATIENCE) -> None:
        self._dask = _distributed()
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

    def prepare(self, orders: Sequence[KernelOrder]) -> Iterator[None]:
        """Compiles each kernel on one worker of each machine; the others there find it in the cache.

        Where a machine joins later its first jobs compile.
        """
        machines = self._machines()
        tasks = [
            self._connected.submit(
                prepare_as_ordered,
                order,
                pure=False,
                workers=[workers[number % len(workers)]],
                allow_other_workers=True,
            )
            for number, order in enumerate(orders)
            for workers in machines
        ]
        for done, future in enumerate(self._as_completed(tasks), start=1):
            if isinstance(self._value(future), WorkerLost):
                raise EomsymError(f"scheduler {self._address!r}: each worker died that compiled; have they the memory?")
            if done % len(machines) == 0:
                yield

    def measure(self, jobs: Sequence[Job]) -> Generator[tuple[Job, JobResult | WorkerLost]]:
        """Every job, as it is ready.

        dask suspects whatever else was with a worker when it died.  So what it has given up is tried once more at the
        end, one job after the other: who then loses its workers has only itself to blame.
        """
        suspects = []
        waiting = iter(jobs)
        of_future = {self._submit(job): job for job in islice(waiting, IN_FLIGHT)}
        completed = self._as_completed(of_future)
        for future in completed:
            job = of_future.pop(future)
            for following in islice(waiting, 1):
                added = self._submit(following)
                of_future[added] = following
                completed.add(added)
            value = self._value(future)
            if isinstance(value, WorkerLost):
                suspects.append(job)
            else:
                yield job, value
        for job in suspects:
            yield job, self._value(self._submit(job))

    @property
    def _connected(self) -> Any:
        if self._client is None:
            raise EomsymError("cluster: not connected; use it as a context manager")
        return self._client

    def _submit(self, job: Job) -> Any:
        # A key of its own: what was measured for another sweep or by another version is not taken for this.
        return self._connected.submit(measure_as_ordered, job, kernel_order(job), pure=False)

    def _as_completed(self, futures: Iterable[Any]) -> Any:
        return self._dask.as_completed(futures, loop=self._connected.loop)

    def _value(self, future: Any) -> Any:
        """The value, or what became of it.  Raises what the task raised, ``EomsymError`` if the scheduler is gone."""
        try:
            return future.result()
        except self._dask.KilledWorker:
            return WorkerLost()
        except ImportError as error:
            raise EomsymError(f"worker of {self._address}: {error}; install eomsym {__version__} there") from error
        except (OSError, TimeoutError, self._dask.CancelledError) as error:
            raise EomsymError(
                f"scheduler {self._address!r}: the connection was lost; what is measured is kept, run the sweep again"
            ) from error

    def _machines(self) -> list[list[str]]:
        """The addresses of the workers of each machine."""
        machines: dict[str, list[str]] = {}
        for address, worker in self._connected.scheduler_info()["workers"].items():
            machines.setdefault(worker["host"], []).append(address)
        return list(machines.values())


def _distributed() -> Any:
    try:
        return import_module("distributed")
    except ImportError as error:
        raise MissingExtraError(
            "scheduler: dask.distributed is not installed; pip install 'eomsym[cluster]'"
        ) from error
