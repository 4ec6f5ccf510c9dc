"""Numba loops over all rooted trees of one order, in canonical order (see ``eomsym.tree_positions``).

All of them work modulo 2⁶⁴ on uint64, on which addition and multiplication wrap around without an error; numba turns
a mix of int64 and uint64 into floats, so nothing here mixes them.  They stand in one module because a callee in another
one would leave a stale cache behind.

A tree with largest child c and rest r (the tree left when c is taken off) has ``Q = P_c Q_r`` where Q is the product of
the polynomials of its children and ``P_c(j) = Σ_{i<j} Q_c(i)``.  A coefficient is a linear functional of Q, a row of
weights for its values at 0 … points − 1.  Once r is known it is a functional of Q_c, once c is known one of Q_r: so it
is carried down to whichever of the two is large, until a small tree is left, and one scalar product.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

_WORDS = types.uint64[::1]
_ROWS = types.uint64[:, ::1]
_INTEGERS = types.int64[::1]
_TABLE = types.int64[:, ::1]

#: Rows of weights that pay for a scalar product with a tree of up to half the nodes instead of going further down.
_MANY_ROWS = 2048
#: Outputs of one tree that stay in the fastest cache while the products are added up.
_STRIP = 1024


@njit(types.void(types.int64, _ROWS, _ROWS, types.int64, types.int64, _WORDS), cache=True)
def _apply(order, weights, products, low, high, out):  # type: ignore[no-untyped-def]
    """``out[(i − low) rows + r] = Σ_j products[i, j] weights[j, r]``, j < order: values of Q beyond are not free."""
    rows = weights.shape[1]
    for begin in range(0, rows, _STRIP):
        end = min(begin + _STRIP, rows)
        for tree in range(low, high):
            target = out[(tree - low) * rows + begin : (tree - low) * rows + end]
            target[:] = 0
            # Four products at a time save three of four loads and stores of the target.
            j = 0
            while j + 4 <= order:
                v0, v1 = products[tree, j], products[tree, j + 1]
                v2, v3 = products[tree, j + 2], products[tree, j + 3]
                w0, w1 = weights[j, begin:end], weights[j + 1, begin:end]
                w2, w3 = weights[j + 2, begin:end], weights[j + 3, begin:end]
                for r in range(end - begin):
                    target[r] += v0 * w0[r] + v1 * w1[r] + v2 * w2[r] + v3 * w3[r]
                j += 4
            while j < order:
                value = products[tree, j]
                source = weights[j, begin:end]
                for r in range(end - begin):
                    target[r] += value * source[r]
                j += 1


@njit(types.uint64[:, ::1](types.int64, _ROWS, types.uint64[:, :, ::1]), cache=True)
def _fold(order, weights, extension):  # type: ignore[no-untyped-def]
    """Weights of the values at 0 … order − 1 only, (order, rows): those determine a polynomial of degree order − 1."""
    rows, points = weights.shape
    folded = np.empty((order, rows), dtype=np.uint64)
    for r in range(rows):
        for j in range(order):
            folded[j, r] = weights[r, j]
        for k in range(order, points):
            for j in range(order):
                folded[j, r] += extension[order, k, j] * weights[r, k]
    return folded


@njit(types.uint64[:, ::1](_ROWS, _ROWS, types.int64, types.int64), cache=True)
def _weights_of_child(weights, products, low, high):  # type: ignore[no-untyped-def]
    """The functionals ``Q_c ↦ Σ_j w_j Q_r(j) Σ_{i<j} Q_c(i)`` of a child for the rests in rows ``low … high``.

    Rest by rest, and for each rest one row of ``weights`` after the other: the order in which trees follow.
    """
    rows, points = weights.shape
    result = np.empty(((high - low) * rows, points), dtype=np.uint64)
    for rest in range(low, high):
        for r in range(rows):
            target = result[(rest - low) * rows + r]
            target[points - 1] = 0
            for j in range(points - 1, 0, -1):
                target[j - 1] = target[j] + weights[r, j] * products[rest, j]
    return result


@njit(types.int64(_INTEGERS, types.int64, types.int64), cache=True)
def _last_at_most(values, bound, count):  # type: ignore[no-untyped-def]
    """Index of the last of ``count`` rising values that is at most ``bound``, 0 if none is."""
    low, high = 0, count
    while high - low > 1:
        middle = (low + high) // 2
        if values[middle] <= bound:
            low = middle
        else:
            high = middle
    return low


@njit(
    types.void(
        *(types.int64, _ROWS, types.int64, types.int64, _WORDS),
        *(_INTEGERS, _INTEGERS, _TABLE, _ROWS, _ROWS, types.uint64[:, :, ::1], types.int64),
    ),
    cache=True,
)
def fill(  # type: ignore[no-untyped-def]
    order, weights, low, high, out, counts, offsets, starts, products, sums, extension, small
):
    """Functionals of Q of the trees ``low … high`` of one order, tree by tree, row of ``weights`` by row.

    ``products`` and ``sums`` are Q and P of the trees with up to ``len(offsets) − 2`` nodes, (trees, points): order m
    begins at row ``offsets[m]`` and holds ``counts[m]`` trees; ``starts[m, offsets[c] + i]`` is the
    ``block_start(m, c, i)`` of ``eomsym.tree_positions``.  ``weights`` is (rows, points), ``out`` holds
    ``(high − low) rows`` words.  Trees of up to ``small`` nodes, which the tables must hold, are not taken apart.
    """
    rows = weights.shape[0]
    if order <= small or (order < len(offsets) - 1 and rows >= _MANY_ROWS):
        folded = _fold(order, weights, extension)
        _apply(order, folded, products[offsets[order] : offsets[order] + counts[order]], low, high, out)
        return
    written = 0
    position = 0
    for size in range(order - 1, (order - 1) // 2, -1):  # the child has at least half the nodes: any rest fits
        rest_order = order - size
        rests = counts[rest_order]
        begin = max(low, position) - position
        end = min(high, position + counts[size] * rests) - position
        position += counts[size] * rests
        while begin < end:
            # A piece that starts or ends inside a child's block goes alone: its children do not have all rests.
            child, first = begin // rests, begin % rests
            if first > 0 or end - begin < rests:
                last = min(rests, first + end - begin)
                next_child, pieces = child + 1, last - first
            else:
                last = rests
                next_child, pieces = end // rests, (end // rests - child) * rests
            row = offsets[rest_order]
            carried = _weights_of_child(weights, products, row + first, row + last)
            fill(
                *(size, carried, child, next_child, out[written : written + pieces * rows]),
                *(counts, offsets, starts, products, sums, extension, small),
            )
            written += pieces * rows
            begin += pieces
        if position >= high:
            return
    for size in range((order - 1) // 2, 0, -1):  # the rest has more than half: a tail of its list
        rest_order = order - size
        blocks = starts[order, offsets[size] : offsets[size + 1]]
        child = _last_at_most(blocks, max(low, position), counts[size])
        while child < counts[size] and blocks[child] < high:
            tail = starts[rest_order, offsets[size] + child]
            length = counts[rest_order] - tail
            begin = max(low - blocks[child], 0)
            end = min(high - blocks[child], length)
            position = blocks[child] + length
            if begin < end:
                carried = weights * sums[offsets[size] + child]
                fill(
                    *(rest_order, carried, tail + begin, tail + end, out[written : written + (end - begin) * rows]),
                    *(counts, offsets, starts, products, sums, extension, small),
                )
                written += (end - begin) * rows
            child += 1
        if position >= high:
            return
