"""Files for other people's tools: they say what the project's own files say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

import eomsym

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RECIPE = yaml.safe_load((ROOT / "docs" / "conda" / "recipe.yaml").read_text(encoding="utf-8"))
PAPER = (ROOT / "paper" / "paper.md").read_text(encoding="utf-8")
#: Where conda-forge's package without a window system has another name.
CONDA = {"matplotlib": "matplotlib-base"}


def requirements(lines):
    """Names with the least version, or None."""
    split = [re.fullmatch(r"([\w-]+)\s*(?:>=([\d.]+))?", line).groups() for line in lines]
    return {CONDA.get(name, name): least for name, least in split}


def test_the_hook_calls_make_lint_and_nothing_else():
    """Whoever adds a linter adds it there."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (repository,) = hooks["repos"]
    assert [hook["entry"] for hook in repository["hooks"]] == ["make lint"]
    assert re.search(r"^lint:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_conda_recipe_asks_for_what_the_wheel_asks_for():
    run = requirements(RECIPE["requirements"]["run"])
    assert run.pop("python") == PROJECT["requires-python"].removeprefix(">=")
    assert run == requirements(PROJECT["dependencies"])
    assert RECIPE["context"]["version"] == eomsym.__version__
    (entry,) = RECIPE["build"]["python"]["entry_points"]
    assert entry == f"eomsym = {PROJECT['scripts']['eomsym']}"


def test_the_paper_cites_what_it_lists_and_is_short():
    """1000 words are two pages."""
    listed = re.findall(r"^@\w+\{(\w+),", (ROOT / "paper" / "paper.bib").read_text(encoding="utf-8"), re.MULTILINE)
    cited = set(re.findall(r"@(\w+)", PAPER))
    assert cited == set(listed)
    assert len(listed) == len(set(listed))
    assert len(PAPER.split()) < 1000


def test_the_licence_is_where_tools_look_for_it():
    assert PROJECT["license-files"] == ["LICENSE"]
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").lstrip().startswith("Apache License")
