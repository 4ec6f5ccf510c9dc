"""What belongs to one run and not to the results: when, where, by which versions, and how long each job took."""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from eomsym import __version__
from eomsym.errors import EomsymError
from eomsym.studies.measure import Measured


class Journal:
    """A file of one run, ``runs/TIME-PROCESS.jsonl``: a line about the run, then one for each job, then its end.

    A line is written after the result that it tells of, in one piece; only the last can be missing.
    """

    def __init__(self, folder: Path, executor: str, jobs: int, found: int) -> None:
        now = datetime.now(UTC)
        self._path = folder / "runs" / f"{now:%Y%m%dT%H%M%S%f}-{os.getpid()}.jsonl"
        self._stream: IO[str] | None = None
        self._head = {
            "begun": now.isoformat(),
            "executor": executor,
            "jobs": jobs,
            "found": found,
            "host": platform.node(),
            "process": os.getpid(),
            "machine": platform.platform(),
            "python": sys.version.split()[0],
            "versions": {"eomsym": __version__, **{name: version(name) for name in ("numpy", "scipy", "numba")}},
        }

    def __enter__(self) -> Journal:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self._path.open("x", encoding="utf-8")
        except OSError as error:
            raise EomsymError(f"cannot write {self._path}: {error.strerror}; nothing was changed") from error
        self._line(self._head)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._line({"ended": datetime.now(UTC).isoformat(), "by": kind.__name__ if kind else "the last job"})
        assert self._stream is not None
        self._stream.close()

    def measured(self, measured: Measured) -> None:
        """A job whose result is kept."""
        result = measured.result
        entry = {"job": result.job.digest, "seconds": round(measured.seconds, 6), "worker": measured.worker}
        self._line({**entry, "failed": result.failed})

    def _line(self, entry: dict[str, Any]) -> None:
        assert self._stream is not None
        self._stream.write(json.dumps(entry) + "\n")
        self._stream.flush()
