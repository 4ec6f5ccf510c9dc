"""The sweep in docs/sweeps.md is the file beside it, and its table names every key that there is."""

import re
from pathlib import Path

from eomsym import sweeps
from eomsym.sweeps import plan as sweep_plan

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "sweeps.md").read_text(encoding="utf-8")
EXAMPLE = DOCS / "examples" / "memory.toml"


def test_the_example_is_the_one_that_is_shown():
    shown = PAGE.partition("```toml\n")[2].partition("```")[0]
    assert EXAMPLE.read_text(encoding="utf-8").endswith(shown)


def test_the_example_has_the_jobs_that_are_told():
    plan = sweeps.read_plan(EXAMPLE)
    assert f"{len(plan)} jobs: 0 found" in PAGE
    assert len(plan) == 48


def test_every_key_is_documented():
    table = PAGE.partition("| key |")[2].partition("\n\n")[0]
    words = set(re.findall(r"`\[*([a-z-]+)\]*`", table))
    keys = {field.alias for table in sweep_plan._TABLES.values() for field in table.model_fields.values()}
    assert {"weight-decay", "target"} <= keys <= words
