"""A picture of a rooted tree as a self-contained SVG, root at the bottom as numerical analysts draw it."""

from __future__ import annotations

from typing import NamedTuple
from xml.sax.saxutils import escape

from eomsym.notation.writing import tree_text
from eomsym.trees import Tree

_UNIT, _RADIUS, _MARGIN = 24.0, 4.0, 8.0


class PlacedNode(NamedTuple):
    """A node's place: ``x`` in units from the root, ``level`` above it, and its parent's position in the list."""

    x: float
    level: int
    parent: int | None


def tree_svg(tree: Tree) -> str:
    """One ``<svg>`` element: dots and branches in the surrounding text's colour, the differential as its title.

    Children stand smallest first, as in ``g''(g,g'g)``; a parent is centred over its children and subtrees are pushed
    together until two nodes of one level are one unit apart (Reingold & Tilford, *Tidier drawings of trees*, 1981).
    """
    nodes = place_nodes(tree)
    left, top = min(node.x for node in nodes), max(node.level for node in nodes)
    points = [(_MARGIN + _UNIT * (node.x - left), _MARGIN + _UNIT * (top - node.level)) for node in nodes]
    width, height = (2 * _MARGIN + max(along) - _MARGIN for along in zip(*points, strict=True))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" role="img">',
        f"<title>{escape(tree_text(tree))}</title>",
        '<g stroke="currentColor" stroke-width="1.5" fill="currentColor">',
    ]
    for (x, y), node in zip(points, nodes, strict=True):
        if node.parent is not None:
            below_x, below_y = points[node.parent]
            lines.append(f'<line x1="{below_x:g}" y1="{below_y:g}" x2="{x:g}" y2="{y:g}"/>')
    lines += [f'<circle cx="{x:g}" cy="{y:g}" r="{_RADIUS:g}"/>' for x, y in points]
    return "\n".join([*lines, "</g>", "</svg>", ""])


def place_nodes(tree: Tree) -> list[PlacedNode]:
    """The nodes in preorder, in units, with the root at x = 0 on level 0."""
    branches: list[list[PlacedNode]] = []
    reach: dict[int, float] = {}  # rightmost node so far, per level
    for child in reversed(tree.children):
        branch = place_nodes(child)
        shift = max((reach[node.level] + 1 - node.x for node in branch if node.level in reach), default=0.0)
        branches.append([node._replace(x=node.x + shift) for node in branch])
        for node in branches[-1]:
            reach[node.level] = max(node.x, reach.get(node.level, node.x))
    centre = (branches[0][0].x + branches[-1][0].x) / 2 if branches else 0.0
    nodes = [PlacedNode(0.0, 0, None)]
    for branch in branches:
        start = len(nodes)
        for x, level, parent in branch:
            nodes.append(PlacedNode(x - centre, level + 1, 0 if parent is None else start + parent))
    return nodes
