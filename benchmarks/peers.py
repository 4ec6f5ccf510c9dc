"""What a user would write instead, on the same network, data and core: nested jvp, jet, and the same algorithm in jnp.

``python -m benchmarks.peers WAY NET TERMS SECONDS LIMIT`` is the measurement, in a process of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec

from benchmarks import cases, processes, tables
from benchmarks.kernels import difference, kernel_of
from benchmarks.timing import Spread, interleaved, once, ratios, rounds_for

#: Title: module with ``prepare(case, terms)``, and the package that it needs.
WAYS = {
    "JAX nested jvp": ("benchmarks.peer_jax_jvp", "jax"),
    "jax.experimental.jet": ("benchmarks.peer_jax_jet", "jax"),
    "same algorithm in jnp": ("benchmarks.peer_jax_iterates", "jax"),
    "eomsym.jax": ("benchmarks.peer_eomsym_jax", "jax"),
    "torch.func nested jvp": ("benchmarks.peer_torch", "torch"),
    "torch-jet": ("benchmarks.peer_torch_jet", "jet"),
    "eomsym.torch": ("benchmarks.peer_eomsym_torch", "torch"),
}
#: Peers that issue 5 compares with on digits, and how many times faster than the best of them the kernel is to be.
RIVALS = ("JAX nested jvp", "jax.experimental.jet")
TARGETS = {3: 1.5, 5: 3.5, 6: 6.0, 10: 10.0}
#: Their values agree with the kernel's to this, or no time is reported.
TOLERANCE = 1e-8
#: A peer that takes so many times the kernel's time is not tried with more terms: minutes for no news.
HOPELESS = 50.0


@dataclass(frozen=True)
class Plan:
    """A net, numbers of terms in rising order, and the seconds in which each has to be traced and compiled."""

    net: str
    terms: tuple[int, ...]
    limit: float


def report(plans: Sequence[Plan], seconds: float) -> str:
    """Measures every way on every net, to as many terms as it compiles in time; tables as text."""
    here = [way for way, (_, package) in WAYS.items() if find_spec(package)]
    missing = [f"{way}: skipped, {package} is not installed" for way, (_, package) in WAYS.items() if way not in here]
    if not here:
        return "\n".join(missing)
    parts = []
    for plan in plans:
        outcomes = {way: _climb(way, plan, seconds) for way in here}
        title = cases.case(plan.net).title
        parts.append(f"{title}\ntime over that of eomsym's kernel\n{_ratio_table(outcomes, plan.terms)}")
        heading = f"{plan.net}: milliseconds a call (seconds to trace and compile)"
        parts.append(f"{heading}\n{_time_table(outcomes, plan.terms)}")
        if plan.net == "digits":
            heading = f"digits: the best of {' and '.join(RIVALS)} over eomsym"
            parts.append(f"{heading}\n{_target_table(outcomes, plan.terms)}")
    return "\n\n".join([*parts, *missing])


def _climb(way: str, plan: Plan, seconds: float) -> dict[int, processes.Outcome]:
    """One outcome for each number of terms; nothing is tried beyond the first that failed or is hopeless."""
    outcomes: dict[int, processes.Outcome] = {}
    for count in plan.terms:
        processes.progress(f"peers: {way}, {plan.net}, K = {count}")
        arguments = (way, plan.net, count, seconds, plan.limit)
        outcome = processes.measured("benchmarks.peers", arguments, limit=2 * plan.limit + 60 + 10 * seconds)
        if outcome.reason == "out of time":
            outcome = processes.Outcome(None, f"none in {plan.limit:.0f} s")
        outcomes[count] = outcome
        if outcome.answer is None:
            processes.progress(f"peers: {way}, {plan.net}, K = {count}: {outcome.reason}")
            break
        if _ratios(outcome).median > HOPELESS:
            break
    return outcomes


def _ratios(outcome: processes.Outcome) -> Spread | None:
    if outcome.answer is None:
        return None
    return Spread.of(ratios(outcome.answer["peer"], outcome.answer["kernel"]))


def _cells(outcomes: dict[int, processes.Outcome], terms: Sequence[int], cell) -> list[str]:
    return [_cell(outcomes.get(count), cell) for count in terms]


def _cell(outcome: processes.Outcome | None, cell) -> str:
    if outcome is None:
        return tables.NONE
    return outcome.reason if outcome.answer is None else cell(outcome)


def _ratio_table(outcomes: dict[str, dict[int, processes.Outcome]], terms: Sequence[int]) -> str:
    rows = [
        [way, *_cells(own, terms, lambda outcome: tables.spread(_ratios(outcome)))] for way, own in outcomes.items()
    ]
    return tables.table(("way", *(f"K = {count}" for count in terms)), rows)


def _time_table(outcomes: dict[str, dict[int, processes.Outcome]], terms: Sequence[int]) -> str:
    def cell(outcome: processes.Outcome) -> str:
        median = Spread.of(outcome.answer["peer"]).scaled(1e3).median
        return f"{tables.number(median)} ({tables.number(outcome.answer['compile'])} s)"

    rows = [[way, *_cells(own, terms, cell)] for way, own in outcomes.items()]
    return tables.table(("way", *(f"K = {count}" for count in terms)), rows)


def _target_table(outcomes: dict[str, dict[int, processes.Outcome]], terms: Sequence[int]) -> str:
    rows = []
    for count in terms:
        found = {way: _ratios(outcomes[way][count]) for way in RIVALS if count in outcomes.get(way, {})}
        known = {way: spread for way, spread in found.items() if spread is not None}
        target = TARGETS.get(count)
        wanted = tables.number(target) if target else tables.NONE
        if not known:
            rows.append([str(count), "no value", tables.NONE, wanted, tables.NONE])
            continue
        best = min(known, key=lambda way: known[way].median)
        reached = tables.NONE if target is None else "yes" if known[best].median >= target else "no"
        rows.append([str(count), best, tables.spread(known[best]), wanted, reached])
    return tables.table(("K", "best", "ratio", "target", "reached"), rows)


def versions() -> str:
    """Of the peers that are installed."""
    names = [name for name in ("jax", "jaxlib", "torch") if find_spec(name)]
    return ", ".join(f"{name} {version(name)}" for name in names)


def measure(way: str, net: str, terms: int, seconds: float, limit: float) -> dict[str, object]:
    """Compile time and, in turn with the kernel's, run times.  Raises ``ArithmeticError`` if the values differ."""
    case = cases.case(net)
    kernel, _ = kernel_of(case, terms)
    peer = import_module(WAYS[way][0])
    processes.die_after(limit)
    compile_seconds, call, rows = peer.prepare(case, terms)
    processes.die_after(0)

    def counterterms():
        return kernel.counterterms(case.theta, case.inputs, case.targets)

    apart = difference(rows(), counterterms())
    if not apart < TOLERANCE:
        raise ArithmeticError(f"values differ from the kernel's by {apart:.1e}")
    rounds = rounds_for(seconds, once(call) + once(counterterms), fewest=5, most=60)
    times = interleaved({"peer": call, "kernel": counterterms}, rounds)
    return {**times, "compile": compile_seconds, "difference": apart}


if __name__ == "__main__":
    processes.stay_on_one_core()
    _way, _net, _terms, _seconds, _limit = sys.argv[1:]
    print(json.dumps(measure(_way, _net, int(_terms), float(_seconds), float(_limit))))
