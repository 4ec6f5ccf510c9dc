"""How long exact coefficients take that have symbols for parameters, trees and the printed form included.

``python -m benchmarks.symbolic_parameters OPTIMIZER ORDER`` is the measurement, in a process of its own.
"""

from __future__ import annotations

import json
import sys

from benchmarks import processes, tables
from benchmarks.timing import Spread, once

ADAM_INSIDE = "adam(inside=yes, corrected=no)"
CASES = (
    ("heavy-ball", 6),
    ("nesterov", 6),
    ("heavy-ball", 7),
    (ADAM_INSIDE, 2),
    (ADAM_INSIDE, 3),
    ("sgdw", 4),
)
#: Their counter terms are sums over rooted trees; those of the others have another language.
ON_TREES = ("heavy-ball", "nesterov")


def report(repeats: int) -> str:
    """One line a case; each repeat is a fresh process, as results are kept within one."""
    rows = []
    for name, order in CASES:
        processes.progress(f"symbolic parameters: {name}, order {order}")
        outcomes = [
            processes.measured("benchmarks.symbolic_parameters", (name, order), limit=300) for _ in range(repeats)
        ]
        failed = next((outcome.reason for outcome in outcomes if outcome.answer is None), None)
        if failed:
            rows.append([name, str(order), failed, tables.NONE, tables.NONE])
            continue
        derive, text = (
            tables.spread(Spread.of([outcome.answer[what] for outcome in outcomes])) for what in ("derive", "text")
        )
        rows.append([name, str(order), str(outcomes[0].answer["trees"] or tables.NONE), derive, text])
    return tables.table(("optimiser", "order", "trees", "derive, s", "as text, s"), rows)


def measure(name: str, order: int) -> dict[str, float | int | None]:
    """Seconds of ``derive`` and of ``text``, and how many trees there are."""
    import eomsym
    from eomsym.trees import count_rooted_trees

    made = []
    derive = once(lambda: made.append(eomsym.derive(name, order=order)))
    text = once(made[0].text)
    trees = sum(count_rooted_trees(n) for n in range(1, order + 2)) if name in ON_TREES else None
    return {"derive": derive, "text": text, "trees": trees}


if __name__ == "__main__":
    processes.stay_on_one_core()
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
