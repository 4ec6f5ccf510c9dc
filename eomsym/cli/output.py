"""Everything that leaves the command line: text and tables on stdout, progress on stderr, files all at once."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import typer

from eomsym.checks import shown
from eomsym.errors import EomsymError
from eomsym.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console, RenderableType

    from eomsym.result import Result
    from eomsym.verification.training import Training

LONGEST_LINE = 1000

#: An argument as the API's messages spell it, ``begin=5`` or ``state='whole'``.
_ARGUMENT = re.compile(r"(?<![\w.])(?<!\w\()([a-z_]+)=('[^'\s]*'|[\w.]+)")
#: What a message begins with: the name of the value that is wrong.
_NAME = re.compile(r"[a-z_]+(?=:| [-\d'\[]| -?(?:nan|inf)\b)")

#: Those of the command that runs; one process, one command line.
options: Collection[str] = ()

#: Base of the errors that typer raises for a wrong command line.  typer does not export it and newer versions carry
#: their own copy of click, so it is reached through the one subclass that every version exports.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]

#: 128 + SIGPIPE, what a shell reports for a program whose reader went away (``eomsym derive --order 9 | head -1``).
READER_GONE = 141

#: Seconds before a progress bar appears: what is over by then needs none.  Where it would be no bar, between two lines.
PATIENCE, BETWEEN_LINES = 1.0, 30.0


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
        print(f"eomsym: warning: {spelled(sentence)}", file=sys.stderr)


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
    """A progress bar on stderr, as a function of (done, total, description=…); None when quiet is asked for.

    The bar appears after a second, and until the function is called it only shows that something goes on, and for how
    long.  When stderr is no terminal there is a line now and then.
    """
    if _quiet or not sys.stderr.isatty():
        yield None if _quiet else _lines(description)
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


def _lines(description: str) -> Callable[..., None]:
    """Progress as lines, which do not fill a file: at most one in half a minute."""
    said = monotonic()

    def tell(done: int, total: int, description: str = description) -> None:
        nonlocal said
        if monotonic() - said >= BETWEEN_LINES:
            said = monotonic()
            print(f"eomsym: {description}: {done} of {total}", file=sys.stderr, flush=True)

    return tell


def asked(doing: str, question: str, training: Training, *arguments: Any, **further: Any) -> Any:
    """What a function of ``eomsym.verification`` answers about a training; on the way it shows how far it is."""
    from eomsym import verification

    function = getattr(verification, question)
    with progress(doing) as report:
        if "progress" in signature(function).parameters:
            further["progress"] = report
        return function(training, *arguments, **further)


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the format that the suffix names: the whole file or none."""
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix[1:].lower(), dpi=150, bbox_inches="tight")
    write_atomically(path, content.getvalue())


def one_line(message: str) -> str:
    """``message`` on a single line that people can read.

    Signs that are for terminals are written as escapes, and the middle of what is very long is left out.
    """
    text = " ".join(message.split())
    plain = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    return plain if len(plain) <= LONGEST_LINE else f"{plain[: LONGEST_LINE // 2]} ... {plain[-LONGEST_LINE // 2 :]}"


def spelled(message: str) -> str:
    """A message of the API, with arguments that the command has as options as they are written there."""

    def option(argument: re.Match[str]) -> str:
        name, value = f"--{argument[1].replace('_', '-')}", argument[2].strip("'")
        return f"{name} {value}" if name in options else argument[0]

    begun = _NAME.match(message)
    head = f"--{begun[0].replace('_', '-')}" if begun else ""
    return _ARGUMENT.sub(option, head + message[len(begun[0]) :] if begun and head in options else message)


def usage(error: Any) -> str:
    """The line for an error of typer's own: unknown option, missing option or value, superfluous argument."""
    context: typer.Context | None = getattr(error, "ctx", None)
    problem = str(getattr(error, "message", ""))
    if hasattr(error, "possibilities"):
        near = sorted(error.possibilities or ())
        right = f"did you mean {' or '.join(near)}?" if near else f"see {_help_of(context)}"
        return f"option {error.option_name!r}: unknown; {right}"
    if hasattr(error, "option_name"):
        takes_none = "does not take" in problem
        right = "takes no value; write it alone" if takes_none else f"needs a value; write {error.option_name}=VALUE"
        return f"option {error.option_name!r}: {right}"
    if getattr(error, "param", None) is not None and not problem:
        is_argument = error.param.param_type_name == "argument"
        name = f"argument {error.param.metavar}" if is_argument else f"option {error.param.opts[0]!r}"
        return f"{name}: missing; see {_help_of(context)}"
    if hasattr(error.__cause__, "errors"):  # pydantic's, of a value that is not what it is read as
        (refused,) = error.__cause__.errors()[:1]
        reason = refused.get("ctx", {}).get("error", refused["msg"])
        if isinstance(reason, EomsymError):
            return spelled(str(reason))
        return f"{_called(error.param)} {shown(refused['input'])}: {str(reason)[:1].lower()}{str(reason)[1:]}"
    return f"{problem[:1].lower()}{problem[1:].rstrip('. ')}; {_usage_of(context)}"


def _called(parameter: Any) -> str:
    return str(parameter.metavar if parameter.param_type_name == "argument" else parameter.opts[0])


def operating_system(error: OSError) -> str:
    """The line for a file that cannot be read or written."""
    reason = error.strerror or type(error).__name__
    where = f"file {error.filename!r}: " if error.filename is not None else ""
    return f"{where}{reason}; give a path that can be read and written"


def _help_of(context: typer.Context | None) -> str:
    return f"'{context.command_path} --help'" if context else "'eomsym --help'"


def _usage_of(context: typer.Context | None) -> str:
    return one_line(context.get_usage()).replace("Usage:", "usage:") if context else f"see {_help_of(context)}"
