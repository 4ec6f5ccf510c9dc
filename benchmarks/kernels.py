"""Generated kernels in units of one plain NumPy gradient of the same network and data, one thread.

``python -m benchmarks.kernels NET TERMS SECONDS`` is the measurement, in a process of its own, for each net.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import numpy as np

from benchmarks import cases, processes, tables
from benchmarks.numpy_gradient import gradient_function
from benchmarks.timing import Spread, interleaved, once, ratios, rounds_for

#: What prototypes reached, in gradients, at each number of terms: the figures that issue 5 asks for.
REFERENCE = {
    "tiny": (1.5, 2.5, 4.3, 7.0, 11, 24, 46),
    "digits": (1.6, 2.9, 5.2, 8.6, 13.4, 28, 53),
    "wide": (2.1, 4.4, 7.9, 13.5, 20.5, 41, 72),
}


def kernel_of(case: cases.Case, terms: int):
    """The generated kernel that has as many terms, and the seconds it took to load: compiled, or from numba's cache."""
    import eomsym

    path = eomsym.generate(case.model, order=terms - 1, output=processes.BUILD)
    loaded = []
    seconds = once(lambda: loaded.append(eomsym.load(path)))
    return loaded[0], seconds


def difference(values: np.ndarray, truth: np.ndarray) -> float:
    """Largest relative distance of a row."""
    return float(np.max(np.linalg.norm(values - truth, axis=-1) / np.linalg.norm(truth, axis=-1)))


def report(nets: Sequence[str], terms: Sequence[int], seconds: float) -> str:
    """Measures every net and returns one table each."""
    return "\n\n".join(_net(net, terms, seconds) for net in nets)


def _net(net: str, terms: Sequence[int], seconds: float) -> str:
    title = cases.case(net).title
    rows = []
    for count in terms:
        processes.progress(f"kernels: {net}, K = {count}")
        outcome = processes.measured("benchmarks.kernels", (net, count, seconds), limit=300)
        rows.append(_row(net, count, outcome))
    header = ("K", "unit, ms", "kernel, ms", "min", "in units", "ratio of minima", "to reach", "load, s")
    return f"{title}\n{tables.table(header, rows)}"


def _row(net: str, count: int, outcome: processes.Outcome) -> list[str]:
    if outcome.answer is None:
        return [str(count), outcome.reason, *[tables.NONE] * 6]
    unit, kernel = outcome.answer["unit"], outcome.answer["kernel"]
    milliseconds = Spread.of(kernel).scaled(1e3)
    reached = REFERENCE[net][cases.TERMS.index(count)]
    return [
        str(count),
        tables.spread(Spread.of(unit).scaled(1e3)),
        tables.spread(milliseconds),
        tables.number(milliseconds.minimum),
        tables.spread(Spread.of(ratios(kernel, unit))),
        tables.number(min(kernel) / min(unit)),
        tables.number(reached),
        tables.number(outcome.answer["load"]),
    ]


def measure(net: str, terms: int, seconds: float) -> dict[str, object]:
    """Seconds of the NumPy gradient and of the kernel, in turn.  Raises ``ArithmeticError`` if their values differ."""
    case = cases.case(net)
    gradient = gradient_function(case.model.layers, case.model.loss, case.inputs, case.targets)
    kernel, load = kernel_of(case, terms)
    apart = difference(gradient(case.theta)[None], kernel.gradient(case.theta, case.inputs, case.targets)[None])
    if not apart < 1e-12:
        raise ArithmeticError(
            f"{net}: NumPy's gradient and the kernel's differ by {apart:.1e}; they should agree to 1e-12"
        )

    def counterterms() -> np.ndarray:
        return kernel.counterterms(case.theta, case.inputs, case.targets)

    counterterms()
    rounds = rounds_for(seconds, once(counterterms) + once(lambda: gradient(case.theta)), fewest=7, most=60)
    times = interleaved({"unit": lambda: gradient(case.theta), "kernel": counterterms}, rounds)
    return {**times, "load": load}


if __name__ == "__main__":
    processes.stay_on_one_core()
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
