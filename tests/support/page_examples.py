"""Examples on a Markdown page, run as a reader would run them, one after the other in one folder.

A ``console`` fence holds commands, after ``$``, each with what it prints.  A ``python`` fence is run in the page's one
interpreter; a ``text`` fence right after it is what it prints.  ``python NAME`` fences belong to the extra NAME.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

#: Runs blocks of Python that come in as lines of JSON, and answers each with what it printed.
INTERPRETER = """
import contextlib, io, json, sys
names = {"__name__": "__main__"}
for line in sys.stdin:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(json.loads(line), "page", "exec"), names)
    print(json.dumps(printed.getvalue()), flush=True)
"""


@dataclass(frozen=True)
class Example:
    """A command or a block of Python; ``expected`` is None where the page does not say what is printed."""

    kind: str
    source: str
    expected: str | None
    line: int


def examples(page: Path, extra: str = "") -> list[Example]:
    """The examples of a page in their order, of those that need an extra only the one's that is named."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    found: list[Example] = []
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type != "fence" or token.map is None:
            continue
        words, line = token.info.split(), token.map[0] + 1
        if words == ["console"]:
            found += _commands(token.content, line)
        elif words and words[0] == "python" and words[1:] == ([extra] if extra else []):
            printed = following.content if following is not None and following.info == "text" else None
            found.append(Example("python", token.content, printed, line))
    return found


def _commands(content: str, line: int) -> Iterator[Example]:
    source, printed = "", ""
    for text in content.splitlines():
        if text.startswith("$ "):
            if source:
                yield Example("console", source, printed, line)
            source, printed = text[2:], ""
        else:
            printed += text + "\n"
    yield Example("console", source, printed, line)


class Session:
    """Runs examples in ``folder`` with what is in ``programs``, the ``bin`` of an environment, before all others."""

    def __init__(self, folder: Path, programs: Path, **environment: str) -> None:
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        self._where = {"cwd": folder, "env": {**os.environ, "PATH": path, "COLUMNS": "80", **environment}}
        self._python = subprocess.Popen(
            [programs / "python", "-c", INTERPRETER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **self._where,
        )

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._python.communicate()

    def run(self, example: Example) -> str:
        """What is printed; a command that fails or a block that raises is an ``AssertionError``."""
        return self._command(example) if example.kind == "console" else self._block(example)

    def _command(self, example: Example) -> str:
        done = self._called(example.source)
        assert done.returncode == 0, f"line {example.line}: {example.source}: status {done.returncode}\n{done.stderr}"
        return done.stdout

    def _called(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, **self._where)

    def _block(self, example: Example) -> str:
        assert self._python.stdin is not None
        assert self._python.stdout is not None
        self._python.stdin.write(json.dumps(example.source) + "\n")
        self._python.stdin.flush()
        answer = self._python.stdout.readline()
        assert answer, f"line {example.line}: the block raises; see stderr"
        return json.loads(answer)
