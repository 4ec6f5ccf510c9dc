"""The mean over all orders of any number of batches, by symmetric sums: no order is ever visited.

With batches in random order the coefficient of a coloured tree depends on nothing but which of its nodes have equal
colours: not on which batches these are, nor on how many there are.  So those of as many batches as a tree has nodes
serve any number m, and the sum over all colourings becomes sums in which some nodes share one batch and all others run
freely: over all batches, by the gradient of all data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache
from itertools import permutations
from math import factorial

from eomsym import optimizers
from eomsym.derivation.algebras import modified_tree_coefficients
from eomsym.trees import Tree

#: Coloured trees of more nodes are too many to look at.
MAX_RESHUFFLED_ORDER = 3
#: The colour of a node that runs over all batches by itself; nodes of one higher colour share a batch.
FREE = 1

#: The blocks of a partition of the nodes, by the smallest node of each: ``(0, 1, 0)`` joins nodes 0 and 2.
Partition = tuple[int, ...]


@cache
def symmetric_sums(order: int) -> tuple[tuple[tuple[Fraction, Tree], ...], ...]:
    """Terms of ``f̃_0 … f̃_order`` of a round over any number of batches in random order, averaged over the orders.

    Each is ``coefficient · F(tree)``, summed over a batch for each ``FREE`` node and one for each higher colour.
    ``order`` is at most ``MAX_RESHUFFLED_ORDER``.
    """
    rule = optimizers.get("random-reshuffling").rule(batches=order + 1)
    return tuple(_of_level(field) for field in modified_tree_coefficients(rule, order + 1))


def _of_level(field: dict[Tree, Fraction]) -> tuple[tuple[Fraction, Tree], ...]:
    found: dict[Tree, Fraction] = {}
    for bare in sorted({tree.recoloured(lambda _: FREE) for tree in field}):
        weights = {part: _weight(field, bare, part) for part in _partitions(bare.order)}
        for joined in weights:
            value = sum((_mobius(part, joined) * weight for part, weight in weights.items()), Fraction(0))
            tree = _canonical(bare, joined)
            found[tree] = found.get(tree, Fraction(0)) + value
    return tuple((value, tree) for tree, value in sorted(found.items(), reverse=True) if value != 0)


def _weight(field: dict[Tree, Fraction], bare: Tree, part: Partition) -> Fraction:
    """The coefficient of each colouring of the nodes in this pattern; several colourings make the same tree."""
    names = {colour: number for number, colour in enumerate(sorted(set(part)), start=1)}
    tree = _coloured(bare, [names[block] for block in part])
    return field.get(tree, Fraction(0)) * Fraction(tree.symmetry, bare.symmetry)


def _coloured(tree: Tree, colours: Sequence[int]) -> Tree:
    """The tree with the nodes, root first and depth first, in these colours."""
    rest = iter(colours)

    def go(node: Tree) -> Tree:
        colour = next(rest)
        return Tree([go(child) for child in node.children], colour)

    return go(tree)


def _canonical(bare: Tree, joined: Partition) -> Tree:
    """The tree with blocks of several nodes in colours of their own, which of the equal ones has no meaning."""
    shared = sorted({block for block in joined if joined.count(block) > 1})
    names = [dict(zip(shared, order, strict=True)) for order in permutations(range(FREE + 1, FREE + 1 + len(shared)))]
    return min(_coloured(bare, [name.get(block, FREE) for block in joined]) for name in names)


def _partitions(count: int) -> Iterator[Partition]:
    """All partitions of nodes 0 … count − 1."""

    def extend(part: Partition) -> Iterator[Partition]:
        if len(part) == count:
            yield part
            return
        for block in sorted({*part, len(part)}):
            yield from extend((*part, block))

    return extend(())


def _mobius(finer: Partition, coarser: Partition) -> int:
    """μ of the lattice of partitions: 0 unless every block of the first lies in one of the second."""
    merged: dict[int, set[int]] = {}
    for small, large in zip(finer, coarser, strict=True):
        merged.setdefault(large, set()).add(small)
    if sum(map(len, merged.values())) != len(set(finer)):
        return 0
    value = 1
    for blocks in merged.values():
        value *= (-1) ** (len(blocks) - 1) * factorial(len(blocks) - 1)
    return value
