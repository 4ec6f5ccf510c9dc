"""``eomsym.jax`` and ``eomsym.torch`` beside what a user would write instead: all ways of a library in turn.

``python -m benchmarks.libraries LIBRARY NET TERMS SECONDS WAY,WAY`` is one measurement, in a process of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from benchmarks import cases, processes, tables
from benchmarks.kernels import difference
from benchmarks.peers import TOLERANCE, WAYS
from benchmarks.timing import Spread, interleaved, once, ratios, rounds_for

#: Package: ours first, then what it is compared with, by their titles in ``peers.WAYS``; and what is allowed.
LIBRARIES = {
    "jax": ("eomsym.jax", "JAX nested jvp", "jax.experimental.jet", "same algorithm in jnp"),
    "torch": ("eomsym.torch", "torch.func nested jvp", "torch-jet"),
}
ALLOWED = {"jax": 1.1, "torch": 1.2}
NETS = (*cases.NETS, "million")
TERMS = (2, 3, 4, 5, 6)
#: A way that takes so many times as long as ours, or so many seconds to compile, is not tried with more terms.
HOPELESS, SLOW_TO_COMPILE = 4.0, 12.0
#: Until a process is stopped.
LIMIT = 400.0

Answer = dict[str, Any]


def report(nets: Sequence[str], terms: Sequence[int], seconds: float) -> str:
    """Tables of every library on every net."""
    parts = []
    for library, ways in LIBRARIES.items():
        here = [way for way in ways if find_spec(WAYS[way][1])]
        parts += [f"{way}: skipped, {WAYS[way][1]} is not installed" for way in ways if way not in here]
        if ways[0] in here:
            found = {net: _climb(library, net, terms, seconds, here) for net in nets}
            parts += [_quotients(library, found, terms), _ours(library, found, terms)]
    return "\n\n".join(parts)


def _climb(library: str, net: str, terms: Sequence[int], seconds: float, ways: Sequence[str]) -> dict[int, Answer]:
    """An answer for each number of terms, where ``left`` says why a way is out from there on."""
    answers: dict[int, Answer] = {}
    ours, left, failed = ways[0], dict[str, str](), ""
    for count in terms:
        going = [way for way in ways if way not in left]
        if not failed:
            processes.progress(f"libraries: {library}, {net}, K = {count}: {', '.join(going)}")
            outcome = processes.measured("benchmarks.libraries", (library, net, count, seconds, ",".join(going)), LIMIT)
            failed = outcome.reason if outcome.answer is None else ""
        if failed:
            answers[count] = {"times": {}, "left": left | dict.fromkeys(going, failed)}
            continue
        answer = answers[count] = {**outcome.answer, "left": dict(left)}
        for way in going[1:]:
            if _median(answer, ours, way) > HOPELESS:
                left[way] = f"> {_median(answer, ours, way):.0f}"
            elif answer["compile"][way] > SLOW_TO_COMPILE:
                left[way] = f"compiled {answer['compile'][way]:.0f} s"
    return answers


def _quotients(library: str, found: dict[str, dict[int, Answer]], terms: Sequence[int]) -> str:
    ours, *others = LIBRARIES[library]
    rows = []
    for net, answers in found.items():
        for way in others:
            rows.append([net, way, *(_cell(answers[count], ours, way) for count in terms)])
        best = [[_median(a, ours, way) for way in others if way in a["times"]] for a in answers.values()]
        rows.append([net, "ours over the best", *(tables.number(1 / min(b)) if b else tables.NONE for b in best)])
    head = (
        f"time over that of {ours}, check=False: median [quartiles]; 'ours over the best' is to be at most "
        f"{ALLOWED[library]}"
    )
    return f"{head}\n{tables.table(('net', 'way', *(f'K = {count}' for count in terms)), rows)}"


def _cell(answer: Answer, ours: str, way: str) -> str:
    if way not in answer["times"]:
        return answer["left"].get(way, tables.NONE)
    return tables.spread(Spread.of(ratios(answer["times"][way], answer["times"][ours])))


def _median(answer: Answer, ours: str, way: str) -> float:
    return Spread.of(ratios(answer["times"][way], answer["times"][ours])).median


def _ours(library: str, found: dict[str, dict[int, Answer]], terms: Sequence[int]) -> str:
    ours, rows = LIBRARIES[library][0], []
    for net, answers in found.items():
        kinds: dict[str, Callable[[Answer], float]] = {
            "a call, ms": lambda a: 1e3 * Spread.of(a["times"][ours]).median,
            "to compile, s" if library == "jax" else "first call, s": lambda a: a["compile"][ours],
            "with the check, times": lambda a: Spread.of(ratios(a["checked"], a["unchecked"])).median,
        }
        for kind, value in kinds.items():
            cells = (tables.number(value(a)) if a["times"] else a["left"][ours] for a in answers.values())
            rows.append([net, kind, *cells])
    told = "of a call that is not jitted" if library == "jax" else "of a traced loss"
    return f"{ours}; the check is {told}\n{tables.table(('net', 'what', *(f'K = {count}' for count in terms)), rows)}"


def measure(library: str, net: str, terms: int, seconds: float, ways: Sequence[str]) -> Answer:
    """Seconds to compile and, in turn, to run.  Raises ``ArithmeticError`` where values differ from ours."""
    case = cases.case(net)
    made, calls, expected = {}, {}, None
    for way in ways:
        made[way], calls[way], rows = import_module(WAYS[way][0]).prepare(case, terms)
        expected = rows() if expected is None else expected
        apart = difference(rows(), expected)
        if not apart < TOLERANCE:
            raise ArithmeticError(f"{way}: values differ from those of {ways[0]} by {apart:.1e}")
    rounds = rounds_for(seconds, sum(map(once, calls.values())), fewest=5, most=60)
    checks = import_module(WAYS[ways[0]][0]).checks(case, terms)
    return {"compile": made, "times": interleaved(calls, rounds), **interleaved(checks, 3, least=0.0)}


if __name__ == "__main__":
    processes.stay_on_one_core()
    _library, _net, _terms, _seconds, _ways = sys.argv[1:]
    print(json.dumps(measure(_library, _net, int(_terms), float(_seconds), _ways.split(","))))
