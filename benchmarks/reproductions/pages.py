"""Where a reproduction's numbers, picture and page lie, and how the page is made of the numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
#: A module and a page each, in the order of the gallery, and where in the docs its files lie.
PLACES = dict.fromkeys(
    ("balance", "two_players", "data_order", "heavy_ball", "deep_linear", "adam", "adam_noise", "muon", "softmax"),
    "reproductions",
)
PLACES["implicit_regularisation"] = "."

Numbers = dict[str, Any]


def file(name: str, suffix: str, folder: Path = DOCS) -> Path:
    """Where the numbers (``.json``), the picture (``.png``) or the page (``.md``) is."""
    return folder / PLACES[name] / f"{name}{suffix}"


def read(name: str) -> Numbers:
    """The numbers of the last run."""
    return json.loads(file(name, ".json").read_text(encoding="utf-8"))


def page(name: str, numbers: Numbers) -> str:
    """The page's Markdown; a number that it asks for and that is not there is an error."""
    world = Environment(
        loader=FileSystemLoader(HERE), undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    world.filters |= {"short": short, "fixed": "{:.{}f}".format}
    return world.get_template(f"{name}.md.jinja").render(numbers)


def short(number: float | None, digits: int = 2) -> str:
    """So many significant digits; a dash for what is not there."""
    return "–" if number is None else f"{number:.{digits}g}"
