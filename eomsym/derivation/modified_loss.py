"""Which terms of an equation of motion are gradients, and of what loss.

For a free (unrooted) tree π let ``S_π`` be the contraction of derivatives of L along π: one derivative of L at each
node, one summed index on each edge.  Differentiating it marks each node in turn as the root, so

    ∇S_π = Σ_τ σ(π)/σ(τ) F(τ)       over the rootings τ of π,

and a combination ``Σ b(τ)/σ(τ) F(τ)`` is the gradient of ``Σ_π b/σ(π) S_π`` for every loss if b takes one value on all
rootings of each π.  Where it does not, the mean over the rootings gives a modified loss, and the rest is what no choice
of b on free trees can give.  The same holds for coloured trees, one loss for each colour.  That the rest is no gradient
is not proved here: for gradient descent its curl was seen not to vanish (see the tests).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from eomsym.derivation.equation import Equation
from eomsym.errors import InputError
from eomsym.exact_numbers import Coefficient, collected, exact
from eomsym.notation.terms import ComponentwiseFunction, Monomial, Row, antiderivative, root_inside
from eomsym.trees import LEAF, THETA, Tree

_Trees = dict[Tree, Coefficient]


def split_gradient(row: Mapping[Tree, Coefficient]) -> tuple[_Trees, _Trees]:
    """A combination of elementary differentials as the gradient of a loss plus a rest.

    The loss has the coefficient of ``S_π`` by one rooting of π, the first in canonical order.
    """
    loss: _Trees = {}
    rest: _Trees = {}
    seen = set[Tree]()
    for tree in sorted(row, reverse=True):
        if tree in seen:
            continue
        rootings = Counter(rooted_at_each(tree))
        seen |= set(rootings)
        scaled = {rooting: row.get(rooting, 0) * rooting.symmetry for rooting in rootings}
        mean = sum(scaled.values(), start=Fraction(0)) / len(scaled)
        if mean != 0:
            # Orbit and stabiliser: automorphisms of π are those of a rooting times the places that its root can take.
            free_symmetry = tree.symmetry * rootings[tree]
            loss[max(rootings)] = exact(mean * Fraction(1, free_symmetry))
        for rooting, value in scaled.items():
            if value != mean:
                rest[rooting] = exact((value - mean) * Fraction(1, rooting.symmetry))
    return loss, rest


def tree_rows(equation: Equation) -> list[_Trees]:
    """``[leading, ξ_0, ξ_1, …]`` as coefficients of ``F_g(τ)``, zeros left out.

    Raises ``InputError`` for componentwise functions and for decoupled decay.
    """
    if equation.functions:
        raise InputError(f"modified loss: {equation.optimizer} divides componentwise, and its terms are no trees")
    rows = [{tree: value for tree, value in row.items() if value != 0} for row in equation.rows]
    if any(THETA.colour in tree.colours for row in rows for tree in row):
        raise InputError(f"modified loss: {equation.optimizer} has decoupled decay; only trees of gradients are split")
    return rows


def componentwise_loss(equation: Equation) -> tuple[list[Row], list[Row], Row]:
    """Loss, rest and P of ``θ̇ = −P ∇L̃ − …`` to η¹, for a rule that divides componentwise.

    P is what stands before g in the leading row; ``P H w(g)`` is P times the gradient of ``Σ_i W(g_i)``, ``W' = w``.
    Raises ``InputError`` for a higher order, and where more than a multiple of g is divided.
    """
    leading, *higher = equation.rows
    first: Any = next(iter(leading), None)
    if len(leading) != 1 or not antiderivative(first, equation.functions):
        raise InputError(
            f"modified loss: {equation.optimizer} divides componentwise, and not g by a root of g² and numbers"
        )
    if len(higher) > 1:
        raise InputError(f"modified loss: {equation.optimizer} divides componentwise; its loss is known to order 1")
    factor = replace(first, gradient=0)
    descent = replace(factor, derivatives=((first,),))
    higher = [_without_root(row, first, equation.functions) for row in higher]
    loss: list[Row] = [{first: row[descent] / leading[first]} if descent in row else {} for row in higher]
    rest: list[Row] = [{basis: value for basis, value in row.items() if basis != descent} for row in higher]
    return [{LEAF: Fraction(1)}, *loss], [{}, *rest], {factor: leading[first]}


def _without_root(row: Row, first: Monomial, functions: Sequence[ComponentwiseFunction]) -> Row:
    """With ``r = (q − e)/c`` where q is divided by: what is left beside a gradient then vanishes with e."""
    ((index, _),) = first.powers
    root, slope, constant = root_inside(functions[index], functions) or (index, 1, 0)
    if root == index:
        return row
    parts: list[tuple[Monomial, Coefficient]] = []
    for basis, value in row.items():
        if (root, 1) not in basis.powers:
            parts.append((basis, value))
            continue
        without = basis * Monomial(powers=((root, -1),))
        parts += [(without * Monomial(powers=((index, 1),)), value / slope), (without, -value * constant / slope)]
    return {basis: exact(value) for basis, value in collected(parts).items() if value != 0}


def rooted_at_each(tree: Tree, above: tuple[Tree, ...] = ()) -> list[Tree]:
    """The tree rooted at each of its nodes; what is above becomes one more child, and deeper nodes carry it along."""
    found = [Tree((*tree.children, *above), tree.colour)]
    for index, child in enumerate(tree.children):
        others = (*tree.children[:index], *tree.children[index + 1 :], *above)
        found += rooted_at_each(child, (Tree(others, tree.colour),))
    return found
