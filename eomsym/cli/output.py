"""Everything that leaves the command line: text and tables on stdout, progress on stderr, files all at once."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eomsym.cli import messages
from eomsym.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console, RenderableType

    from eomsym.result import Result
    from eomsym.verification import Training

#: 128 + SIGPIPE, what a shell reports for a program whose reader went away (``eomsym derive --order 9 | head -1``).
READER_GONE = 141

#: Seconds before a progress bar appears: what is over by then needs none.
PATIENCE = 1.0


_quiet = False


def set_quiet(quiet: bool) -> bool:
    """Whether what is not a result stays away, until set anew; hands its argument back, as callbacks do."""
    global _quiet  # noqa: PLW0603  one process, one command line
    _quiet = quiet
    return quiet


def write(text: str) -> None:
    """``text`` as it is, on stdout; when nobody reads it any more the process ends without a word."""
    try:
        sys.stdout.write(text.rstrip("\n") + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes stdout once more on the way out and would complain: let it flush into nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(READER_GONE) from None


def show(renderable: RenderableType) -> None:
    """A rich table or text on stdout; plain characters when stdout is no terminal."""
    console = _console()
    with console.capture() as captured:
        console.print(renderable)
    write(captured.get())


def show_result(result: Result) -> None:
    """What was found on stdout, and on stderr what people are warned of."""
    for part in result.report():
        if isinstance(part, str):
            write(part)
        elif part.boxed:
            show(part)
        else:
            write(str(part))
    for warning in getattr(result, "warnings", ()):
        warn(warning)


def warn(sentence: str) -> None:
    """A sentence for people, on stderr, unless they asked for quiet."""
    if not _quiet:
        print(f"eomsym: warning: {messages.spelled(sentence)}", file=sys.stderr)


def note_conditions(name: str, conditions: str) -> None:
    """On stderr: on which conditions the equation of motion of an optimiser holds, where there are any."""
    if conditions and not _quiet:
        print(f"eomsym: {name}: {conditions}", file=sys.stderr)


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


class _Teller(logging.Handler):
    """What the package logs, above the progress bar: what is compiled, and how long it will take."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(f"eomsym: {record.getMessage()}", markup=False)


@contextmanager
def progress(description: str) -> Iterator[Callable[..., None] | None]:
    """A progress bar on stderr, as a function of (done, total, description=…).

    None when stderr is no terminal or quiet is asked for.  The bar appears after a second, and until the function is
    called it only shows that something goes on, and for how long.
    """
    if _quiet or not sys.stderr.isatty():
        yield None
        return
    from threading import Timer

    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=_console(stderr=True), transient=True)
    task = bar.add_task(description, total=None)
    appearance = Timer(PATIENCE, bar.start)
    appearance.start()
    teller, logger = _Teller(bar.console), logging.getLogger("eomsym")
    before = logger.level
    logger.addHandler(teller)
    logger.setLevel(logging.INFO)
    try:
        yield lambda done, total, description=description: bar.update(
            task, description=description, completed=done, total=total
        )
    finally:
        logger.removeHandler(teller)
        logger.setLevel(before)
        appearance.cancel()
        appearance.join()
        bar.stop()


def asked(doing: str, question: str, training: Training, *arguments: Any, **further: Any) -> Any:
    """What a function of ``eomsym.verification`` answers about a training; on the way it shows how far it is."""
    from eomsym import verification

    function = getattr(verification, question)
    with progress(doing) as report:
        if "progress" in signature(function).parameters:
            further["progress"] = report
        return function(training, *arguments, **further)


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None] | None]:
    """The same for a task in several stages, as a function of (stage, done, total)."""
    with progress("") as update:
        yield None if update is None else lambda stage, done, total: update(done, total, stage)


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the format that the suffix names: the whole file or none."""
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix[1:].lower(), dpi=150, bbox_inches="tight")
    write_atomically(path, content.getvalue())
