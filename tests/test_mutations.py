"""The table of faults fits the code as it is; that the tests catch them is what ``make mutations`` shows."""

import ast
from pathlib import Path

import pytest
from mutations.faults import FAULTS

ROOT = Path(__file__).resolve().parents[1]


def test_there_are_many_and_none_twice():
    assert len(FAULTS) >= 60
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name[:70])
def test_a_fault_can_be_planted(fault):
    text = (ROOT / fault.file).read_text(encoding="utf-8")
    assert text.count(fault.old) == 1
    changed = text.replace(fault.old, fault.new)
    assert changed != text
    if fault.file.endswith(".py"):  # a slip that Python itself refuses would prove nothing
        assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(text))
    assert all((ROOT / place.partition("::")[0]).exists() for place in fault.tests)
