r"""LaTeX on paper: how wide a formula is, where its lines are broken, and a document that compiles alone.

Widths are estimates from above, in pt, for Computer Modern at 10 pt (Knuth, Computer Modern Typefaces, 1986): the test
has TeX measure the same.  ``\bigl(`` and ``\bigr)`` are the brackets in which a line may end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

#: Left and right side; without a left side the right one stands alone.
Equation = tuple[str, str]

#: ``\textwidth`` of LaTeX's article.
TEXTWIDTH = 345.0

_TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|.", re.DOTALL)
_SCRIPT = 0.8  # of a number at 7 pt
_EQUALS, _INDENT, _ROOT, _FRACTION = 13.4, 10.0, 10.0, 2.5
_BRACKETS, _TALL_BRACKETS = 12.6, 18.4  # both of them, and the space around
_OF_COMMANDS = {
    **dict.fromkeys((r"\,", r"\!", r"\ "), 3.4),
    **{r"\;": 2.8, r"\quad": 10.0, r"\qquad": 20.0, r"\bigl": 0.8, r"\bigr": 0.8, r"\nabla": 8.4, r"\cdot": 7.3},
    **{r"\partial": 6.1, r"\mathcal": 3.0, r"\Sigma": 7.3, r"\dots": 13.4, r"\in": 12.3, r"\to": 15.6},
}
_OF_CHARACTERS = {
    **dict.fromkeys("+-", 12.3),
    **dict.fromkeys("=<>", _EQUALS),
    **dict.fromkeys("()", 3.9),
    **dict.fromkeys("[]|.:;'", 2.9),
    **dict.fromkeys("0123456789/", 5.0),
    **dict.fromkeys("ijlrtI", 4.8),
    **dict.fromkeys("mwMW", 10.9),
    **{",": 4.5, " ": 0.0, "~": 3.4},
}
_LETTER, _CAPITAL, _WORD = 6.2, 9.2, 5.1
_IN_WORDS = {
    **dict.fromkeys("ABCDEFGHKLNOPQRSTUVXYZmwMW", 8.4),
    **dict.fromkeys("bdhknpquvxy", 5.6),
    **dict.fromkeys("frts ", 4.0),
}


def width(text: str) -> float:
    """The width of a formula in pt, estimated from above."""
    return _Reader(text).row()


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens, self._place = _TOKEN.findall(text), 0

    def row(self, *ends: str) -> float:
        """Up to one of the ends, which is passed too."""
        total = 0.0
        while self._place < len(self._tokens):
            token = self._next()
            if token in ends:
                break
            total += self._item(token)
        return total

    def _next(self) -> str:
        self._place += 1
        return self._tokens[self._place - 1]

    def _argument(self) -> float:
        while (token := self._next()) == " ":
            pass
        return self._item(token)

    def _item(self, token: str) -> float:
        match token:
            case "{":
                return self.row("}")
            case "^" | "_":
                return _SCRIPT * self._argument() + 0.6
            case r"\frac":
                return max(self._argument(), self._argument()) + _FRACTION
            case r"\tfrac":
                return _SCRIPT * max(self._argument(), self._argument()) + _FRACTION
            case r"\sqrt":
                return self._argument() + _ROOT
            case r"\dot" | r"\hat" | r"\tilde":
                return self._argument()
            case r"\text" | r"\mathrm":
                return self._words()
            case r"\left":
                begin = self._place
                self._next()
                inside = self.row(r"\right")
                tall = any(name in (r"\frac", r"\sqrt") for name in self._tokens[begin : self._place])
                self._next()
                return inside + (_TALL_BRACKETS if tall else _BRACKETS)
        if token in _OF_COMMANDS:
            return _OF_COMMANDS[token]
        return _OF_CHARACTERS.get(token, _CAPITAL if token.isupper() else _LETTER)

    def _words(self) -> float:
        """A group of words, mathematics between dollar signs."""
        total, self._place = 0.0, self._place + 1
        while (token := self._next()) != "}":
            total += self.row("$") if token == "$" else _IN_WORDS.get(token, _WORD)
        return total


def aligned(equations: Iterable[Equation], room: float = TEXTWIDTH) -> str:
    """Left and right sides as an ``aligned`` block (amsmath, MathJax) no wider than ``room``, in pt at 10 pt.

    A single factor that is wider stays whole.
    """
    return "\\begin{aligned}\n" + " \\\\\n".join(_rows(list(equations), room)) + "\n\\end{aligned}"


def document(title: str, equations: Iterable[Equation], room: float = TEXTWIDTH) -> str:
    """A LaTeX document of its own: a heading, and the equations on as many pages as they need."""
    rows = " \\\\\n".join(_rows(list(equations), room))
    return (
        "\\documentclass{article}\n\\usepackage{amsmath}\n\\allowdisplaybreaks\n\\begin{document}\n"
        f"\\section*{{\\raggedright {title}}}\n\\begin{{align*}}\n{rows}\n\\end{{align*}}\n\\end{{document}}"
    )


def _rows(equations: Sequence[Equation], room: float) -> Iterator[str]:
    left_width = max(width(left) for left, _ in equations)
    for left, right in equations:
        first, *more = _lines(right, room - left_width - _EQUALS - (0 if left else _INDENT))
        yield f"{left} &= {first}" if left else f"& {first}"
        yield from (rf"&\quad {line}" for line in more)


def _lines(text: str, room: float) -> list[str]:
    """The text in lines that fit, the first without an indent."""
    if text.startswith(_TEXT) and _closing(text, len(_TEXT)) == len(text) - 1:
        return _lines_of_words(text[len(_TEXT) : -1], room - _INDENT)
    lines, left = [""], room
    for piece in _fitting(text, room - _INDENT):
        if lines[-1] and width(piece) > left:
            lines.append("")
            left = room - _INDENT
        lines[-1] += piece if lines[-1] or len(lines) == 1 else _continued(piece)
        left -= width(piece)
    return [line.strip() for line in lines]


_TEXT = r"\text{"


def _lines_of_words(text: str, room: float) -> list[str]:
    lines: list[str] = []
    for word in re.findall(r"(?:\$[^$]*\$|[^\s$])+", text):
        longer = f"{lines[-1]} {word}" if lines else ""
        if longer and width(f"{_TEXT}{longer}}}") <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return [f"{_TEXT}{line}}}" for line in lines]


def _continued(piece: str) -> str:
    """A sign at the beginning of a line keeps its space."""
    return "{}" + piece.lstrip() if piece.lstrip()[:2] in ("+ ", "- ") else piece.lstrip()


def _fitting(text: str, room: float) -> Iterator[str]:
    """The pieces between which a line may end; where one is too wide, those of that one."""
    for piece in _split(text, (" + ", " - ")):
        if width(piece) <= room:
            yield piece
        elif (looser := _with_numerator_in_brackets(piece)) != piece:
            yield from _fitting(looser, room)
        else:
            first, *factors = _split(piece, (r" \, ",))
            yield from (first, *(r" \cdot " + factor.removeprefix(r" \, ") for factor in factors))


def _split(text: str, marks: tuple[str, ...]) -> list[str]:
    """The text cut before the marks that stand in no group and no brackets but ``\\bigl(``."""
    parts, depth, place = [""], 0, 0
    while place < len(text):
        token = _TOKEN.match(text, place).group()  # type: ignore[union-attr]
        if token in (r"\bigl", r"\bigr"):
            parts[-1] += text[place : place + len(token) + 1]
            place += len(token) + 1
            continue
        depth += (token in ("{", "[", "(")) - (token in ("}", "]", ")"))
        if depth == 0 and parts[-1] and text.startswith(marks, place):
            parts.append("")
        parts[-1] += token
        place += len(token)
    return parts


_FRACTION_BEGIN = r"\frac{"


def _with_numerator_in_brackets(piece: str) -> str:
    r"""``\frac{a + b}{c} d`` as ``\frac{1}{c} \bigl(a + b\bigr) d``, where it begins with one; else the piece.

    Of a product ``\frac{a \left(b + c\right)}{d}`` the last factor.
    """
    begin = piece.find(_FRACTION_BEGIN)
    if begin < 0 or piece[:begin].strip(" +-"):
        return piece
    end = _closing(piece, begin + len(_FRACTION_BEGIN))
    numerator, close = piece[begin + len(_FRACTION_BEGIN) : end], _closing(piece, end + 2)
    factor = "1"
    if numerator.endswith(r"\right)"):
        factor, _, numerator = numerator.removesuffix(r"\right)").rpartition(r"\left(")
    if len(_split(numerator, (" + ", " - "))) < 2:
        return piece
    fraction = rf"\frac{{{factor.strip() or '1'}{piece[end : close + 1]}"
    return rf"{piece[:begin]}{fraction} \bigl({numerator}\bigr){piece[close + 1 :]}"


def _closing(text: str, begin: int) -> int:
    """Where the group closes whose inside begins here."""
    depth = 1
    for place in range(begin, len(text)):
        depth += (text[place] == "{") - (text[place] == "}")
        if depth == 0:
            return place
    raise AssertionError("a group is not closed")
