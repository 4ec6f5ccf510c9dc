"""Hostile text by mutation, and what must not come of it: ``python -m fuzzing 10000`` (``make fuzz``) prints a table.

An input is a valid example that is damaged a few times, or pieces of the entrance's grammar in a row, or noise; all is
drawn from a seed, so that a finding can be repeated.  A finding is any other exception than the package's own, more
than a second of processor time, or an attempt to write, to start a process or to reach the network.
"""

from __future__ import annotations

import contextlib
import gc
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from eomsym.errors import EomsymError

#: Seconds of processor time that an input may take.
LONGEST = 1.0
#: What breaks readers: bombs, signs that look like others, signs that are none, markup of templates and of shells.
NASTY = (
    *(
        "9**9**9",
        "10**10**10",
        "9" * 50,
        "9" * 5000,
        "1e400",
        "1e-400",
        "1e999999999",
        "-0",
        "0x10",
        "1_0",
        "inf",
        "nan",
    ),
    *("\0", "\n", "\r\n", "\t", "\x1b[31m", "\x7f", "\u00a0", "\u2028", "\ufeff", "\ud800", "\udcff", "\U0001f600"),
    *("٣", "²", "½", "Ⅷ", "х", "ｘ", "ſ", "İ", "µ", "e\u0301", "−", "∗", "（", "）"),
    *("{{ x }}", "{% x %}", "{#", "#}", "'", '"', '"""', "\\", "`", "$(x)", "${x}", "%s", "%n", "{0}", "{x.__class__}"),
    *("__import__('os')", "__class__", "lambda:0", "eval", "exec", "import os", "; x", "//", "/*", "--", "<!--"),
    *("../", "..", "/", "/dev/zero", "/proc/self/mem", "~", "C:\\", "NUL", "|x", "x" * 300, "(" * 200, "[" * 2000),
    *("", " ", ",", ":", "=", "None", "null", "true", "[]", "{}"),
)
#: Audit events that no text may cause.
FORBIDDEN = frozenset(
    (
        *("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"),
        *("os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "subprocess.Popen", "shutil.rmtree"),
        *("socket.connect", "socket.bind", "socket.getaddrinfo", "urllib.Request", "webbrowser.open"),
        *("tempfile.mkstemp", "tempfile.mkdtemp", "pickle.find_class"),
    )
)


@dataclass(frozen=True)
class Entrance:
    """A place where text comes in: ``call`` takes it, ``examples`` are valid, ``pieces`` are what they are made of.

    ``prepare`` may do what is not under test, such as writing the text into a file; what it returns goes to ``call``.
    """

    name: str
    call: Callable[[Any], object]
    examples: Sequence[str]
    pieces: Sequence[str]
    prepare: Callable[[str], Any] = str


@dataclass
class Outcome:
    """What came of many inputs: ``findings`` are pairs of an input and what was wrong."""

    name: str
    count: int = 0
    accepted: int = 0
    total: float = 0.0
    worst: float = 0.0
    slowest: str = ""
    findings: list[tuple[str, str]] = field(default_factory=list)

    def __str__(self) -> str:
        worst = f"{1000 * self.worst:9.1f}"
        return f"{self.name:<22}{self.count:>8}{self.accepted:>10}{self.total:>9.1f}{worst}{len(self.findings):>10}"


HEADER = f"{'entrance':<22}{'inputs':>8}{'accepted':>10}{'total s':>9}{'worst ms':>9}{'findings':>10}"


class Forbidden(BaseException):
    """Not an ``Exception``: what is under test must not be able to catch it."""


class TooLong(BaseException):
    """The processor time is up."""


def inputs(entrance: Entrance, count: int, seed: int = 0) -> Iterator[str]:
    """Hostile texts, the valid examples first."""
    yield from entrance.examples[:count]
    draw = random.Random(f"{entrance.name} {seed}")
    for _ in range(count - len(entrance.examples)):
        way = draw.random()
        if way < 0.7:
            text = draw.choice(entrance.examples)
            for _ in range(draw.choice((1, 1, 1, 2, 3, 6))):
                text = _mutated(text, entrance, draw)
        elif way < 0.9:
            text = "".join(draw.choice(entrance.pieces) for _ in range(draw.choice((1, 2, 3, 5, 9, 30, 200))))
        else:
            text = "".join(chr(draw.choice(_RANGES)(draw)) for _ in range(draw.choice((1, 3, 10, 50))))
        yield text


_RANGES: tuple[Callable[[random.Random], int], ...] = (
    lambda draw: draw.randrange(32, 127),
    lambda draw: draw.randrange(0, 256),
    lambda draw: draw.randrange(0, 0x3000),
    lambda draw: draw.randrange(0, 0x110000),
)


def _mutated(text: str, entrance: Entrance, draw: random.Random) -> str:
    start = draw.randrange(len(text) + 1)
    end = min(len(text), start + draw.choice((0, 1, 1, 2, 5, 20)))
    before, piece, after = text[:start], text[start:end], text[end:]
    match draw.randrange(9):
        case 0:
            return before + after
        case 1:
            return before + piece * draw.choice((2, 3, 10, 100, 2000)) + after
        case 2 | 3:
            return before + draw.choice(entrance.pieces) + after
        case 4 | 5:
            return before + draw.choice(NASTY) + after
        case 6:
            return before + "".join(chr(ord(sign) ^ (1 << draw.randrange(7))) for sign in piece) + after
        case 7:
            left, right = draw.choice(("()", "[]", "{}", ("exp(", ")"), ("-", ""), ("{{", "}}")))
            times = draw.choice((1, 2, 30, 60, 1000))
            return before + left * times + piece + right * times + after
    other = draw.choice(entrance.examples)
    return before + other[draw.randrange(len(other) + 1) :]


def run(entrance: Entrance, count: int, seed: int = 0, longest: float = LONGEST) -> Outcome:
    """Give an entrance so many inputs; ``longest`` are the seconds of processor time that each may take."""
    # An input would be charged for the garbage of all tests before.  It stays frozen, so that the next search is short.
    gc.collect()
    gc.freeze()
    outcome = Outcome(entrance.name)
    for text in inputs(entrance, count, seed):
        given = entrance.prepare(text)
        start = time.process_time()
        problem = None
        try:
            with _watched(longest):
                entrance.call(given)
            outcome.accepted += 1
        except EomsymError as error:
            if "\n" in str(error) and "\n" not in text:
                problem = f"a message of several lines: {error!r}"
        except TooLong:
            problem = f"more than {longest} s"
        except (Exception, Forbidden, SystemExit) as error:
            problem = f"{type(error).__name__}: {error}"[:300]
        spent = time.process_time() - start
        if problem is None and spent > longest:
            problem = f"{spent:.2f} s"
        if problem is not None:
            outcome.findings.append((text, problem))
        outcome.count += 1
        outcome.total += spent
        if spent > outcome.worst:
            outcome.worst, outcome.slowest = spent, text
    return outcome


_on_guard = False


def _guard(event: str, arguments: tuple[Any, ...]) -> None:
    if not _on_guard:
        return
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    if event in FORBIDDEN or (event == "open" and isinstance(arguments[2], int) and arguments[2] & writes):
        raise Forbidden(f"{event} {arguments!r}"[:200])


def _stop(*_: object) -> None:
    raise TooLong


@contextlib.contextmanager
def _watched(longest: float) -> Iterator[None]:
    """No writing, no processes, no network, and not for long."""
    global _on_guard  # noqa: PLW0603 - an audit hook stays for the life of the process
    before = signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, longest)
    _on_guard = True
    try:
        yield
    finally:
        _on_guard = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


sys.addaudithook(_guard)


def main() -> int:
    """Run all entrances, or those named after the count; print a table and the findings."""
    import tempfile
    from pathlib import Path

    from fuzz_entrances import entrances

    count, names = int(sys.argv[1]), sys.argv[2:]
    sys.dont_write_bytecode = True
    findings = 0
    print(HEADER, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for entrance in entrances(Path(folder)):
            if not names or entrance.name in names:
                outcome = run(entrance, count)
                print(outcome, flush=True)
                for text, problem in outcome.findings[:10]:
                    print(f"    {text[:100]!a} ({len(text)} characters): {problem!a}", flush=True)
                findings += len(outcome.findings)
        os.chdir("/")
    return 1 if findings else 0


if __name__ == "__main__":
    import fuzzing

    sys.exit(fuzzing.main())
