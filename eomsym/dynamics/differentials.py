"""Elementary differentials ``F(τ) = g^{(m)}(F(τ_1), …, F(τ_m))`` of a kernel's loss at a point, tree by tree.

Only derivatives along straight lines are asked of the kernel, ``g(θ + ηu)`` as a power series in η; derivatives along
several directions follow by polarisation.  Neither the counter terms of the kernel nor its iterates are used: this is
the independent check of them, slow but direct.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from math import comb, prod
from typing import Any, Protocol

import numpy as np

from eomsym.dynamics.kernel import Data, FieldKernel, check_order, check_theta
from eomsym.errors import InputError
from eomsym.optimizers.optimizer import Field
from eomsym.trees import Tree

#: ``taylor(u, m)`` is coefficient m of ``g(θ + ηu)``.
Taylor = Callable[[np.ndarray, int], np.ndarray]


class SeriesKernel(FieldKernel, Protocol):
    """A kernel that also gives the gradient along a curve: ``gradient_series((terms, d), *data)`` → (terms, d)."""

    @property
    def gradient_series(self) -> Callable[..., np.ndarray]: ...


def gradient_along(kernel: SeriesKernel, data: Data) -> Callable[[np.ndarray], np.ndarray]:
    """The kernel's gradient along curves with these data; generated kernels check the data once."""
    bound: Callable[..., Callable[[np.ndarray], np.ndarray]] | None = getattr(kernel, "gradient_along", None)
    return bound(*data) if bound is not None else lambda series: kernel.gradient_series(series, *data)


def gradient_of_fields(
    data: Data, fields: Sequence[Field], bind: Callable[[Data], Callable[[Any], np.ndarray]]
) -> Callable[..., np.ndarray]:
    """``(place, field=0)`` → the gradient of one of the ``fields``; ``bind(data)`` makes that of the loss on samples.

    The samples of a field are taken out of the data once, not at every step.  Raises ``InputError`` where there are
    none to take a part of.
    """
    bound: dict[int, Callable[[Any], np.ndarray]] = {}

    def gradient(place: Any, field: int = 0) -> np.ndarray:
        if field not in bound:
            if fields[field].of_samples and not len(data):
                raise InputError("data: this loss has none to make batches or workers of; take a list of losses")
            bound[field] = bind([array[fields[field].samples(len(array))] for array in data])
        return fields[field].of_loss(bound[field](place))

    return gradient


def elementary_differentials(
    kernel: SeriesKernel, theta: np.ndarray, trees: Iterable[Tree], data: Data = ()
) -> dict[Tree, np.ndarray]:
    """``F_g(τ)`` at ``theta`` (d,) for every tree asked for, each (d,); subtrees are computed once.

    Raises ``InputError`` for a bad point, what is no tree, or a node with more children than the kernel's order.
    """
    point, wanted = check_theta(kernel, theta), list(trees)
    for tree in wanted:
        if not isinstance(tree, Tree):
            raise InputError(f"tree {tree!r}: none; give one of eomsym.trees, such as parse_tree('[[],[]]')")
        check_order(kernel, _most_children(tree), f"a derivative of g taken {_most_children(tree)} times")
    values: dict[Tree, np.ndarray] = {}

    def taylor(direction: np.ndarray, order: int) -> np.ndarray:
        series = np.zeros((order + 1, kernel.size))
        series[0] = point
        if order:
            series[1] = direction
        return kernel.gradient_series(series, *data)[order]

    def value(tree: Tree) -> np.ndarray:
        if tree not in values:
            arguments = [(value(child), count) for child, count in Counter(tree.children).items()]
            values[tree] = directional_derivative(taylor, arguments, kernel.size)
        return values[tree]

    return {tree: value(tree) for tree in wanted}


def directional_derivative(taylor: Taylor, arguments: Sequence[tuple[np.ndarray, int]], size: int) -> np.ndarray:
    """``g^{(m)}`` applied to the arguments, each a vector and how often it occurs; ``taylor`` as above.

    By polarisation over signs, ``2^m g^{(m)}(v_1, …, v_m) = Σ_ε ε_1…ε_m [η^m] g(θ + η Σ ε_i v_i)``; equal arguments
    are taken together, and a direction and its opposite count as one.  Arguments are made unit vectors first: sums of
    long and short ones would lose digits.
    """
    lengths = [float(np.linalg.norm(vector)) for vector, _ in arguments]
    if 0.0 in lengths:
        return np.zeros(size)
    counts = [count for _, count in arguments]
    order = sum(counts)
    if order == 0:
        return taylor(np.zeros(size), 0)
    units = [vector / length for (vector, _), length in zip(arguments, lengths, strict=True)]
    total = np.zeros(size)
    for signs, weight in _half_of_the_signs(counts):
        direction = np.array(sum(sign * unit for sign, unit in zip(signs, units, strict=True)))
        total += weight * taylor(direction, order)
    return total * prod(length**count for length, count in zip(lengths, counts, strict=True)) / 2 ** (order - 1)


def _half_of_the_signs(counts: Sequence[int]) -> Iterator[tuple[tuple[int, ...], int]]:
    """How often each argument is added, less how often subtracted, with its weight; one of each pair of opposites.

    The first that is not zero is positive; all zero is no direction.
    """
    for minuses in product(*(range(count + 1) for count in counts)):
        signs = tuple(count - 2 * minus for count, minus in zip(counts, minuses, strict=True))
        if next((sign for sign in signs if sign), 0) > 0:
            weight = prod(comb(count, minus) * (-1) ** minus for count, minus in zip(counts, minuses, strict=True))
            yield signs, weight


def _most_children(tree: Tree) -> int:
    return max([len(tree.children), *map(_most_children, tree.children)])
