"""The table of faults: all can be planted.  That the tests catch them is what ``make mutations`` shows."""

import pytest
from mutations.__main__ import ROOT, misfit
from mutations.faults import FAULTS, Fault


def test_there_are_many_and_none_twice():
    assert len(FAULTS) >= 60
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_all_fit_the_code_as_it_is():
    assert {fault.name: reason for fault in FAULTS if (reason := misfit(fault, ROOT))} == {}


@pytest.mark.parametrize(
    ("old", "new", "tests", "reason"),
    [
        ("x = 1", "x = 2", ("test.py::test_x",), ""),
        ("y = 1", "y = 2", ("test.py",), "stands 0 times in the file"),
        ("1", "2", ("test.py",), "stands 2 times in the file"),
        ("x = 1", "x = (1)", ("test.py",), "changes nothing"),
        ("x = 1", "x = (1", ("test.py",), "is no Python"),
        ("x = 1", "x = 2", ("test.py", "gone.py"), "gone.py: no such tests"),
    ],
)
def test_a_fault_that_cannot_be_planted_is_told(tmp_path, old, new, tests, reason):
    (tmp_path / "module.py").write_text("x = 1\nz = 1\n")
    (tmp_path / "test.py").touch()
    assert misfit(Fault("module.py", old, new, tests), tmp_path) == reason
