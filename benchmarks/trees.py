"""Tables of trees: what ``benchmarks/tree_tables.py`` prints, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

from benchmarks import processes

MODULE = "benchmarks.tree_tables"


def report(limit: float) -> str:
    """Its output; in a few words why there is none otherwise."""
    if find_spec(MODULE) is None:
        return "skipped: benchmarks/tree_tables.py is not there"
    processes.progress("trees")
    command = [sys.executable, "-c", f"from {MODULE} import main; main()"]
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            text=True,
            timeout=limit,
            cwd=processes.ROOT,
            env=processes.environment(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"none in {limit:.0f} s"
    if done.returncode:
        return f"failed with exit status {done.returncode}; its output:\n{done.stdout.rstrip()}"
    return done.stdout.rstrip()
