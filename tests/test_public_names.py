"""Every public room and every name of the reference can be had from a fresh interpreter, whatever else is loaded."""

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import eomsym

API = (Path(__file__).parents[1] / "docs/api.md").read_text(encoding="utf-8")
MODULES = re.findall(r"^\.\. automodule:: eomsym\.([\w.]+)$", API, re.MULTILINE)
#: The table of short names: what stands in the first column in backquotes.
SHORT = [name for row in re.findall(r"^\| (`\w+`.*?) \|", API, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]

#: Forks of one interpreter that has the libraries, which take most of the time, and nothing of eomsym.
FIRST_ACCESS = """
import json, os, sys, traceback
import matplotlib.pyplot, numba, numpy, scipy.integrate, sympy

def first_access(path):
    from importlib import import_module
    import eomsym
    room, *inner = path.split(".")
    module = getattr(eomsym, room)
    if inner:
        module = import_module(f"eomsym.{path}")
    for name in module.__all__:
        getattr(module, name)
    return len(module.__all__)

assert not any(name.partition(".")[0] == "eomsym" for name in sys.modules)
found = {}
for path in sys.argv[1:]:
    here, there = os.pipe()
    if os.fork() == 0:
        try:
            told = first_access(path)
        except BaseException:
            told = traceback.format_exc()
        os.write(there, json.dumps(told).encode())
        os._exit(0)
    os.close(there)
    with open(here) as answer:
        found[path] = json.load(answer)
    os.wait()
print(json.dumps(found))
"""


def fresh(program, *arguments):
    """What a program prints in an interpreter of its own."""
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def found():
    """How many names each room has, or the traceback of its first access."""
    wanted = [module for module in MODULES if module not in ("jax", "torch") or find_spec(module)]
    return json.loads(fresh(FIRST_ACCESS, *wanted))


@pytest.mark.parametrize("module", MODULES)
def test_a_room_and_all_its_names_are_there_at_the_first_access(module, found):
    if module not in found:
        pytest.skip(f"the extra {module!r} is not installed")
    assert isinstance(found[module], int), found[module]
    assert found[module] > 0


def test_every_room_is_in_the_reference():
    assert set(eomsym._ROOMS) <= set(MODULES)


def test_the_short_names_are_those_of_the_reference_and_each_is_there():
    assert sorted(SHORT) == sorted(eomsym.__all__)
    program = "import sys, eomsym; print(*(getattr(eomsym, name).__name__ for name in sys.argv[1:]))"
    assert fresh(program, *SHORT).split() == SHORT


def test_each_name_is_public_in_one_place():
    """Names at the top are in no room's list but of the modules at the top, and all of them are at most 180."""
    rooms = [room for room in eomsym._ROOMS if room not in {"jax", "torch"} or find_spec(room)]
    places = [(room, name) for room in rooms for name in getattr(eomsym, room).__all__]
    twice = {name for _, name in places} & set(eomsym.__all__)
    assert twice == {"DoubleDouble", "EomsymError"}
    assert len(places) + len(eomsym.__all__) - len(twice) <= 180
    for room, name in (
        ("verification", "verify"),
        ("derivation", "derive"),
        ("codegen", "load"),
        ("models", "Dataset"),
    ):
        assert getattr(getattr(eomsym, room), name) is getattr(eomsym, name), "there for who knows the room"


@pytest.mark.parametrize("package", [eomsym, eomsym.derivation, eomsym.notation], ids=lambda package: package.__name__)
def test_names_that_are_imported_on_first_use_are_listed_and_others_are_refused(package):
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'nothing'"):
        package.nothing  # noqa: B018
