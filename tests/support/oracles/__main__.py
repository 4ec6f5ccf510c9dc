"""``python -m oracles [--only kauri,mpmath]``: every oracle that is installed; exit status 1 if one disagrees."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec

from oracles.agreement import Agreement, agreement_table

#: Name of the oracle: module with ``agreements()``, package to import, distribution that has it.
ORACLES = {
    "kauri": ("oracles.kauri_trees", "kauri", "kauri"),
    "heyoka": ("oracles.heyoka_paths", "heyoka", "heyoka"),
    "jax": ("oracles.jax_derivatives", "jax", "jax"),
    "mpmath": ("oracles.mpmath_iterates", "mpmath", "mpmath"),
    "flint": ("oracles.flint_balls", "flint", "python-flint"),
}


def agreements(oracle: str) -> Iterator[Agreement]:
    """What an oracle has to say.  Raises ``ImportError`` where its package is not installed."""
    yield from import_module(ORACLES[oracle][0]).agreements()


def main(arguments: list[str] | None = None) -> int:
    """Prints one table for each oracle, progress to stderr; 1 if anything disagrees or nothing was compared."""
    parser = argparse.ArgumentParser(prog="python -m oracles", description=__doc__)
    parser.add_argument("--only", default=",".join(ORACLES), help=f"oracles, out of {', '.join(ORACLES)}")
    chosen = parser.parse_args(arguments).only.split(",")
    unknown = [name for name in chosen if name not in ORACLES]
    if unknown:
        parser.error(f"--only: {unknown[0]!r} is no oracle; choose from {', '.join(ORACLES)}")
    found: list[Agreement] = []
    for oracle in chosen:
        _, package, distribution = ORACLES[oracle]
        if find_spec(package) is None:
            print(f"{oracle}: skipped, {distribution} is not installed\n")
            continue
        start = time.perf_counter()
        rows = []
        for agreement in agreements(oracle):
            rows.append(agreement)
            print(f"{oracle}: {agreement.what}", file=sys.stderr, flush=True)
        seconds = time.perf_counter() - start
        print(f"{distribution} {version(distribution)}, {seconds:.0f} s\n{agreement_table(rows)}\n", flush=True)
        found += rows
    wrong = [agreement for agreement in found if not agreement.holds]
    values = sum(agreement.values for agreement in found)
    print(f"{len(found) - len(wrong)} of {len(found)} comparisons agree, in {values} values")
    return 1 if wrong or not found else 0


if __name__ == "__main__":
    sys.exit(main())
