"""The algebra of rooted trees for the solver of ``step_index``: any rule without componentwise functions, exactly.

A vector is a B-series ``Σ_τ a(τ)/σ(τ) F_g(τ)``, held as ``a``; trees are coloured by the field whose derivative stands
at a node, and θ itself is a leaf of its own (decoupled weight decay needs it).  For a field g along a point
``θ + Σ_k η^k x_k`` the coefficient of a tree is the product of those of its children (Hairer, Lubich & Wanner,
*Geometric Numerical Integration*, 2nd ed. 2006, section III.1), here a product of polynomials in η.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import reduce
from operator import add, itemgetter, mul

from eomsym.errors import InputError
from eomsym.exact_numbers import Coefficient, exact
from eomsym.optimizers.rule import UpdateRule
from eomsym.step_index import Algebra, solve
from eomsym.step_index.tables import Matrix, integer_nodes
from eomsym.trees import THETA, Tree, slow_leaf

Values = list[Coefficient]
Series = dict[Tree, Values]


def modified_tree_coefficients(rule: UpdateRule, terms: int) -> list[dict[Tree, Coefficient]]:
    """``[f̃_0, …, f̃_{terms−1}]``, each as the coefficients of ``F_g(τ)``, 1/σ included, zeros left out.

    Raises ``InputError`` for a rule with products, quotients or roots: those have no trees.
    """
    if not rule.linear:
        raise InputError("rooted trees: this rule has componentwise products or roots; use the vector language")
    algebra = TreeAlgebra(integer_nodes(rule, terms))
    return [algebra.row(field) for field in solve(rule, algebra, terms)]


class TreeAlgebra(Algebra):
    """B-series whose coefficients depend on the step index: lists of values at the nodes."""

    def row(self, field: Series) -> dict[Tree, Coefficient]:
        """The coefficients of ``F_g(τ)`` at the first node, 1/σ included, zeros left out."""
        return {
            tree: exact(values[0] * Fraction(1, tree.symmetry))
            for tree, values in sorted(field.items(), reverse=True)
            if values[0] != 0
        }

    def slow(self, index: int) -> Series:
        return {slow_leaf(index): [1] * len(self.tables.nodes)}

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
        return {tree: [_weighted(row, values) for row in rows] for tree, values in series.items()}

    def gradient(self, field: int) -> Callable[[Series], Series]:
        level, children = 0, dict[Tree, _Powers]()

        def along(point: Series) -> Series:
            nonlocal level
            if level == 0 and (set(point) != {THETA} or any(value != 1 for value in point[THETA])):
                raise InputError("step function: a gradient is taken at a point that is not theta for eta = 0")
            known = self.tables.known(level)
            if level > 0:
                for tree, values in point.items():
                    if any(value != 0 for value in values):
                        children.setdefault(tree, {})[level] = values
            ordered = [(min(powers), tree, powers) for tree, powers in children.items()]
            ordered.sort(key=itemgetter(0))
            found = {
                Tree(chosen, field + 1): product
                for chosen, product in _products(ordered, 0, (), {0: [1] * known}, level)
            }
            extended = self.transform(self.tables.extension(level), found)
            level += 1
            return extended

        return along


def _weighted(row: Sequence[tuple[int, Coefficient]], values: Values) -> Coefficient:
    """``Σ weight · values[j]``: without 0 + and 1 ·, each of which has a rational function look for common factors."""
    parts = [values[j] if weight == 1 else weight * values[j] for j, weight in row]
    return reduce(add, parts) if parts else 0


_Powers = dict[int, Values]  # coefficient of η^k


def _products(
    children: Sequence[tuple[int, Tree, _Powers]],
    first: int,
    chosen: tuple[Tree, ...],
    product: _Powers,
    level: int,
) -> Iterator[tuple[tuple[Tree, ...], Values]]:
    """All multisets of children whose product reaches ``level``, each with that coefficient of the product.

    ``children`` come with their lowest power of η, lowest first.
    """
    if level in product:
        yield chosen, product[level]
    room = level - min(product)
    for index in range(first, len(children)):
        lowest, tree, powers = children[index]
        if lowest > room:
            return
        extended: _Powers = {}
        for k, left in product.items():
            for m, right in powers.items():
                if k + m <= level:
                    term = list(map(mul, left, right)) if chosen else right[: len(left)]  # it begins with 1
                    known = extended.get(k + m)
                    extended[k + m] = term if known is None else list(map(add, known, term))
        if extended:  # its factors may all be too high for one another
            yield from _products(children, index, (*chosen, tree), extended, level)
