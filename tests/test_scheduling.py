"""What is marked as slow by name is there."""

import ast
from pathlib import Path

import pytest
import scheduling

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("nodeid", scheduling.LONG)
def test_every_long_test_is_a_test(nodeid):
    file, _, name = nodeid.partition("::")
    function, _, parameters = name.partition("[")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert not parameters or parameters.endswith("]")
