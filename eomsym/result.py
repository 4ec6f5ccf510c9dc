"""What was found, told once and shown in every form: a line, text, HTML, JSON, a frame, a figure.

A result says what it is made of (``to_dict``, ``records``) and what people read (``report``); all else follows here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from html import escape
from importlib import import_module
from numbers import Number
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import polars
    from matplotlib.figure import Figure
    from rich.table import Table as RichTable

__all__ = ["Result", "Table"]

#: Cells that say how it ended.
_COLOURS = {"passed": "green", "failed": "red", "undecided": "yellow"}
#: No table is wider: its text is not made to fit a terminal.
_ANY_WIDTH = 1000

#: Attributes that hold pairs of a name and a text.
_PAIRS = ("parameters", "schedules")

Row = Sequence[str]


@dataclass(frozen=True)
class Table:
    """Cells as people read them; a row that is None is a line across, and short rows end in empty cells.

    ``words`` are numbers of columns that begin at the left, the others end at the right; of the last, −1.
    ``boxed`` has frames around; ``fixed`` columns are not wrapped there, and ``width`` is that of the first column in
    characters, if it is given.
    """

    head: Row
    rows: Sequence[Row | None]
    words: tuple[int, ...] = ()
    boxed: bool = False
    fixed: tuple[int, ...] = ()
    width: int | None = None

    @classmethod
    def of(cls, rows: Iterable[Any], columns: Mapping[str, str], **look: Any) -> Table:
        """A table of results or mappings: of each what ``columns`` has by head, a name with its form, ``error:.1e``."""
        return cls(list(columns), [[_told(row, cell) for cell in columns.values()] for row in rows], **look)

    def _left(self, column: int) -> bool:
        return column in self.words or column - len(self.head) in self.words

    def __rich__(self) -> RichTable:
        from rich.table import Table as RichTable
        from rich.text import Text

        made = RichTable()
        for number, name in enumerate(self.head):
            justify: Literal["left", "right"] = "left" if self._left(number) else "right"
            width = self.width if number == 0 else None
            made.add_column(name, justify=justify, no_wrap=number in self.fixed, width=width)
        for row in self.rows:
            if row is None:
                made.add_section()
            else:
                made.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in row))
        return made

    def __str__(self) -> str:
        if self.boxed:
            return rendered(self)
        rows = [self.head, *(row for row in self.rows if row is not None)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        justify = [str.ljust if self._left(number) else str.rjust for number in range(len(widths))]
        return "\n".join(
            "  ".join(put(cell, width) for put, cell, width in zip(justify, row, widths, strict=True)).rstrip()
            for row in rows
        )

    def html(self) -> str:
        """The same as a table of HTML."""
        lines = [_html_row(self.head, "th"), *(_html_row(row, "td") for row in self.rows if row is not None)]
        return f"<table>{''.join(lines)}</table>"


def rendered(table: Table, width: int = _ANY_WIDTH) -> str:
    """A table in its frame, without colours."""
    from io import StringIO

    from rich.console import Console

    paper = StringIO()
    Console(file=paper, width=width, color_system=None, force_terminal=False, force_jupyter=False).print(table)
    return paper.getvalue().rstrip("\n")


def _html_row(row: Row, cell: str) -> str:
    return f"<tr>{''.join(f'<{cell}>{_html(text)}</{cell}>' for text in row)}</tr>"


def _html(text: str) -> str:
    return escape(text).replace("\n", "<br>")


class Result:
    """What was found, in every form.

    A data class of results says ``@dataclass(repr=False)``, what is in its line (``summary``), its table and sentences
    (``report``) and its rows (``rows_of``, ``column_values`` or ``records``); where it does not, they are made of its
    fields.
    """

    #: The attributes in ``to_dict``; the fields where none are named.  One with a ? is left out where there is nothing.
    told: tuple[str, ...] = ()
    #: The attribute whose entries are the ``records``, where there is one.
    rows_of = ""
    #: The function that draws it, by its full name; where there is none, lines are drawn of ``records``.
    drawn_by = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: lists, texts and Python numbers; one that does not exist is ``None``."""
        return self.entries(*(self.told or (name for name, _ in self._fields())))

    def to_json(self) -> str:
        """``to_dict`` as one line of JSON; numbers keep all their digits."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def column_values(self) -> Mapping[str, Any]:
        """The columns of ``records`` by their names, where that is how they are held."""
        return {}

    def records(self) -> list[dict[str, Any]]:
        """The rows of the result as plain values, one dictionary each."""
        if self.rows_of:
            return list(self.entries(self.rows_of)[self.rows_of])
        columns = self.column_values()
        if columns:
            rows = zip(*map(plain, columns.values()), strict=True)
            return [dict(zip(columns, row, strict=True)) for row in rows]
        return [{name: plain(value) for name, value in self._fields() if isinstance(value, (Number, str))}]

    @property
    def summary(self) -> str:
        """What the result is, in half a line."""
        return ", ".join(f"{name} {_cell(value)}" for name, value in self._fields() if isinstance(value, (Number, str)))

    def report(self) -> Sequence[str | Table]:
        """What people read, from above to below: sentences and tables."""
        rows = self.records()
        return [Table(list(rows[0]), [list(map(_cell, row.values())) for row in rows])] if rows else [repr(self)]

    def table(self) -> str:
        """The tables alone, as text."""
        return "\n\n".join(str(part) for part in self.report() if isinstance(part, Table))

    def to_polars(self) -> polars.DataFrame:
        """``records`` as a frame."""
        import polars

        return polars.DataFrame(self.records(), infer_schema_length=None)

    def plot(self) -> Figure:
        """The figure of this kind of result; else every number of ``records`` against the first of them."""
        if self.drawn_by:
            module, _, function = self.drawn_by.rpartition(".")
            figure: Figure = getattr(import_module(module), function)(self)
            return figure
        from eomsym.drawing import lines_figure

        return lines_figure(self.records())

    def entries(self, *names: str) -> dict[str, Any]:
        """Attributes by name, as plain values; pairs of names and texts as mappings."""
        values = {name.removesuffix("?"): getattr(self, name.removesuffix("?")) for name in names}
        return {
            name: plain(dict(value) if name in _PAIRS and isinstance(value, tuple) else value)
            for name, value in values.items()
            if f"{name}?" not in names or value
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.summary})"

    def __str__(self) -> str:
        return "\n".join(map(str, self.report()))

    def _repr_html_(self) -> str:
        parts = (part.html() if isinstance(part, Table) else f"<p>{_html(part)}</p>" for part in self.report() if part)
        return "".join(parts)

    def _fields(self) -> list[tuple[str, Any]]:
        names = (field.name for field in fields(self))  # type: ignore[arg-type]
        return [(name, getattr(self, name)) for name in names if not name.startswith("_")]


def plain(value: Any) -> Any:
    """A value as JSON has it; exact numbers as text, what is not finite as None."""
    if isinstance(value, Result):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {name if isinstance(name, str) else str(name): plain(entry) for name, entry in value.items()}
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (tuple, list)):
        return [plain(entry) for entry in value]
    if hasattr(value, "to_text"):  # a DoubleDouble
        return plain(value.to_text())
    if hasattr(value, "tolist"):  # NumPy's
        return plain(value.tolist())
    if isinstance(value, float):
        return finite(value)
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def finite(value: float) -> float | None:
    """The number, or None for one that does not exist."""
    return float(value) if math.isfinite(value) else None


def fixed(number: float | Decimal, form: str = ".4f") -> str:
    """A number as tables show it; ``none`` for what is not finite."""
    return format(number, form) if math.isfinite(number) else "none"


def small(number: float) -> str:
    """A number of which two digits tell all: ``1.2e-05``; ``none`` for what is not finite."""
    return fixed(number, ".1e")


def _told(row: Any, cell: str) -> str:
    """What a cell shows of a row: ``none`` for what does not exist."""
    name, _, form = cell.partition(":")
    value = row[name] if isinstance(row, Mapping) else getattr(row, name)
    return "none" if value is None else fixed(value, form) if form else str(value)


def _cell(value: Any) -> str:
    if isinstance(value, (float, Decimal)):
        return fixed(value, ".4g")
    return "" if value is None else str(value)
