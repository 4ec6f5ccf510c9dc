"""Sphinx configuration.  The source folder is the repository: so links from docs to notebooks and benchmarks hold."""

import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "extensions")]

import eomsym  # noqa: E402  the checkout's

project = "eomsym"
author = "The eomsym developers"
copyright = f"2026, {author}"
release = version = eomsym.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "command_help",
    "pictures",
]
root_doc = "docs/index"
include_patterns = ["docs/*.md", "docs/reproductions/*.md", "notebooks/*.ipynb", "benchmarks/RESULTS.md"]
# Pruned before they are walked through.
exclude_patterns = [".*", "build", "dist", "eomsym", "generated", "templates", "tests"]

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
# Notebooks are committed with their outputs, and the tests run them again; pages with cells are run here.
nb_execution_mode = "auto"
nb_execution_excludepatterns = ["notebooks/*"]
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_mock_imports = ["jax", "torch", "diffrax"]
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100

html_theme = "furo"
html_title = f"eomsym {release}"
# MathJax is one file of the pages: formulas are set without a network.
MATHJAX = files("mathjax") / "static" / "mathjax" / "es5" / "tex-svg.js"
html_static_path = ["_static", str(MATHJAX)]
html_css_files = ["pages.css"]
mathjax_path = MATHJAX.name
html_show_sourcelink = False
html_show_search_summary = False  # it is fetched, which a browser refuses for files
# The start page of the built folder leads to the real one; the page to play with lies beside its links, as in docs.
html_additional_pages = {"index": "redirect.html", "docs/play/plane": "plane.html"}
templates_path = ["_templates", "play"]


def _plain_bars(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """In a docstring ``|λ|`` is an absolute value, in reStructuredText a substitution."""

    def parts() -> Iterator[str]:
        for index, part in enumerate("\n".join(lines).split("``")):
            yield part if index % 2 else part.replace("|", r"\|")

    lines[:] = "``".join(parts()).split("\n")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _plain_bars)
