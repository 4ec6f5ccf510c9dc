"""Pictures of rooted trees as a Matplotlib figure, with the coefficients of counter terms."""

from __future__ import annotations

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
    heights = [LABEL_HEIGHT + TREE_UNIT * (1 + max(cell.height for cell in row)) for _, row in rows]
    width = max(indent + sum(cell.width for cell in row) for _, row in rows) + 0.1
    height = sum(heights) + 0.1
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    top = height
    for (name, row), row_height in zip(rows, heights, strict=True):
        top -= row_height
        axes.text(0.12, top + LABEL_HEIGHT, name, ha="left", va="center", fontsize=12)
        left = indent
        for cell in row:
            cell.draw(axes, left + cell.width / 2, top + LABEL_HEIGHT)
            left += cell.width
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


def _rows(name: str, group: list[tuple[Tree, str]], columns: int) -> list[tuple[str, list[_Cell]]]:
    """A group broken into rows, the first with its name."""
    cells = [_Cell(tree, label) for tree, label in group]
    return [(name if start == 0 else "", cells[start : start + columns]) for start in range(0, len(cells), columns)]


class _Cell:
    """A tree with its label below: inches, whichever of both is wider, and levels above the root."""

    def __init__(self, tree: Tree, label: str) -> None:
        self.nodes, self.label = place_nodes(tree), label
        places = [TREE_UNIT * node.x for node in self.nodes]
        written = TextPath((0, 0), label, size=LABEL_SIZE).get_extents().width / POINTS_PER_INCH
        self.width = max(2 * max(-min(places), *places), written) + TREE_GAP
        self.height = max(node.level for node in self.nodes)

    def draw(self, axes: Axes, x: float, ground: float) -> None:
        """Dots and branches, the root at (x, ground), and the label."""
        points = [(x + TREE_UNIT * node.x, ground + TREE_UNIT * node.level) for node in self.nodes]
        for point, node in zip(points, self.nodes, strict=True):
            if node.parent is not None:
                axes.plot(*zip(points[node.parent], point, strict=True), color="black", linewidth=1, zorder=1)
        across, up = zip(*points, strict=True)
        axes.scatter(across, up, s=16, color="black", zorder=2)
        axes.text(x, ground - 0.33, self.label, ha="center", va="center", fontsize=LABEL_SIZE)
