"""The table of faults: all can be planted.  That the tests catch them is what ``make mutations`` shows."""

import pytest
from mutations.__main__ import ROOT, misfit
from mutations.faults import FAULTS, Fault
from mutations.places import with_fault

FIRST = """def f():
    x = 1
    z = 1


@dataclass
class Shape:
    sides: int = 1

    def area(self):
        return 1
"""
SECOND = """LEAST = 1


def f():
    y = 1


def g():
    y = 1
"""


@pytest.fixture
def project(tmp_path):
    """Some code, a template and a test."""
    (tmp_path / "eomsym" / "room").mkdir(parents=True)
    (tmp_path / "eomsym" / "module.py").write_text(FIRST)
    (tmp_path / "eomsym" / "room" / "second.py").write_text(SECOND)
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "a.jinja").write_text("1")
    (tmp_path / "test.py").touch()
    return tmp_path


def test_there_are_many_and_none_twice():
    assert len(FAULTS) >= 60
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_all_fit_the_code_as_it_is():
    assert {fault.name: reason for fault in FAULTS if (reason := misfit(fault, ROOT))} == {}


@pytest.mark.parametrize(
    ("old", "new", "tests", "reason"),
    [
        ("x = 1", "x = 2", ("test.py::test_x",), ""),
        ("w = 1", "w = 2", ("test.py",), "stands 0 times there"),
        ("1", "2", ("test.py",), "stands 3 times there"),
        ("x = 1", "x = (1)", ("test.py",), "changes nothing"),
        ("x = 1", "x = (1", ("test.py",), "is no Python"),
        ("x = 1", "x = 2", ("test.py", "gone.py"), "gone.py: no such tests"),
    ],
)
def test_a_fault_that_cannot_be_planted_is_told(project, old, new, tests, reason):
    assert misfit(Fault("f", old, new, tests), project) == reason


@pytest.mark.parametrize(
    ("place", "old", "file", "changed"),
    [
        ("f", "y = 1", "eomsym/room/second.py", SECOND.replace("y = 1", "NEW", 1)),
        ("LEAST", "1", "eomsym/room/second.py", SECOND.replace("LEAST = 1", "LEAST = NEW")),
        ("Shape.area", "1", "eomsym/module.py", FIRST.replace("return 1", "return NEW")),
        ("Shape.sides", "1", "eomsym/module.py", FIRST.replace("int = 1", "int = NEW")),
        ("Shape", "@dataclass", "eomsym/module.py", FIRST.replace("@dataclass", "NEW")),
        ("templates/a.jinja", "1", "templates/a.jinja", "NEW"),
    ],
)
def test_a_place_is_found_by_its_name_wherever_it_lies(project, place, old, file, changed):
    """The two called f are told apart by what is in them, and so are f and g."""
    before = (project / file).read_text()
    assert with_fault(Fault(place, old, "NEW", ()), project) == (project / file, before, changed)


def test_what_is_nowhere_is_told(project):
    for place in ("h", "Shape.f", "area", "templates/b.jinja"):
        assert misfit(Fault(place, "1", "2", ("test.py",)), project) == "no such place"
