"""Rooted trees, with colours where there are several fields: canonical enumeration, symmetry, density, bracket lists.

A rooted tree is the skeleton of an elementary differential: the root is a derivative of ``g`` as often taken as it has
children, the children are its arguments.  Definitions follow Hairer, Lubich & Wanner, *Geometric Numerical Integration*
(2nd ed. 2006), section III.1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import cache, total_ordering
from itertools import groupby
from math import factorial, prod
from typing import Any

from eomsym.errors import InputError

__all__ = [
    "Tree",
    "parse_tree",
    "rooted_trees",
]


@total_ordering
class Tree:
    """A rooted tree whose nodes carry colours 1, 2, …: which of several fields is differentiated there.

    Of a single field all are 1.  Colour 0 is reserved for ``THETA``, a leaf that stands for θ itself, and −1, −2, … for
    leaves that stand for the other slow states (``slow_leaf``).  Equal trees compare and hash equal however their
    children were listed.  Ordered by number of nodes, then by their children, largest child first, then by colour.
    """

    __slots__ = ("_hash", "_key", "children", "colour", "order")

    _hash: int
    _key: tuple[Any, ...]
    children: tuple[Tree, ...]
    colour: int
    order: int

    def __init__(self, children: Iterable[Tree] = (), colour: int = 1) -> None:
        ordered = tuple(sorted(children, reverse=True))
        order = 1 + sum(child.order for child in ordered)
        object.__setattr__(self, "children", ordered)
        object.__setattr__(self, "colour", colour)
        object.__setattr__(self, "order", order)
        object.__setattr__(self, "_key", (order, tuple(child._key for child in ordered), -colour))
        object.__setattr__(self, "_hash", hash((colour, ordered)))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a tree is immutable: cannot set {name!r}")

    def __reduce__(self) -> tuple[type[Tree], tuple[tuple[Tree, ...], int]]:
        return Tree, (self.children, self.colour)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tree):
            return NotImplemented
        return self is other or self._key == other._key

    def __lt__(self, other: Tree) -> bool:
        return self._key < other._key

    @property
    def symmetry(self) -> int:
        """σ(τ), the number of automorphisms that keep the root and the colours."""
        groups = ((child, sum(1 for _ in same)) for child, same in groupby(self.children))
        return prod(factorial(count) * child.symmetry**count for child, count in groups)

    @property
    def density(self) -> int:
        """γ(τ), the product over all nodes of the size of the subtree that hangs there."""
        return self.order * prod(child.density for child in self.children)

    @property
    def is_chain(self) -> bool:
        """Whether no node has more than one child: g'g'…g, the tall tree."""
        return not self.children or (len(self.children) == 1 and self.children[0].is_chain)

    @property
    def is_bushy(self) -> bool:
        """Whether all children of the root are leaves: g^{(m)}(g, …, g)."""
        return all(not child.children for child in self.children)

    @property
    def colours(self) -> frozenset[int]:
        """The colours of its nodes."""
        return frozenset((self.colour,)).union(*(child.colours for child in self.children))

    @property
    def is_plain(self) -> bool:
        """Whether all nodes are of colour 1."""
        return self.colour == 1 and all(child.is_plain for child in self.children)

    def recoloured(self, names: Callable[[int], int]) -> Tree:
        """The tree with other colours, by those that it has."""
        return Tree((child.recoloured(names) for child in self.children), names(self.colour))

    def brackets(self, colours: bool) -> str:
        """Bracket list of the children: ``[]`` is the single node, ``[[],[]]`` a root with two leaves.

        With ``colours`` each node's stands before it: ``1[2[],1[2[]]]``.
        """
        own = str(self.colour) if colours else ""
        return f"{own}[{','.join(child.brackets(colours) for child in self.children)}]"

    def __str__(self) -> str:
        return self.brackets(colours=not self.is_plain)

    def __repr__(self) -> str:
        return f"Tree({self})"


#: The tree with one node.
LEAF = Tree()


#: Trees that are read from text are this small, so that recursion on them is safe.
MAX_PARSED_NODES = 200


def parse_tree(text: str) -> Tree:
    """The tree written as a bracket list, children in any order, blanks ignored.

    Raises ``InputError`` if brackets do not match, anything but brackets and commas stands there, or the tree has more
    than 200 nodes.
    """
    if not isinstance(text, str) or text.count("[") > MAX_PARSED_NODES:
        shown = f"of {text.count('[')} nodes" if isinstance(text, str) else repr(text)
        raise InputError(f"tree {shown}: give a bracket list of up to {MAX_PARSED_NODES} nodes, such as '[[],[[]]]'")
    written = text if len(text) <= 80 else text[:77] + "..."
    stray = re.search(r"[^\[\],\s]", text)
    try:
        place = len(text) if stray is None else stray.start()
        if stray is None:
            return _tree(json.loads(text))
    except json.JSONDecodeError as error:
        place = error.pos
    wrong = f"unexpected {text[place]!r} at position {place}" if place < len(text) else "not one complete bracket list"
    raise InputError(f"tree {written!r}: {wrong}; write it as '[[],[[]]]'")


def _tree(children: list[Any]) -> Tree:
    return Tree(map(_tree, children))


@cache
def count_rooted_trees(order: int) -> int:
    """Number of rooted trees with ``order`` nodes (0 for order 0) without making them: OEIS A000081."""
    return count_coloured_trees(order, 1, 1)[order] if order > 0 else 0


def count_coloured_trees(nodes: int, colours: int, leaves: int) -> list[int]:
    """How many rooted trees have 0, 1, …, ``nodes`` nodes, each of one of ``colours``, leaves of one of ``leaves``.

    The children of a root are a multiset: ``n m(n) = Σ_{k=1}^{n} (Σ_{d|k} d a(d)) m(n−k)``, Euler's transform.
    """
    trees, multisets, sums = [0, leaves], [1], [0]
    for n in range(1, nodes):
        sums.append(sum(d * trees[d] for d in range(1, n + 1) if n % d == 0))
        multisets.append(sum(sums[k] * multisets[n - k] for k in range(1, n + 1)) // n)
        trees.append(colours * multisets[n])
    return trees[: nodes + 1]


#: 4.7 million trees, of some 350 bytes each.
MAX_LISTED_NODES = 19


@cache
def rooted_trees(order: int) -> tuple[Tree, ...]:
    """All rooted trees with ``order`` nodes (at least 1), in canonical order: largest first, so from chain to bush.

    A tree is its largest child joined to what is left of it.  Within one largest child the rests are the trees of the
    remaining size whose own children are not larger, a tail of the canonical list, so no tree is made twice.
    Raises ``InputError`` for an order below 1, or above 19: its list, kept in memory, would be of gigabytes.
    """
    if order < 1:
        raise InputError(f"order {order}: a rooted tree has at least 1 node")
    if order > MAX_LISTED_NODES:
        raise InputError(
            f"order {order}: too many trees to list; give at most {MAX_LISTED_NODES}, or go through them one by one "
            "with eomsym.tree_positions.iterate_trees"
        )
    if order == 1:
        return (LEAF,)
    return tuple(
        Tree((child, *rest.children))
        for size in range(order - 1, 0, -1)
        for child in rooted_trees(size)
        for rest in rooted_trees(order - size)
        if not rest.children or rest.children[0] <= child
    )


def slow_leaf(index: int) -> Tree:
    """A slow state as a leaf; θ is number 0."""
    return Tree(colour=-index)


#: θ itself, as a leaf.
THETA = slow_leaf(0)
