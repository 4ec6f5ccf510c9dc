"""Where a rooted tree stands in canonical order, and which tree stands where, without making the list.

The canonical list of one order is a row of blocks, one for each largest child, child sizes falling and children of one
size in their own canonical order.  A block holds the rests, the trees that are left when that child is taken off: all
trees of the remaining size whose own children are not larger, a tail of *their* canonical list.  So block sizes follow
from block starts of smaller orders, and position and tree are each other's digits.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from itertools import accumulate, islice

from eomsym.errors import InputError
from eomsym.trees import LEAF, Tree, count_rooted_trees, rooted_trees

__all__ = ["position_of", "tree_at"]


def block_start(order: int, size: int, index: int) -> int:
    """Position, among the trees with ``order`` nodes, of the first whose children are all at most a given one.

    That child is number ``index`` of those with ``size`` nodes; ``index = count_rooted_trees(size)`` gives the end of
    the blocks of that size.
    """
    if size >= order:
        return 0
    if 2 * size >= order:  # the rest is too small to hold a larger child: every rest fits
        larger = sum(count_rooted_trees(other) * count_rooted_trees(order - other) for other in range(size + 1, order))
        return larger + index * count_rooted_trees(order - size)
    return light_block_starts(order, size)[index]


@cache
def light_block_starts(order: int, size: int) -> tuple[int, ...]:
    """``block_start`` of every child of ``size < order/2`` nodes, and the end of the last block."""
    rest_order = order - size
    rests = count_rooted_trees(rest_order)
    lengths = (rests - block_start(rest_order, size, index) for index in range(count_rooted_trees(size)))
    return tuple(accumulate(lengths, initial=_end_of_blocks(order, size + 1)))


@cache
def _end_of_blocks(order: int, size: int) -> int:
    return block_start(order, size, count_rooted_trees(size))


def position_of(tree: Tree) -> int:
    """The place of a tree in ``rooted_trees(tree.order)``, counted from 0."""
    if not tree.children:
        return 0
    child, rest = tree.children[0], Tree(tree.children[1:])
    index = position_of(child)
    skipped = block_start(rest.order, child.order, index)
    return block_start(tree.order, child.order, index) + position_of(rest) - skipped


def tree_at(order: int, position: int) -> Tree:
    """``rooted_trees(order)[position]`` without the list.  Raises ``InputError`` if there is no such tree."""
    _check_position(order, position)
    if order == 1:
        return LEAF
    size = next(size for size in range(order - 1, 0, -1) if position < _end_of_blocks(order, size))
    index = _block_at(order, size, position)
    offset = position - block_start(order, size, index)
    rest = tree_at(order - size, block_start(order - size, size, index) + offset)
    return Tree((tree_at(size, index), *rest.children))


def _block_at(order: int, size: int, position: int) -> int:
    """Number of the child of ``size`` nodes in whose block the position lies."""
    if 2 * size >= order:
        return (position - block_start(order, size, 0)) // count_rooted_trees(order - size)
    return bisect_right(light_block_starts(order, size), position) - 1


def iterate_trees(order: int, start: int = 0) -> Iterator[Tree]:
    """``rooted_trees(order)[start:]`` one by one; only lists of trees with up to half the nodes are kept.

    Raises ``InputError`` if there is no tree at ``start``; the end of the list gives an empty iterator.
    """
    if start != count_rooted_trees(order):
        _check_position(order, start)
    return _iterate(order, start)


def _iterate(order: int, start: int) -> Iterator[Tree]:
    if order == 1:
        yield from (LEAF,)[start:]
        return
    for size in range(order - 1, 0, -1):
        if start < _end_of_blocks(order, size):
            yield from _iterate_size(order, size, max(start, _end_of_blocks(order, size + 1)))


def _iterate_size(order: int, size: int, start: int) -> Iterator[Tree]:
    """The trees from a position on whose largest child has ``size`` nodes."""
    first = _block_at(order, size, start)
    offset = start - block_start(order, size, first)
    rest_order = order - size
    if 2 * size >= order:
        rests = rooted_trees(rest_order)
        for child in _iterate(size, first):
            for rest in islice(rests, offset, None):
                yield Tree((child, *rest.children))
            offset = 0
        return
    for index, child in enumerate(rooted_trees(size)[first:], start=first):
        for rest in _iterate(rest_order, block_start(rest_order, size, index) + offset):
            yield Tree((child, *rest.children))
        offset = 0


def _check_position(order: int, position: int) -> None:
    if order < 1:
        raise InputError(f"order {order}: a rooted tree has at least 1 node")
    count = count_rooted_trees(order)
    if not 0 <= position < count:
        raise InputError(f"position {position}: there are {count} trees with {order} nodes; give 0 to {count - 1}")
