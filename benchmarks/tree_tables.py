"""All coefficients of gradient descent over rooted trees, beside other packages: ``python benchmarks/tree_tables.py``.

Every row is a process of its own that does the work once on trees of up to 3 nodes first (imports, numba's cache) and
then prints the seconds of each repetition and its peak memory.  All compute the same: b(τ), the coefficients of the
modified equation of explicit Euler, for all trees of up to n nodes (``stream``: of n nodes only), trees included where
a package has to make them first.  A package that is not installed is skipped by name.
"""

from __future__ import annotations

import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

#: (what, nodes, repetitions)
OURS = (
    *(("table", 12, 7), ("table", 16, 7), ("table", 20, 7)),
    *(("stream", 20, 7), ("stream", 22, 5), ("stream", 24, 3)),
    *(("engine", 10, 3), ("engine", 12, 3), ("engine", 14, 1)),
)
PEERS = ("kauri", "BSeries")
FIRST_PEER_NODES = 6
#: Seconds for one row of another package, start included; the first that takes longer ends its rows.
PEER_LIMIT = 60.0

DESCRIPTIONS = {
    "table": "eomsym.tree_table",
    "stream": "eomsym.stream_coefficients",
    "engine": "eomsym, general engine",
    "kauri": "kauri (floats)",
    "BSeries": "BSeries",
}


def table(nodes: int) -> int:
    """In memory, exact, int64."""
    import eomsym

    made = eomsym.tree_table(nodes)
    return sum(len(made.numerator(order)) for order in range(1, nodes + 1))


def stream(nodes: int) -> int:
    """One order, block after block, exact, int64."""
    import eomsym

    return sum(len(block) for block in eomsym.stream_coefficients(nodes))


def engine(nodes: int) -> int:
    """What ``eomsym.derive`` does for any optimiser: Fractions in a dictionary; its lists of trees are made anew."""
    from eomsym.derivation.algebras import modified_tree_coefficients
    from eomsym.optimizers import get
    from eomsym.trees import rooted_trees

    rooted_trees.cache_clear()
    return sum(map(len, modified_tree_coefficients(get("gradient-descent").rule(), nodes)))


def kauri(nodes: int) -> int:
    """Its own coefficients of Euler's modified equation, in floats."""
    from kauri import omega, trees_of_order

    return len([omega(tree) for order in range(1, nodes + 1) for tree in trees_of_order(order)])


def BSeries(nodes: int) -> int:
    """Its substitution law solved tree by tree, ``subs(b, e) = a``, with a = 1 for the single node and 0 else."""
    import sympy
    from BSeries import bs, trees

    coefficients = bs.TreeMap()
    for order in range(1, nodes + 1):
        for tree in trees.all_trees(order):
            coefficients[tree] = 0  # substitution is linear in b(τ) with weight 1: what is missing is b(τ)
            substituted = bs.subs(coefficients, lambda t: sympy.Rational(1, trees.gamma(t)), tree)
            coefficients[tree] = int(order == 1) - substituted
    return len(coefficients)


WORK: dict[str, Callable[[int], int]] = {f.__name__: f for f in (table, stream, engine, kauri, BSeries)}


def work(name: str, nodes: int, repetitions: int) -> None:
    """In the process of one row: prints ``{"trees": …, "seconds": […], "megabytes": …}``."""
    function = WORK[name]
    function(3)
    seconds = []
    for _ in range(repetitions):
        begin = time.perf_counter()
        trees = function(nodes)
        seconds.append(time.perf_counter() - begin)
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    print(json.dumps({"trees": trees, "seconds": seconds, "megabytes": peak}))


def measure(name: str, nodes: int, repetitions: int, limit: float | None = None) -> dict[str, object] | None:
    """The answer of such a process, None if it took longer than ``limit`` seconds."""
    command = [sys.executable, str(Path(__file__).resolve()), name, str(nodes), str(repetitions)]
    try:
        answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return None
    return json.loads(answer.stdout)


def print_row(name: str, nodes: int, measured: dict[str, object]) -> None:
    seconds = measured["seconds"]
    spread = f"{min(seconds):.3g}–{max(seconds):.3g}" if len(seconds) > 1 else "once"
    print(
        f"{DESCRIPTIONS[name]:28} {nodes:5} {measured['trees']:>11,} {statistics.median(seconds):>9.3g} {spread:>14}"
        f" {measured['megabytes']:>8.0f}",
        flush=True,
    )


def main() -> None:
    """One aligned table; other packages until they take more than a minute."""
    print(
        f"{'coefficients of up to n nodes':28} {'n':>4} {'trees':>11} {'median s':>9} {'spread s':>14} {'peak MB':>8}"
    )
    for name, nodes, repetitions in OURS:
        print_row(name, nodes, measure(name, nodes, repetitions))
    for name in PEERS:
        if importlib.util.find_spec(name) is None:
            print(f"{DESCRIPTIONS[name]:28} skipped: not installed")
            continue
        nodes = FIRST_PEER_NODES
        while (measured := measure(name, nodes, 1, PEER_LIMIT)) is not None:
            print_row(name, nodes, measured)
            nodes += 1
        print(f"{DESCRIPTIONS[name]:28} {nodes:5} stopped after {PEER_LIMIT:.0f} s")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        work(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
