"""Timing: functions called in turn, round after round, and what is reported of their times."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """What is reported of repeated measurements, in their unit."""

    minimum: float
    lower: float
    median: float
    upper: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Minimum, quartiles and median of at least one value."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0], values[0])
        lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
        return cls(min(values), lower, median, upper)

    def scaled(self, factor: float) -> Spread:
        """The same in another unit."""
        return Spread(self.minimum * factor, self.lower * factor, self.median * factor, self.upper * factor)


def once(function: Callable[[], object]) -> float:
    """Seconds of one call."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def interleaved(
    functions: Mapping[str, Callable[[], object]],
    rounds: int,
    least: float = 2e-3,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds a call of each function, one value a round; of the processor's time with ``clock=time.process_time``.

    The functions take turns within a round, so that noise of the machine hits all of them.  A function shorter than
    ``least`` seconds is called several times in its turn.  Each is called twice before anything is measured.
    """
    calls = {name: _calls(function, least) for name, function in functions.items()}
    times: dict[str, list[float]] = {name: [] for name in functions}
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, function in functions.items():
                begin = clock()
                for _ in range(calls[name]):
                    function()
                times[name].append((clock() - begin) / calls[name])
    finally:
        if collecting:
            gc.enable()
    return times


def ratios(times: Sequence[float], units: Sequence[float]) -> list[float]:
    """Round by round, so that what slowed a whole round cancels."""
    return [a / b for a, b in zip(times, units, strict=True)]


def rounds_for(seconds: float, function_seconds: float, fewest: int, most: int) -> int:
    """How many rounds of this length fit into ``seconds``, within limits."""
    return max(fewest, min(most, int(seconds / max(function_seconds, 1e-9))))


def _calls(function: Callable[[], object], least: float) -> int:
    once(function)
    return max(1, math.ceil(least / max(once(function), 1e-9)))
