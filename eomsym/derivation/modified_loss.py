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
from collections.abc import Mapping
from fractions import Fraction

from eomsym.derivation.equation import Equation
from eomsym.errors import InputError
from eomsym.exact_numbers import Coefficient, exact
from eomsym.trees import THETA, Tree

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


def rooted_at_each(tree: Tree, above: tuple[Tree, ...] = ()) -> list[Tree]:
    """The tree rooted at each of its nodes; what is above becomes one more child, and deeper nodes carry it along."""
    found = [Tree((*tree.children, *above), tree.colour)]
    for index, child in enumerate(tree.children):
        others = (*tree.children[:index], *tree.children[index + 1 :], *above)
        found += rooted_at_each(child, (Tree(others, tree.colour),))
    return found
