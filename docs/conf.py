"""Sphinx configuration.  The source folder is the repository: so links from docs to notebooks and benchmarks hold."""

import sys
from pathlib import Path

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
    "public_api",
]
root_doc = "docs/index"
include_patterns = ["docs/*.md", "notebooks/*.ipynb", "benchmarks/RESULTS.md"]
# Pruned before they are walked through.
exclude_patterns = [".*", "build", "dist", "eomsym", "generated", "templates", "tests"]

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
# Notebooks come with their outputs and are run by the tests; pages with cells have none and are run here.
nb_execution_mode = "auto"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True
suppress_warnings = ["mystnb.unknown_mime_type"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_mock_imports = ["jax", "torch", "diffrax"]
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100

html_theme = "furo"
html_title = f"eomsym {release}"
html_static_path = []
html_show_sourcelink = False
# The start page of the built folder leads to the real one.
html_additional_pages = {"index": "redirect.html"}
templates_path = ["_templates"]
