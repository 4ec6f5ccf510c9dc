"""The algebra of rooted trees for ``derivation.levels``: any rule without componentwise functions, exactly.

A vector is a B-series ``Σ_τ a(τ)/σ(τ) F_g(τ)``, held as ``a``; trees are coloured by the field whose derivative stands
at a node, and θ itself is a leaf of its own (decoupled weight decay needs it).  For a field g along a point
``θ + Σ_k η^k x_k`` the coefficient of a tree is the product of those of its children (Hairer, Lubich & Wanner,
*Geometric Numerical Integration*, 2nd ed. 2006, section III.1), here a product of polynomials in η.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from eomsym.derivation.levels import Matrix, modified_field_terms
from eomsym.errors import InputError
from eomsym.optimizers import Coefficient, UpdateRule
from eomsym.trees import THETA, ColouredTree

Values = list[Coefficient]
Series = dict[ColouredTree, Values]


def modified_tree_coefficients(rule: UpdateRule, terms: int) -> list[dict[ColouredTree, Coefficient]]:
    """``[f̃_0, …, f̃_{terms−1}]``, each as the coefficients of ``F_g(τ)``, 1/σ included, zeros left out.

    Raises ``InputError`` for a rule with products, quotients or roots: those have no trees.
    """
    if not rule.linear:
        raise InputError("rooted trees: this rule has componentwise products or roots; use the vector language")
    fields = modified_field_terms(rule, TreeAlgebra(terms), terms)
    return [
        {
            tree: values[0] * Fraction(1, tree.symmetry)
            for tree, values in sorted(field.items(), reverse=True)
            if values[0] != 0
        }
        for field in fields
    ]


class TreeAlgebra:
    """B-series whose coefficients depend on the step index: lists of values at the nodes."""

    def __init__(self, nodes: int) -> None:
        self.nodes = nodes

    def theta(self) -> Series:
        return {THETA: [1] * self.nodes}

    def ones(self) -> Series:
        raise InputError("rooted trees: a constant added to a vector is no B-series")

    def multiply(self, left: Series, right: Series) -> Series:
        raise InputError("rooted trees: a componentwise product is no B-series")

    def divide(self, numerator: Series, denominator: Series) -> Series:
        raise InputError("rooted trees: a componentwise quotient is no B-series")

    def root(self, argument: Series) -> Series:
        raise InputError("rooted trees: a componentwise root is no B-series")

    def combine(self, parts: Sequence[tuple[Coefficient, Series]]) -> Series:
        total: Series = {}
        for weight, series in parts:
            for tree, values in series.items():
                scaled = values if weight == 1 else [weight * value for value in values]
                total[tree] = [a + b for a, b in zip(total[tree], scaled, strict=True)] if tree in total else scaled
        return total

    def transform(self, matrix: Matrix, series: Series) -> Series:
        rows = [[(j, weight) for j, weight in enumerate(row) if weight != 0] for row in matrix]
        return {tree: [sum(weight * values[j] for j, weight in row) for row in rows] for tree, values in series.items()}

    def gradient(self, field: int, levels: Sequence[Series], nodes: int) -> Series:
        if set(levels[0]) != {THETA} or any(value != 1 for value in levels[0][THETA]):
            raise InputError("step function: a gradient is taken at a point that is not theta for eta = 0")
        children = _by_tree(levels, nodes)
        level = len(levels) - 1
        return {
            ColouredTree(field + 1, chosen): product[level]
            for chosen, product in _products(children, 0, (), {0: [1] * nodes}, level)
            if level in product
        }


_Powers = dict[int, Values]  # coefficient of η^k


def _by_tree(levels: Sequence[Series], nodes: int) -> list[tuple[ColouredTree, _Powers]]:
    """Every tree that stands in levels 1, 2, …, with its coefficients by power of η."""
    found: dict[ColouredTree, _Powers] = {}
    for level, series in enumerate(levels[1:], start=1):
        for tree, values in series.items():
            if any(value != 0 for value in values[:nodes]):
                found.setdefault(tree, {})[level] = values[:nodes]
    return sorted(found.items())


def _products(
    children: Sequence[tuple[ColouredTree, _Powers]],
    first: int,
    chosen: tuple[ColouredTree, ...],
    product: _Powers,
    level: int,
) -> Iterator[tuple[tuple[ColouredTree, ...], _Powers]]:
    """All multisets of children whose product reaches no higher than ``level``, each with that product."""
    yield chosen, product
    for index in range(first, len(children)):
        tree, powers = children[index]
        extended: _Powers = {}
        for k, left in product.items():
            for m, right in powers.items():
                if k + m <= level:
                    term = [a * b for a, b in zip(left, right, strict=True)]
                    known = extended.get(k + m)
                    extended[k + m] = term if known is None else [a + b for a, b in zip(known, term, strict=True)]
        if extended:
            yield from _products(children, index, (*chosen, tree), extended, level)
