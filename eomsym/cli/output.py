"""Everything that leaves the command line: text and tables on stdout, progress on stderr, files all at once."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

#: 128 + SIGPIPE, what a shell reports for a program whose reader went away (``eomsym derive --order 9 | head -1``).
READER_GONE = 141


def survive_any_encoding() -> None:
    """Print what an ASCII terminal cannot show as an escape instead of failing half-way."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


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


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


@contextmanager
def progress(description: str) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on stderr, as a function of (done, total); None when stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import Progress

    with Progress(console=_console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``: takes its place when the block ends well, is removed when it does not."""
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
