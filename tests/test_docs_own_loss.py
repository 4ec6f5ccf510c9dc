"""The examples of docs/own_loss.md, run as they stand; those of one library in one process, one after the other."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = re.findall(r"```python ?(\w*)\n(.*?)```", (ROOT / "docs" / "own_loss.md").read_text(encoding="utf-8"), re.S)


@pytest.mark.parametrize("library", ["", "jax", "torch"])
def test_the_examples_run(library, tmp_path):
    if library:
        pytest.importorskip(library, reason=f"the extra {library!r} is not installed")
    program = "\n".join(text for name, text in EXAMPLES if name == library)
    assert program
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error::UserWarning", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
