"""All coefficients of gradient descent on trees of up to n nodes, as machine integers, exactly.

``b(τ)`` is the coefficient of the modified vector field ``f̃ = Σ_τ η^{|τ|−1} b(τ)/σ(τ) F_f(τ)`` of explicit Euler, a
rational whose denominator divides lcm(1 … |τ|).  Numerators over that denominator are computed modulo 2⁶⁴ and are
smaller than 2⁶³ for trees of up to 28 nodes: docs/tree_tables.md proves both.

The general engine, ``step_index``, knows every optimiser and symbolic parameters; this one knows
explicit Euler only and is some thousand times as fast.  The two share no code beyond the order of the trees.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import comb, lcm
from typing import NamedTuple

import numpy as np

from eomsym.checks import check_integer
from eomsym.derivation.tree_kernels import fill
from eomsym.tree_positions import block_start, iterate_trees, light_block_starts, position_of
from eomsym.trees import Tree, count_rooted_trees

#: 20!, the largest symmetry of a tree with 21 nodes, is the last factorial in int64.
MAX_TABLE_NODES = 21
#: lcm(1 … 29) |B_28| leaves int64.
MAX_STREAMED_NODES = 28
TOO_LARGE_A_TABLE = "symmetries of more nodes do not fit into int64 (stream_coefficients goes further)"
TOO_LARGE_A_NUMERATOR = "the largest numerators of more nodes do not fit into int64"

#: Trees of this size are not taken apart: order 24 took 2.7 s with 12, 3.5 s with 10 (order 20: 48 ms, 54 ms).
_SMALL = 12
#: Coefficients in a block, 4 MB: smaller ones start over too often (2^17: half as fast at order 28), and larger ones
#: gain little.
_BLOCK = 2**19


class TreeTable:
    """Coefficients and symmetries of all rooted trees with up to ``max_nodes`` nodes; made by ``tree_table``.

    Arrays are int64, read-only, in the order of ``eomsym.trees.rooted_trees``; ``b = numerator / denominator``.
    """

    def __init__(self, max_nodes: int, numerators: Sequence[np.ndarray]) -> None:
        self.max_nodes = max_nodes
        self._numerators = tuple(numerators)
        self._symmetries: tuple[np.ndarray, ...] | None = None

    def numerator(self, nodes: int) -> np.ndarray:
        """``lcm(1 … nodes) b(τ)`` of all trees with that many nodes, (count,) int64."""
        return self._numerators[self._check(nodes) - 1]

    def denominator(self, nodes: int) -> int:
        """``lcm(1 … nodes)``."""
        return lcm(*range(1, self._check(nodes) + 1))

    def symmetry(self, nodes: int) -> np.ndarray:
        """σ(τ) of all trees with that many nodes, (count,) int64; the first call computes all orders of the table."""
        self._check(nodes)
        if self._symmetries is None:
            self._symmetries = _all_symmetries(self.max_nodes)
        return self._symmetries[nodes - 1]

    def coefficient(self, tree: Tree) -> Fraction:
        """b(τ) of one tree.  Raises ``InputError`` if it has more nodes than the table."""
        numerator = self.numerator(tree.order)[position_of(tree)]
        return Fraction(int(numerator), self.denominator(tree.order))

    def _check(self, nodes: int) -> int:
        return check_integer("nodes", nodes, 1, self.max_nodes, lambda _: f"this table ends at {self.max_nodes}")

    def __repr__(self) -> str:
        trees = sum(map(len, self._numerators))
        return f"TreeTable(max_nodes={self.max_nodes}: {trees} trees)"


def tree_table(max_nodes: int) -> TreeTable:
    """The coefficients of gradient descent for all rooted trees with up to ``max_nodes`` nodes, 8 bytes each.

    20 nodes are 20.2 million trees, 162 MB.  Raises ``InputError`` unless ``max_nodes`` is an integer from 1 to 21.
    """
    max_nodes = check_integer("max_nodes", max_nodes, 1, MAX_TABLE_NODES, lambda _: TOO_LARGE_A_TABLE)
    tables = _tables(max_nodes)
    numerators = []
    for order in range(1, max_nodes + 1):
        numerator = np.empty(count_rooted_trees(order), dtype=np.int64)
        _fill(tables, order, 0, numerator)
        numerators.append(_frozen(numerator))
    return TreeTable(max_nodes, numerators)


def stream_coefficients(nodes: int) -> Iterator[np.ndarray]:
    """``lcm(1 … nodes) b(τ)`` of all rooted trees with that many nodes, block after block, in bounded memory.

    Blocks are int64, of up to 2¹⁹ numbers, new ones each time; joined they are what ``TreeTable.numerator`` gives, in
    the canonical order of ``eomsym.trees.rooted_trees``.  Raises ``InputError`` unless ``nodes`` is an integer from 1
    to 28.
    """
    nodes = check_integer("nodes", nodes, 1, MAX_STREAMED_NODES, lambda _: TOO_LARGE_A_NUMERATOR)
    return _blocks(nodes)


def stream_trees(nodes: int, start: int = 0) -> Iterator[tuple[Tree, Fraction]]:
    """``(τ, b(τ))`` of all rooted trees with that many nodes, from position ``start`` of the canonical order on.

    Memory is bounded as in ``stream_coefficients``; making the trees, some microseconds each, takes the time.  Raises
    ``InputError`` unless ``nodes`` is an integer from 1 to 28 and ``start`` the position of a tree.
    """
    nodes = check_integer("nodes", nodes, 1, MAX_STREAMED_NODES, lambda _: TOO_LARGE_A_NUMERATOR)
    trees = iterate_trees(nodes, start)
    denominator = lcm(*range(1, nodes + 1))
    coefficients = (Fraction(value, denominator) for block in _blocks(nodes, start) for value in block.tolist())
    return zip(trees, coefficients, strict=True)


def _blocks(nodes: int, start: int = 0) -> Iterator[np.ndarray]:
    tables = _tables(nodes)
    count = count_rooted_trees(nodes)
    for low in range(start, count, _BLOCK):
        block = np.empty(min(_BLOCK, count - low), dtype=np.int64)
        _fill(tables, nodes, low, block)
        yield block


class _Tables(NamedTuple):
    """What the kernels look up: see their docstrings."""

    counts: np.ndarray
    offsets: np.ndarray
    starts: np.ndarray
    products: np.ndarray
    sums: np.ndarray
    extension: np.ndarray


def _tables(max_nodes: int) -> _Tables:
    """For trees of up to ``max_nodes`` nodes: values at 0 … max_nodes − 1 of all trees with up to half as many."""
    depth = max(max_nodes // 2, min(max_nodes, _SMALL))
    counts, offsets = _sizes(max_nodes, depth)
    starts = _starts(max_nodes, depth, offsets)
    return _Tables(counts, offsets, starts, *_values(depth, max_nodes), _extension(depth, max_nodes))


def _values(depth: int, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Q and P of all trees with up to ``depth`` nodes, modulo 2⁶⁴, (trees, points) each."""
    products: list[np.ndarray] = []
    sums: list[np.ndarray] = []
    for order in range(1, depth + 1):
        blocks = [np.ones((1, points), dtype=np.uint64)] if order == 1 else []
        for size in range(order - 1, 0, -1):
            children, rests = sums[size - 1], products[order - size - 1]
            if 2 * size >= order:  # any rest fits
                blocks.append((children[:, np.newaxis] * rests).reshape(-1, points))
            else:
                tails = (rests[block_start(order - size, size, index) :] for index in range(len(children)))
                blocks += [child * tail for child, tail in zip(children, tails, strict=True)]
        products.append(np.concatenate(blocks))
        sums.append(np.zeros_like(products[-1]))
        np.cumsum(products[-1][:, :-1], axis=1, out=sums[-1][:, 1:])
    return np.concatenate(products), np.concatenate(sums)


def _sizes(max_nodes: int, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """Number of trees of each order, and where each order up to ``depth`` begins among all of them."""
    counts = np.array([count_rooted_trees(order) for order in range(max_nodes + 1)], dtype=np.int64)
    return counts, np.concatenate([[0], np.cumsum(counts[: depth + 1])])


def _starts(max_nodes: int, depth: int, offsets: np.ndarray) -> np.ndarray:
    """``block_start(order, size, index)`` at ``[order, offsets[size] + index]``, sizes up to ``depth``."""
    starts = np.zeros((max_nodes + 1, offsets[-1]), dtype=np.int64)
    for order in range(2, max_nodes + 1):
        for size in range(1, min(order - 1, depth) + 1):
            count = count_rooted_trees(size)
            if 2 * size >= order:
                places = block_start(order, size, 0) + count_rooted_trees(order - size) * np.arange(count)
            else:
                places = np.array(light_block_starts(order, size)[:-1])
            starts[order, offsets[size] : offsets[size] + count] = places
    return starts


def _extension(depth: int, points: int) -> np.ndarray:
    """``[m, k, j]``: weight of value j in value k ≥ m of a polynomial of degree m − 1 (Lagrange, at integers)."""
    weights = np.zeros((depth + 1, points, depth), dtype=np.uint64)
    for m in range(1, depth + 1):
        for k in range(m, points):
            row = ((-1) ** (m - 1 - j) * comb(k, j) * comb(k - j - 1, m - 1 - j) for j in range(m))
            weights[m, k, :m] = _words(row)
    return weights


def _functional(order: int, points: int) -> np.ndarray:
    """``lcm(1 … order) [s¹] P`` as weights of the values of ``ΔP`` at 0 … points − 1, (1, points).

    ``[s¹] P = Σ_{k≥0} (−1)^k/(k+1) Δ^k Q(0)`` with ``Q = ΔP`` of degree ``order − 1``; times lcm all are integers.
    """
    denominator = lcm(*range(1, order + 1))
    weights = (
        sum((-1) ** j * (denominator // (k + 1)) * comb(k, j) for k in range(j, order)) for j in range(points)
    )  # (−1)^k from the logarithm and (−1)^{k−j} from Δ^k leave (−1)^j
    return _words(weights)[np.newaxis]


def _words(integers: Iterator[int]) -> np.ndarray:
    """Integers modulo 2⁶⁴."""
    return np.array([value % 2**64 for value in integers], dtype=np.uint64)


def _fill(tables: _Tables, order: int, low: int, numerators: np.ndarray) -> None:
    """Numerators of the trees of one order from position ``low`` on, as many as the array holds."""
    functional = _functional(order, tables.products.shape[1])
    fill(order, functional, low, low + len(numerators), numerators.view(np.uint64), *tables, _SMALL)


def _all_symmetries(max_nodes: int) -> tuple[np.ndarray, ...]:
    """σ of all trees with up to ``max_nodes`` nodes, an array for each order.

    How often the largest child occurs (``leads``) is the factor by which one more of it raises σ.
    """
    symmetries, leads = [np.array([1])], [np.array([0], dtype=np.uint8)]
    for order in range(2, max_nodes + 1):
        blocks = [block for size in range(order - 1, 0, -1) for block in _symmetries(order, size, symmetries, leads)]
        symmetries.append(np.concatenate([symmetry for symmetry, _ in blocks]))
        leads.append(np.concatenate([lead for _, lead in blocks]))
    return tuple(map(_frozen, symmetries))


def _symmetries(
    order: int, size: int, symmetries: Sequence[np.ndarray], leads: Sequence[np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The same of the trees whose largest child has ``size`` nodes, and how often it occurs."""
    children, rests, again = symmetries[size - 1], symmetries[order - size - 1], leads[order - size - 1]
    if 2 * size >= order:  # any rest fits, and none holds such a child
        yield np.outer(children, rests).ravel(), np.ones(len(children) * len(rests), dtype=np.uint8)
        return
    for index, child in enumerate(children):
        tail, end = block_start(order - size, size, index), block_start(order - size, size, index + 1)
        lead = np.ones(len(rests) - tail, dtype=np.uint8)
        lead[: end - tail] += again[tail:end]
        yield child * rests[tail:] * lead, lead


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
