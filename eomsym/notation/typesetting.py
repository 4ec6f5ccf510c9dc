r"""LaTeX on paper: where lines are broken, and a document that compiles alone.

``\bigl(`` and ``\bigr)`` are the brackets in which a line may end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

#: Left and right side; without a left side the right one stands alone.
Sides = tuple[str, str]

#: Terms of a line; one with a full fraction, as coefficients in symbols are, takes the room of two.
TERMS = 3

_TOKEN = re.compile(r"\\big[lr][()]|\\[a-zA-Z]+|\\.|.", re.DOTALL)
_FRACTION = r"\frac"


def aligned(equations: Iterable[Sides], terms: int = TERMS) -> str:
    """Left and right sides as an ``aligned`` block (amsmath, MathJax), with so many terms in a line."""
    return "\\begin{aligned}\n" + " \\\\\n".join(_rows(list(equations), terms)) + "\n\\end{aligned}"


def document(title: str, equations: Iterable[Sides], terms: int = TERMS) -> str:
    """A LaTeX document of its own: a heading, and the equations on as many pages as they need."""
    rows = " \\\\\n".join(_rows(list(equations), terms))
    return (
        "\\documentclass{article}\n\\usepackage{amsmath}\n\\allowdisplaybreaks\n\\begin{document}\n"
        f"\\section*{{\\raggedright {title}}}\n\\begin{{align*}}\n{rows}\n\\end{{align*}}\n\\end{{document}}"
    )


def _rows(equations: Sequence[Sides], terms: int) -> Iterator[str]:
    for left, right in equations:
        first, *more = _lines(right, terms)
        yield f"{left} &= {first}" if left else f"& {first}"
        yield from (rf"&\quad {{}}{line}" for line in more)  # {}: a sign at the beginning of a line keeps its space


def _lines(text: str, terms: int) -> list[str]:
    lines, room = [""], terms
    for piece in _split(text):
        size = 1 + (_FRACTION in piece)
        if lines[-1] and size > room:
            lines.append("")
            room = terms
        lines[-1] += piece
        room -= size
    return [line.strip() for line in lines]


def _split(text: str) -> Iterator[str]:
    """The text cut before each + and − that stands in no group and no brackets but ``\\bigl(``."""
    begin = depth = place = 0
    while place < len(text):
        if depth == 0 and place > begin and text.startswith((" + ", " - "), place):
            yield text[begin:place]
            begin = place
        token = _TOKEN.match(text, place).group()  # type: ignore[union-attr]
        depth += (token in ("{", "[", "(")) - (token in ("}", "]", ")"))
        place += len(token)
    yield text[begin:]
