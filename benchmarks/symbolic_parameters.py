"""How long exact coefficients with symbols for parameters take: ``python benchmarks/symbolic_parameters.py``."""

from __future__ import annotations

import time

import eomsym
from eomsym.trees import count_rooted_trees

CASES = (("heavy-ball", 6), ("nesterov", 6), ("heavy-ball", 7), ("adam", 2), ("adam", 3), ("sgdw", 4))


def main() -> None:
    """One line a case: the whole of ``derive``, trees and factoring of the printed coefficients included."""
    print(f"{'optimiser':12} {'order':>5} {'trees':>6} {'derive':>9} {'print':>9}")
    for name, order in CASES:
        begin = time.perf_counter()
        counterterms = eomsym.derive(name, order=order)
        derived = time.perf_counter()
        counterterms.text()
        printed = time.perf_counter()
        trees = sum(count_rooted_trees(n) for n in range(1, order + 2)) if name in ("heavy-ball", "nesterov") else "–"
        print(f"{name:12} {order:5} {trees:>6} {derived - begin:7.2f} s {printed - derived:7.2f} s")


if __name__ == "__main__":
    main()
