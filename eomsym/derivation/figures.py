"""Pictures of rooted trees as a Matplotlib figure, with the coefficients of counter terms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.textpath import TextPath

from eomsym.checks import check_integer
from eomsym.errors import InputError
from eomsym.notation.coefficients import coefficient_latex
from eomsym.notation.trees import place_nodes
from eomsym.notation.writing import TightWriter
from eomsym.trees import Tree

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["tree_figure"]

#: Inches from one tree's node to the next, in both directions.
TREE_UNIT = 0.22
#: Points.
LABEL_SIZE, POINTS_PER_INCH = 11, 72
#: Inches: left of a row of trees for its name, between trees, and below a tree for its label.
NAME_WIDTH, TREE_GAP, LABEL_HEIGHT = 0.45, 0.36, 0.6


def tree_figure(trees: Any, columns: int = 10) -> Figure:
    r"""Rooted trees, root at the bottom, in rows of at most ``columns``.

    ``trees`` is an iterable of them, under each of which stands its elementary differential, or an ``Equation`` of the
    slow manifold, of which each ξ_k begins a row and under each tree stands its coefficient.  Raises ``InputError`` if
    there is no tree to draw, if the equation is not over plain trees, or ``columns`` is no integer above 0.
    """
    columns = check_integer("columns", columns, 1)
    rows = [row for name, group in _groups(trees) for row in _rows(name, group, columns)]
    if not rows:
        raise InputError("trees: none to draw; give at least one, or counter terms of order 1 or more")
    indent = NAME_WIDTH if any(name for name, _ in rows) else 0.0
    widths = [indent + sum(_cell_width(tree, label) for tree, label in row) for _, row in rows]
    heights = [LABEL_HEIGHT + TREE_UNIT * (1 + max(_height(tree) for tree, _ in row)) for _, row in rows]
    width, height = max(widths) + 0.1, sum(heights) + 0.1
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    top = height
    for (name, row), row_height in zip(rows, heights, strict=True):
        top -= row_height
        axes.text(0.12, top + LABEL_HEIGHT, name, ha="left", va="center", fontsize=12)
        _draw_row(axes, row, indent, top + LABEL_HEIGHT)
    return figure


def _groups(trees: Any) -> list[tuple[str, list[tuple[Tree, str]]]]:
    """Name and labelled trees of each group, as mathtext."""
    if not hasattr(trees, "rows"):
        return [("", [(tree, f"${_MathtextWriter().tree(tree)}$") for tree in trees])]
    if trees.kind != "slow" or not trees.plain:
        raise InputError(f"equation of {trees.optimizer}: it is not over plain rooted trees; use its text()")
    return [
        (rf"$\xi_{{{index}}}$", [(tree, _mathtext(value)) for tree, value in row.items()])
        for index, row in enumerate(trees.rows[1:])
    ]


def _mathtext(coefficient: object) -> str:
    """Matplotlib does not know the small fraction."""
    return f"${coefficient_latex(coefficient).replace('tfrac', 'dfrac')}$"


class _MathtextWriter(TightWriter):
    def primes(self, count: int) -> str:
        return "'" * count if count < 4 else f"^{{({count})}}"


def _rows(name: str, group: list[tuple[Tree, str]], columns: int) -> list[tuple[str, list[tuple[Tree, str]]]]:
    """A group broken into rows, the first with its name."""
    starts = range(0, len(group), columns)
    return [(name if start == 0 else "", group[start : start + columns]) for start in starts]


def _height(tree: Tree) -> int:
    return 1 + max(map(_height, tree.children)) if tree.children else 0


def _extent(tree: Tree) -> tuple[float, float]:
    """Leftmost and rightmost node, in inches from the root."""
    positions = [TREE_UNIT * node.x for node in place_nodes(tree)]
    return min(positions), max(positions)


def _cell_width(tree: Tree, label: str) -> float:
    """Inches for a tree and its label, whichever is wider."""
    left, right = _extent(tree)
    written = TextPath((0, 0), label, size=LABEL_SIZE).get_extents().width / POINTS_PER_INCH
    return max(2 * max(-left, right), written) + TREE_GAP


def _draw_row(axes: Axes, row: Sequence[tuple[Tree, str]], left: float, ground: float) -> None:
    """Trees side by side from ``left`` on, with their roots at height ``ground``."""
    for tree, label in row:
        width = _cell_width(tree, label)
        _draw_tree(axes, tree, left + width / 2, ground)
        axes.text(left + width / 2, ground - 0.33, label, ha="center", va="center", fontsize=LABEL_SIZE)
        left += width


def _draw_tree(axes: Axes, tree: Tree, x: float, ground: float) -> None:
    """Dots and branches, the root at (x, ground)."""
    nodes = place_nodes(tree)
    points = [(x + TREE_UNIT * node.x, ground + TREE_UNIT * node.level) for node in nodes]
    for point, node in zip(points, nodes, strict=True):
        if node.parent is not None:
            axes.plot(*zip(points[node.parent], point, strict=True), color="black", linewidth=1, zorder=1)
    across, up = zip(*points, strict=True)
    axes.scatter(across, up, s=16, color="black", zorder=2)
