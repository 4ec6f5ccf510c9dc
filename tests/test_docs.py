"""The pages: links lead somewhere, commands exist, examples print what they say, Sphinx builds without a warning."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
import venv
from contextlib import nullcontext
from pathlib import Path

import pytest
import typer
import yaml
from markdown_it import MarkdownIt
from page_examples import Session, examples
from preloaded import PreloadedSession

import eomsym
from eomsym.cli.app import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("reproductions/*.md")), ROOT / "README.md"]
#: Pages whose examples another test runs, or that take long.
LONG = {
    "own_loss.md",
    "own_optimizer.md",
    "sweeps.md",
    "high_order.md",
    "tree_tables.md",
    "README.md",
    "follow.md",
    "loops.md",
    "choosing_an_order.md",
    "noise.md",
    "whole_state.md",
}
IDS = [page.name for page in PAGES]


def inline_tokens(page):
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "inline":
            yield from token.children


def code_of(page):
    """All code: fences, indented blocks, and code in the text."""
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type in {"fence", "code_block"}:
            yield token.content
    yield from (token.content for token in inline_tokens(page) if token.type == "code_inline")


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_and_pictures_lead_somewhere(page):
    for token in inline_tokens(page):
        target = token.attrs.get("href") or token.attrs.get("src")
        if target and not target.startswith(("http:", "https:", "#")):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_every_page_and_notebook_is_in_the_table_of_contents_once():
    entries = []
    for page in (DOCS / "index.md", DOCS / "reproductions.md"):
        for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
            if token.type == "fence" and token.info == "{toctree}":
                entries += [line for line in token.content.splitlines() if line and not line.startswith(":")]
    pages = {str(page.relative_to(DOCS).with_suffix("")) for page in PAGES if page.is_relative_to(DOCS)} - {"index"}
    notebooks = {f"../notebooks/{path.stem}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert sorted(entries) == sorted(pages | notebooks | {"../benchmarks/RESULTS"}), "docs/index.md lists them"


def test_each_notebook_is_linked_from_a_page_on_what_it_shows():
    pages = [page for page in DOCS.glob("*.md") if page.stem not in {"index", "questions"}]
    linked = {target for page in pages for target in re.findall(r"notebooks/(\w+)\.ipynb", page.read_text("utf-8"))}
    assert linked == {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_commands_exist_with_their_options(page):
    for code in code_of(page):
        for line in re.findall(r"^(?:\s*\$ |\s*)(eomsym [a-z].*)$", code, re.MULTILINE):
            _, *words = shlex.split(line, comments=True)
            found = typer.main.get_command(app)
            while hasattr(found, "commands") and words and not words[0].startswith("-"):
                assert words[0] in found.commands, line
                found = found.commands[words.pop(0)]
            known = {"--help", *(name for parameter in found.params for name in parameter.opts)}
            assert {word for word in words if word.startswith("--")} <= known, line


def test_the_reference_shows_every_public_module():
    """By ``automodule``, which shows what ``__all__`` names and nothing else."""
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\.\. automodule:: eomsym\.(\w+)$", page, re.MULTILINE)
    assert set(shown) == set(eomsym._ROOMS)
    for name in set(shown) - {"jax", "torch"}:
        assert importlib.import_module(f"eomsym.{name}").__all__


WITH_EXAMPLES = [page for page in PAGES if page.name not in LONG and examples(page)]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.name)
def test_examples_print_what_the_page_says(page, tmp_path):
    check(page, PreloadedSession(tmp_path, PYTHONPATH=str(ROOT)))


def check(page, session):
    with session:
        for example in examples(page):
            printed = session.run(example)
            if example.expected is not None:
                assert printed == example.expected, f"{page.name}, line {example.line}: {example.source}"


def test_each_question_is_answered_in_seven_lines_with_a_notebook():
    text = (DOCS / "questions.md").read_text(encoding="utf-8")
    _, *questions = re.split(r"^## ", text, flags=re.MULTILINE)
    assert len(questions) == 10
    assert questions.pop().startswith("Which question is answered for which rule?")  # a table, and no code
    for question in questions:
        fences = [token for token in MarkdownIt().parse(question) if token.type == "fence"]
        assert any(fence.info.startswith(("console", "python")) for fence in fences), question
        asked = [
            re.sub(r"^(?!\$ ).*\n", "", f.content, flags=re.M) if f.info == "console" else f.content
            for f in fences
            if f.info != "text"  # what is printed
        ]
        most = 10 if question.startswith("Does it follow my own run") else 7
        assert all(len(text.splitlines()) <= most for text in asked), question
        assert re.search(r"\]\(\.\./notebooks/\w+\.ipynb(#[\w-]+)?\)", question), question
    assert DOCS / "questions.md" in WITH_EXAMPLES


def test_the_tutorial_is_among_them():
    assert DOCS / "tutorial.md" in WITH_EXAMPLES
    kinds = [example.kind for example in examples(DOCS / "tutorial.md")]
    assert kinds.count("console") >= 5
    assert kinds.count("python") >= 3


@pytest.mark.parametrize("fault", ["console", "python", None])
def test_a_page_that_says_something_else_is_found(tmp_path, fault):
    page = tmp_path / "page.md"
    said = {"console": "1", "python": "2", fault: "3"}
    command, block = f"$ echo 1\n{said['console']}", f"print(1 + 1)\n```\n\n```text\n{said['python']}"
    page.write_text(f"```console\n{command}\n```\n\n```python\n{block}\n```\n")
    with pytest.raises(AssertionError, match=r"page\.md, line") if fault else nullcontext():
        check(page, PreloadedSession(tmp_path))


def test_a_command_or_a_block_that_fails_is_found(tmp_path):
    for text in ("```console\n$ false\n```\n", "```python\n1 / 0\n```\n"):
        page = tmp_path / "page.md"
        page.write_text(text)
        with pytest.raises(AssertionError, match="line 1"):
            check(page, PreloadedSession(tmp_path))


def test_citation_file_names_this_version_and_has_what_the_format_asks_for():
    """The keys that the Citation File Format 1.2.0 requires."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == eomsym.__version__
    assert all({"name"} <= set(author) or {"family-names"} <= set(author) for author in citation["authors"])


def test_changelog_has_an_entry_for_this_version():
    headings = re.findall(r"^## \[(.*?)\]", (DOCS / "changelog.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased" or headings[0] == eomsym.__version__
    assert eomsym.__version__ in headings
    assert re.fullmatch(r"\d+\.\d+\.\d+", eomsym.__version__)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [
        ROOT / "README.md",
        *(DOCS / name for name in ("choosing_an_order.md", "follow.md", "loops.md", "noise.md", "whole_state.md")),
    ],
    ids=lambda page: page.name,
)
def test_pages_that_take_long_print_what_they_say(page, tmp_path):
    check(page, PreloadedSession(tmp_path, PYTHONPATH=str(ROOT)))


@pytest.mark.slow
def test_the_tutorial_as_a_new_user(tmp_path):
    """A fresh environment with the wheel, in another folder: every printed output is what the page says."""
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    venv.create(tmp_path / "env", with_pip=True, symlinks=True)
    programs = tmp_path / "env" / "bin"
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run([programs / "pip", "install", "--quiet", str(wheel)], env=surroundings, check=True)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    check(DOCS / "tutorial.md", Session(folder, programs, PYTHONPATH="", EOMSYM_CACHE=str(tmp_path / "cache")))
    assert (folder / "slopes.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "rings.pdf").read_bytes().startswith(b"%PDF")
