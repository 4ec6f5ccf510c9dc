"""Two threads against the same kernel on one thread.

``python -m benchmarks.variants NET TERMS SECONDS`` is the measurement, in a process of its own, on two cores.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from benchmarks import cases, processes, tables
from benchmarks.kernels import difference
from benchmarks.timing import Spread, interleaved, once, ratios, rounds_for

#: Threads of kernels by name.
VARIANTS = {"plain": 1, "two threads": 2}


def report(nets: Sequence[str], terms: Sequence[int], seconds: float) -> str:
    """Measures every net and number of terms, and returns one table."""
    rows = []
    for net in nets:
        for count in terms:
            processes.progress(f"variants: {net}, K = {count}")
            outcome = processes.measured("benchmarks.variants", (net, count, seconds), limit=300)
            rows.append(_row(net, count, outcome))
    header = ("net", "K", "one thread, ms", *(f"{name}: times as fast" for name in list(VARIANTS)[1:]))
    return tables.table(header, rows)


def _row(net: str, count: int, outcome: processes.Outcome) -> list[str]:
    if outcome.answer is None:
        return [net, str(count), outcome.reason, *[tables.NONE] * (len(VARIANTS) - 1)]
    plain = outcome.answer["plain"]
    faster = [tables.spread(Spread.of(ratios(plain, outcome.answer[name]))) for name in list(VARIANTS)[1:]]
    return [net, str(count), tables.spread(Spread.of(plain).scaled(1e3)), *faster]


def measure(net: str, terms: int, seconds: float) -> dict[str, list[float]]:
    """Seconds of all variants, in turn.  Raises ``ArithmeticError`` if their values differ more than round-off does."""
    import eomsym

    case = cases.case(net)
    calls = {}
    path = eomsym.generate(case.model, order=terms - 1, output=processes.BUILD)
    for name, threads in VARIANTS.items():
        kernel = eomsym.load(path, threads=threads)
        calls[name] = lambda kernel=kernel: kernel.counterterms(case.theta, case.inputs, case.targets)
    truth = calls["plain"]()
    for name, call in calls.items():
        apart = difference(call(), truth)
        if not apart < 1e-10:
            raise ArithmeticError(f"{net}, {name}: the terms differ by {apart:.1e} from those of one thread")
    rounds = rounds_for(seconds, sum(once(call) for call in calls.values()), fewest=7, most=60)
    return interleaved(calls, rounds)


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
