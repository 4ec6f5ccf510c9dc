"""Plants faults in a copy of the package, one at a time, and counts how many of them the tests notice.

``PYTHONPATH=tests/support python -m mutations [--only TEXT] [--jobs 2]``: exit status 1 if fewer than 95 % are caught.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

from mutations.faults import FAULTS, Fault
from mutations.places import Misfit, with_fault

ROOT = Path(__file__).resolve().parents[3]
COPIED = ("eomsym", "templates", "generated", "tests", "docs", "notebooks", "benchmarks", "pyproject.toml", "README.md")
NEEDED = 0.95
#: pytest's exit status where none has the marks.
NO_TESTS = 5
#: A fault may make a loop endless.
LIMIT = 900
ENDLESS = f"no end within {LIMIT} s"


def main() -> int:
    """Runs all faults that are asked for; prints a line each, then the score and what survived."""
    parser = argparse.ArgumentParser(prog="python -m mutations", description=__doc__)
    parser.add_argument("--only", default="", help="only faults whose place or text contains this")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once")
    options = parser.parse_args()
    chosen = [fault for fault in FAULTS if options.only in fault.name]
    if not chosen:
        parser.error(f"--only: no fault contains {options.only!r}")
    misfits = [f"{fault.name}: {reason}" for fault in FAULTS if (reason := misfit(fault, ROOT))]
    if misfits:
        parser.error("faults that do not fit the code as it is:\n" + "\n".join(misfits))
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as pool:
        copies: Queue[Path] = Queue()
        for number in range(options.jobs):
            copies.put(_copy(Path(folder) / str(number)))
        outcomes = list(pool.map(lambda fault: _outcome(fault, copies), chosen))
    survivors = [fault for fault, (caught, _) in zip(chosen, outcomes, strict=True) if not caught]
    score = 1 - len(survivors) / len(chosen)
    endless = [fault for fault, (_, reason) in zip(chosen, outcomes, strict=True) if reason == ENDLESS]
    print(f"\n{len(chosen) - len(survivors)} of {len(chosen)} faults caught: {score:.1%}")
    for fault in endless:
        print(f"caught only because the tests did not end: {fault.name}")
    for fault in survivors:
        print(f"survived: {fault.name}")
    return 0 if score >= NEEDED else 1


def misfit(fault: Fault, root: Path) -> str:
    """Why a fault cannot be planted in the files below ``root`` as they are, or nothing."""
    try:  # a slip that Python itself refuses would prove nothing, nor one that means the same
        file, *sources = with_fault(fault, root)
        meanings = [ast.dump(ast.parse(source)) if file.suffix == ".py" else source for source in sources]
    except Misfit as error:
        return str(error)
    except SyntaxError:
        return "is no Python"
    if meanings[0] == meanings[1]:
        return "changes nothing"
    missing = [place for place in fault.tests if not (root / place.partition("::")[0]).exists()]
    return f"{missing[0]}: no such tests" if missing else ""


def _copy(place: Path) -> Path:
    """A copy of the project that a fault can be planted in."""
    place.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, place / name)
    return place


def _outcome(fault: Fault, copies: Queue[Path]) -> tuple[bool, str]:
    place = copies.get()
    try:
        begun = time.monotonic()
        with _planted(fault, place):
            caught, reason = _tested(fault, place)
        print(
            f"{'caught  ' if caught else 'SURVIVED'} {time.monotonic() - begun:5.0f} s  {fault.name}  {reason}",
            flush=True,
        )
        return caught, reason
    finally:
        copies.put(place)


@contextmanager
def _planted(fault: Fault, place: Path) -> Iterator[None]:
    file, text, changed = with_fault(fault, place)
    file.write_text(changed, encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(text, encoding="utf-8")


def _tested(fault: Fault, place: Path) -> tuple[bool, str]:
    """Whether pytest fails, and the first test that did: of the fast ones, and else of the slow ones."""
    caught, reason = _run(fault, place, "not slow")
    return (caught, reason) if caught else _run(fault, place, "slow")


def _run(fault: Fault, place: Path, marked: str) -> tuple[bool, str]:
    """Whether a test with these marks fails, and which did first.

    Each copy keeps its own compiled kernels (``kernel_cache``), from one fault to the next: they are found by their
    bytes, so that a mutated generator does not meet what the right one has written.
    """
    path = os.pathsep.join((str(place), str(place / "tests" / "support")))
    environment = os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}
    plugins = ["-p", "no:cacheprovider", "-p", "mutations.no_shrinking"]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", marked, *plugins, *fault.tests]
    try:
        run = subprocess.run(
            command, cwd=place, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return True, ENDLESS
    failed = [line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return run.returncode not in (0, NO_TESTS), f"{failed[0][:120]}{' (slow)' * (marked == 'slow')}" if failed else ""


if __name__ == "__main__":
    sys.exit(main())
