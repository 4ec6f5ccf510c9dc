"""The pages as they are built, in a browser without a network: formulas, pictures, search, narrow screens."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zlib
from pathlib import Path
from urllib.parse import quote

import pytest
from browser import CHROMIUM, NARROW, visit

import eomsym

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (Debian: apt-get install chromium)")
CONFIGURATION = (ROOT / "docs" / "conf.py").read_text(encoding="utf-8")
PATTERNS = ast.literal_eval(re.search(r"include_patterns = (\[.*?\])", CONFIGURATION, re.DOTALL)[1])
PAGES = sorted(
    path.relative_to(ROOT).with_suffix(".html").as_posix() for pattern in PATTERNS for path in ROOT.glob(pattern)
)
#: What people search for, and the page that has to be among what is found.
WORDS = {
    "implicit regularisation": "questions",
    "implicit regularization": "questions",
    "learning-rate schedule": "questions",
    "momentum first step": "questions",
    "conservation laws": "questions",
    "trajectory plane": "questions",
    "largest learning rate": "questions",
    "PyTorch model": "questions",
    "JAX model": "questions",
    "formula paper LaTeX": "questions",
}


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """``make docs``, each warning an error."""
    for module in ("myst_nb", "mathjax"):
        pytest.importorskip(module, reason="the extra 'docs' is not installed")
    folder = tmp_path_factory.mktemp("pages")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(folder / "doctrees")]
    done = subprocess.run(
        [*command, "-c", "docs", ".", str(folder / "html")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_sphinx_builds_without_a_warning(built):
    assert all((built / page).exists() for page in PAGES)


def test_the_page_to_play_with_is_among_them(built):
    assert (built / "docs/play/plane.html").read_text().strip() == (ROOT / "docs/play/plane.html").read_text().strip()


FOUND = """
await new Promise((go) => setTimeout(go, 5000));
return [...document.querySelectorAll("#search-results li a")].map((link) => link.href);
"""


def test_every_public_name_is_documented(built):
    """In the index of the reference: what ``__all__`` names, at the top, or of a room or the module it comes from."""
    packed = (built / "objects.inv").read_bytes().split(b"\n", 4)[4]
    entries = {line.split(" ")[0] for line in zlib.decompress(packed).decode().splitlines()}
    documented = {(entry.split(".")[1], entry.rpartition(".")[2]) for entry in entries if entry.count(".") >= 2}
    documented |= {("", entry.removeprefix("eomsym.")) for entry in entries if entry.count(".") == 1}
    rooms = [room for room in eomsym._ROOMS if room not in {"jax", "torch"}]
    public = {(room, name) for room in rooms for name in getattr(eomsym, room).__all__}
    public |= {
        ("", name) for name in eomsym.__all__ if name not in eomsym.double_double.__all__ + eomsym.errors.__all__
    }
    elsewhere = {("optimizers", "RATE")}  # of schedules
    assert public - documented == elsewhere
    assert len(public) > 150


LOOK = """
await window.MathJax?.startup?.promise;
const formulas = [...document.querySelectorAll(".math.notranslate")];
const names = [...document.images].filter((image) => !image.closest(".thumbnails")).map((image) => image.alt);
return {
  formulas: formulas.length,
  raw: formulas.filter((formula) => !formula.querySelector("mjx-container svg")).length,
  faults: [...document.querySelectorAll("[data-mjx-error]")].map((fault) => fault.textContent),
  unnamed: names.filter((name) => !name || name.endsWith(".png")).length,
  lost: [...document.images].filter((image) => !image.naturalWidth).map((image) => image.src),
  overflow: document.documentElement.scrollWidth - innerWidth,
};
"""


@in_a_browser
@pytest.mark.parametrize("page", PAGES)
def test_without_a_network_on_a_narrow_screen(built, page):
    seen = visit(built / page, LOOK, NARROW)
    assert (seen.said, seen.asked) == ([], [])
    assert (seen.found["raw"], seen.found["faults"]) == (0, [])
    assert (seen.found["unnamed"], seen.found["lost"]) == (0, [])
    assert seen.found["overflow"] <= 0


@in_a_browser
def test_there_are_formulas(built):
    assert visit(built / "docs/theory.html", LOOK).found["formulas"] > 50


@in_a_browser
@pytest.mark.parametrize("words", WORDS)
def test_the_search_finds_what_people_ask_for(built, words):
    seen = visit(built / "search.html", FOUND, query=f"?q={quote(words)}")
    assert seen.said == []
    assert any(f"docs/{WORDS[words]}.html" in link for link in seen.found), seen.found


@in_a_browser
def test_the_search_finds_nothing_where_there_is_nothing(built):
    assert visit(built / "search.html", FOUND, query="?q=abracadabra").found == []
