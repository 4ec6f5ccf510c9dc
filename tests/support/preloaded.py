"""Programs of the tests in processes that have the package imported: what they do is tested, not how they start.

A new interpreter takes two seconds to import numba, SymPy and the rest.  The fork server of ``multiprocessing`` does so
once for all, and each program is a fork of it, as fresh as a process that has imported and done nothing more.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import shlex
import sys
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from multiprocessing.connection import Connection
from pathlib import Path
from subprocess import CompletedProcess

from page_examples import Example, Session

#: Nothing that starts threads, which a fork would lack: Polars is imported by who needs it.
PRELOADED = [
    "IPython.core.interactiveshell",
    "eomsym.cli.app",
    "eomsym.codegen.loader",
    "eomsym.verification",
    "matplotlib.pyplot",
    "matplotlib_inline.backend_inline",
    "scipy.integrate",
    "sklearn.datasets",
    "sympy",
]
COMMAND_LINE = "import sys; from eomsym.cli import main; sys.exit(main())"
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(PRELOADED)


def words_of(command: str) -> list[str] | None:
    """The arguments of ``eomsym`` where a line of a shell calls it and nothing else, otherwise None."""
    first, *words = shlex.split(command, comments=True)
    return words if first == "eomsym" and not set("|&;<>$`*?\\\n") & set(command) else None


def program(
    source: str, arguments: Iterable[object], folder: Path, environment: dict[str, str]
) -> CompletedProcess[str]:
    """What ``python -c SOURCE ARGUMENTS`` prints in ``folder``, and its status."""
    words = ["-c", *map(str, arguments)]
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place) / "out", Path(place) / "err"
        process = FORKS.Process(target=_program, args=(source, words, folder, environment, out, err))
        process.start()
        process.join()
        assert process.exitcode is not None
        texts = [file.read_text(encoding="utf-8") for file in (out, err)]
    return CompletedProcess(words, process.exitcode, *texts)


def _program(source: str, words: list[str], folder: Path, environment: dict[str, str], out: Path, err: Path) -> None:
    _settle(folder, environment)
    for file, stream in ((out, sys.stdout), (err, sys.stderr)):
        os.dup2(os.open(file, os.O_CREAT | os.O_WRONLY), stream.fileno())
    sys.argv = words
    exec(compile(source, "<string>", "exec"), {"__name__": "__main__"})


def _settle(folder: Path, environment: dict[str, str]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)


class PreloadedSession(Session):
    """Examples of a page in this environment, for the most part without a new interpreter."""

    def __init__(self, folder: Path, **environment: str) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._folder, self._environment = folder, {**os.environ, "PATH": path, "COLUMNS": "80", **environment}
        self._where = {"cwd": folder, "env": self._environment}
        self._interpreter = Interpreter(folder, self._environment)

    def __exit__(self, *_: object) -> None:
        self._interpreter.__exit__()

    def _called(self, command: str) -> CompletedProcess[str]:
        words = words_of(command)
        if words is None:
            return super()._called(command)
        return program(COMMAND_LINE, words, self._folder, self._environment)

    def _block(self, example: Example) -> str:
        printed, failed = self._interpreter.answer(example.source)
        assert not failed, f"line {example.line}: {failed}"
        return printed


class Interpreter:
    """Runs blocks of Python one after the other in a process of its own."""

    def __init__(self, folder: Path, environment: dict[str, str], notebook: bool = False) -> None:
        self._here, there = FORKS.Pipe()
        run = _cells if notebook else _blocks
        self._process = FORKS.Process(target=run, args=(there, folder, environment))
        self._process.start()
        there.close()

    def answer(self, source: str) -> tuple[str, str]:
        """What a block prints, and what is wrong with it: its traceback, of a cell its warnings too."""
        self._here.send(source)
        return self._here.recv()

    def __enter__(self) -> Interpreter:
        return self

    def __exit__(self, *_: object) -> None:
        self._here.close()
        self._process.join()


def _blocks(requests: Connection, folder: Path, environment: dict[str, str]) -> None:
    _settle(folder, environment)
    names: dict[str, object] = {"__name__": "__main__"}
    for source in _received(requests):
        printed, failed = io.StringIO(), ""
        with redirect_stdout(printed):
            try:
                exec(compile(source, "page", "exec"), names)
            except Exception:
                failed = traceback.format_exc()
        requests.send((printed.getvalue(), failed))


def _cells(requests: Connection, folder: Path, environment: dict[str, str]) -> None:
    """As a notebook runs them: magics work, the last value of a cell is shown, warnings are not lost."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    class Shell(InteractiveShell):
        def enable_gui(self, gui: str | None = None) -> None:
            """There is no window to keep alive."""

    _settle(folder, environment)
    shell = Shell.instance()
    for source in _received(requests):
        with capture_output() as captured:
            result = shell.run_cell(source)
        error = result.error_before_exec or result.error_in_exec
        failed = captured.stderr + ("".join(traceback.format_exception(error)) if error else "")
        requests.send((captured.stdout, failed))


def _received(requests: Connection) -> Iterator[str]:
    while True:
        try:
            yield requests.recv()
        except EOFError:
            return
