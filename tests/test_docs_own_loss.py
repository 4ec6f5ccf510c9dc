"""Examples of one library in one process: own_loss.md, loops.md, audit.md, what own_network.md says of PyTorch, …"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("page", "library"),
    [
        ("own_loss", ""),
        ("own_loss", "jax"),
        ("own_loss", "torch"),
        ("own_network", "torch"),
        ("own_network", "jax"),
        ("audit", "torch"),
        ("loops", "jax"),
        ("loops", "torch"),
        ("tracker", "torch"),
        ("corrected", "torch"),
        ("corrected", "jax"),
        ("questions", "torch"),
        ("questions", "jax"),
    ],
)
def test_the_examples_run(page, library, tmp_path):
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python ?(\w*)\n(.*?)```", text, re.S)
    if library:
        pytest.importorskip(library, reason=f"the extra {library!r} is not installed")
    program = "\n".join(text for name, text in examples if name == library)
    assert program
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error::UserWarning", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
