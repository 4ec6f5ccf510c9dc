"""Measurements in processes of their own: one core, one thread, an environment that does not depend on the caller."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: Kernels, and numba's cache of them, that the suite makes for itself.
BUILD = ROOT / "build" / "benchmarks"

ONE_THREAD = {
    **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_ENABLE_X64": "1",
    "JAX_PLATFORMS": "cpu",
    # glibc else gives large arrays back to the system at every release, or not, as the heap happens to lie: NumPy's
    # gradient then takes 0.54 ms in one process and 1.25 ms in the next.
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
}
#: They choose slower code than OpenBLAS finds by itself, or numba's caches and switches of the caller.
REMOVED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "NUMBA_CACHE_DIR", "NUMBA_DISABLE_JIT", "NUMBA_OPT")


@dataclass(frozen=True)
class Outcome:
    """What became of a measurement: its answer, or in a few words why there is none."""

    answer: dict | None
    reason: str = ""


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of every measurement."""
    kept = {name: value for name, value in os.environ.items() if name not in REMOVED}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**kept, **ONE_THREAD, "PYTHONPATH": path, **(extra or {})}


def measured(module: str, arguments: Sequence[object], limit: float, extra: Mapping[str, str] | None = None) -> Outcome:
    """Runs ``python -m module arguments``, which prints one line of JSON last, and stops it after ``limit`` seconds."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit, cwd=ROOT, env=environment(extra), check=False
        )
    except subprocess.TimeoutExpired:
        return Outcome(None, f"none in {limit:.0f} s")
    if done.returncode == -signal.SIGALRM:
        return Outcome(None, "out of time")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return Outcome(None, f"failed: {lines[-1][:100]}")
    return Outcome(json.loads(done.stdout.strip().splitlines()[-1]))


def stay_on_one_core() -> int:
    """Binds this process and the threads it will start to one core; returns how many it may run on: 1 where it worked.

    The core is the one that has been idle most for a tenth of a second.
    """
    if not hasattr(os, "sched_setaffinity"):
        return os.cpu_count() or 1
    before = _idle_ticks()
    time.sleep(0.1)
    after = _idle_ticks()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0), key=lambda core: after.get(core, 0) - before.get(core, 0))})
    return len(os.sched_getaffinity(0))


def _idle_ticks() -> dict[int, int]:
    """What Linux has counted of each core's idle time."""
    lines = [line.split() for line in Path("/proc/stat").read_text().splitlines()]
    return {int(name[3:]): int(fields[3]) for name, *fields in lines if re.fullmatch(r"cpu\d+", name)}


def die_after(seconds: float) -> None:
    """Ends this process by a signal after so many seconds, also from within compiled code; 0 takes it back."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def progress(text: str) -> None:
    """One line on stderr: time since the start of this process, and what is being measured."""
    print(f"[{time.perf_counter() - _BEGIN:6.0f} s] {text}", file=sys.stderr, flush=True)


_BEGIN = time.perf_counter()
