"""Running the command line: in this process for speed, in one of its own where that is what is tested."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from eomsym.cli import main

#: Typer makes all commands anew at each call, which takes longer than most of what is asked for here.
_commands = cache(typer.main.get_command)


@pytest.fixture(autouse=True, scope="module")
def _commands_are_made_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", _commands)
        yield


class Result(NamedTuple):
    """Exit status and what was printed."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """stdout as the one JSON object that it must be, on one line and strict (no NaN)."""
        value = json.loads(self.out, parse_constant=_refuse_constant)
        assert isinstance(value, dict)
        return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """``run("derive", "--order", "2")`` in an empty folder, ``tmp_path``."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Result:
        capsys.readouterr()
        status = main(arguments)
        return Result(status, *capsys.readouterr())

    return call


@pytest.fixture
def run_process(tmp_path: Path) -> Callable[..., Result]:
    """The same as a process ``python -m eomsym``; keywords are environment variables."""

    def call(*arguments: str, **environment: str) -> Result:
        command = [sys.executable, "-m", "eomsym", *arguments]
        surroundings = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment}
        done = subprocess.run(command, cwd=tmp_path, env=surroundings, capture_output=True, check=False)
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    return call
