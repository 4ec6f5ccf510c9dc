"""Every public room and every name of the reference can be had from a fresh interpreter, whatever else is loaded."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import eomsym

API = (Path(__file__).parents[1] / "docs/api.md").read_text(encoding="utf-8")
MODULES = re.findall(r"^\.\. automodule:: eomsym\.([\w.]+)$", API, re.MULTILINE)
#: The table of short names: what stands in the first column in backquotes.
SHORT = [name for row in re.findall(r"^\| (`\w+`.*?) \|", API, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]

FIRST_ACCESS = """
import sys
from importlib import import_module

import eomsym

room, *inner = sys.argv[1].split(".")
module = getattr(eomsym, room)
if inner:
    module = import_module(f"eomsym.{sys.argv[1]}")
for name in module.__all__:
    getattr(module, name)
print(len(module.__all__))
"""


def fresh(program, *arguments):
    """What a program prints in an interpreter of its own."""
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", MODULES)
def test_a_room_and_all_its_names_are_there_at_the_first_access(module):
    if module in ("jax", "torch"):
        pytest.importorskip(module, reason=f"the extra {module!r} is not installed")
    assert int(fresh(FIRST_ACCESS, module)) > 0


def test_every_room_is_in_the_reference():
    assert set(eomsym._ROOMS) <= set(MODULES)


def test_the_short_names_are_those_of_the_reference_and_each_is_there():
    assert sorted(SHORT) == sorted(eomsym.__all__)
    program = "import sys, eomsym; print(*(getattr(eomsym, name).__name__ for name in sys.argv[1:]))"
    assert fresh(program, *SHORT).split() == SHORT
