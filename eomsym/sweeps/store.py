"""The folder of a sweep: its plan, one file a result, and a lock.

One file a job, named by the job's digest, because a rename is the one thing that a file system does wholly or not at
all: whoever is killed leaves complete results and nothing else, readers need no lock, and what is done can be told from
the names alone.  A table in one file would have to be mended after a crash.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from eomsym.errors import EomsymError, InputError
from eomsym.files import read_bounded, temporary_files, write_atomically
from eomsym.sweeps.job import Job, JobResult, canonical_json
from eomsym.sweeps.plan import SweepPlan, plan_from_dict

#: What is larger was not written by a sweep.
MAX_RESULT_BYTES, MAX_PLAN_BYTES = 2**20, 2**26
_RESULT_NAME = re.compile(r"([0-9a-f]{64})\.json")


class ResultStore:
    """The results of a sweep in ``folder``, which is made when something is written.

    ``plan_path`` is the file of the plan that was run last, ``table_path`` that of all results in one table, as of the
    end of a run.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.plan_path, self.table_path = self.folder / "sweep.json", self.folder / "results.parquet"
        self._results = self.folder / "results"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other runs out, and removes what a killed one has left half-written.

        The lock is the operating system's and ends with the process that holds it, so none is ever stale.
        Raises ``InputError`` at once if another run holds it.
        """
        try:
            self._results.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EomsymError(
                f"sweep folder {str(self.folder)!r}: cannot be made ({error.strerror}); give another folder"
            ) from error
        lock = FileLock(self.folder / "lock", blocking=False)
        try:
            lock.acquire()
        except Timeout as error:
            raise InputError(
                f"sweep folder {str(self.folder)!r}: another run is at work in it; wait for it, or give another folder"
            ) from error
        try:
            self._clean()
            yield
        finally:
            lock.release()

    def write_plan(self, plan: SweepPlan) -> None:
        """Keeps the plan beside the results; results of an earlier plan stay."""
        write_atomically(self.plan_path, canonical_json(plan.to_dict()) + b"\n")

    def read_plan(self) -> SweepPlan:
        """The plan that was run last.  Raises ``InputError`` if the folder is not one of a sweep."""
        try:
            return plan_from_dict(json.loads(read_bounded(self.plan_path, MAX_PLAN_BYTES)))
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(
                f"sweep folder {str(self.folder)!r}: no sweep was run in it, or its sweep.json was altered ({error}); "
                "give a sweep file or a folder of results"
            ) from error

    def digests(self) -> set[str]:
        """The digests of the jobs that have a result."""
        if not self._results.is_dir():
            return set()
        found = (_RESULT_NAME.fullmatch(path.name) for path in self._results.iterdir())
        return {match[1] for match in found if match}

    def write(self, result: JobResult) -> None:
        """Keeps a result, whole or not at all."""
        write_atomically(self._path(result.job.digest), result.to_json())

    def read(self, job: Job) -> JobResult:
        """The result of a job.  Raises ``EomsymError`` that names the file if it is not what was written there."""
        path = self._path(job.digest)
        again = "delete the file and run the sweep again"
        try:
            result = JobResult.from_json(read_bounded(path, MAX_RESULT_BYTES))
        except EomsymError as error:
            raise EomsymError(f"result {path}: {error}; {again}") from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise EomsymError(f"result {path}: cannot be read ({reason}); {again}") from error
        if result.job != job:
            raise EomsymError(f"result {path}: is of another job than its name says; {again}")
        return result

    def _path(self, digest: str) -> Path:
        return self._results / f"{digest}.json"

    def _clean(self) -> None:
        """Only with the lock, when nobody writes."""
        for folder in (self.folder, self._results):
            for leftover in temporary_files(folder):
                leftover.unlink()
