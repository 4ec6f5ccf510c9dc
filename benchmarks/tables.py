"""Aligned text tables."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.timing import Spread

NONE = "–"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width: the first to the left, the others to the right.

    Raises ``ValueError`` for a row with more or fewer cells than the header.
    """
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"row {list(row)}: {len(row)} cells under {len(header)} headings; give one cell a heading")
    widths = [max(len(line[i]) for line in (header, *rows)) for i in range(len(header))]
    lines = [_line(header, widths), "  ".join("-" * width for width in widths)]
    return "\n".join([*lines, *(_line(row, widths) for row in rows)])


def number(value: float) -> str:
    """Three digits: 0.0123, 1.23, 12.3, 1234."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:#.3g}"


def spread(values: Spread) -> str:
    """``median [lower quartile, upper quartile]``."""
    return f"{number(values.median)} [{number(values.lower)}, {number(values.upper)}]"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        cell.ljust(width) if i == 0 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *rest]).rstrip()
