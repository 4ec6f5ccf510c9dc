"""The page on one's own optimiser runs as it stands, and what it shows is what comes out."""

import re
import runpy
from pathlib import Path

import pytest

from eomsym import optimizers

PAGE = Path(__file__).parents[1] / "docs" / "own_optimizer.md"


@pytest.fixture
def registry(monkeypatch):
    """What the page registers is forgotten again."""
    for table in ("REGISTRY", "_BY_ALIAS"):
        monkeypatch.setattr(optimizers.registry, table, dict(getattr(optimizers.registry, table)))


def test_the_page_runs(registry, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)  # where it leaves a kernel
    text = PAGE.read_text(encoding="utf-8")
    script = tmp_path / "page.py"
    script.write_text("\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)), encoding="utf-8")
    names = runpy.run_path(str(script))
    assert names["study"].passed  # quasi-hyperbolic momentum, slopes 1, 2, 3, 4
    assert names["average_study"].passed
    printed = capsys.readouterr().out
    for line in re.findall(r"^    (θ̇.*|ξ_0 = .*|θ: F.*|average: F.*)$", text, re.MULTILINE):
        assert line in printed
