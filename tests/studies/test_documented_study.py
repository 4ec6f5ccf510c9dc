"""The study in docs/studies.md is the file beside it, and its table names every key that there is."""

import re
from pathlib import Path

from eomsym import studies
from eomsym.studies import study_file

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "studies.md").read_text(encoding="utf-8")
EXAMPLE = DOCS / "examples" / "memory.toml"


def test_the_example_is_the_one_that_is_shown():
    shown = PAGE.partition("```toml\n")[2].partition("```")[0]
    assert EXAMPLE.read_text(encoding="utf-8").endswith(shown)


def test_the_example_has_the_jobs_that_are_told():
    plan = studies.read_plan(EXAMPLE)
    assert f"{len(plan)} jobs: 0 found" in PAGE
    assert len(plan) == 48


def test_every_key_is_documented():
    table = PAGE.partition("| key |")[2].partition("\n\n")[0]
    words = set(re.findall(r"`\[*([a-z-]+)\]*`", table))
    assert {*study_file.STUDY_KEYS, *study_file.OPTIMIZER_KEYS, *study_file.MODEL_KEYS} <= words
