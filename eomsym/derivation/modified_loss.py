"""Which counter terms are gradients, and of what loss.

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
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from eomsym import optimizers
from eomsym.derivation.counterterms import Counterterms, derive_slow_manifold
from eomsym.derivation.general_terms import GeneralCounterterms
from eomsym.errors import InputError
from eomsym.exact_numbers import Coefficient, exact
from eomsym.notation.coefficients import coefficient_text
from eomsym.notation.general import TEXT_STYLE, Writer
from eomsym.notation.sums import TEXT, signed_sum
from eomsym.notation.text import power_text, primes_text, subscript
from eomsym.optimizers import Optimizer
from eomsym.result import Result
from eomsym.trees import THETA, ColouredTree

_Trees = dict[ColouredTree, Coefficient]


@dataclass(frozen=True)
class LossTerm:
    """``coefficient · S_π``; ``tree`` is one rooting of π, the first in canonical order."""

    tree: ColouredTree
    coefficient: Coefficient


@dataclass(frozen=True, repr=False)
class ModifiedLoss(Result):
    """``L̃ = Σ_k η^k Σ coefficient · S_π`` (``levels[k]``), and what of the field is not its gradient.

    ``rest[k]`` maps rooted trees to the coefficients of ``F_g(τ)`` in ``η^k``: the equation of motion is
    ``θ̇ = −∇L̃ − Σ_k η^k Σ rest · F_g``.  Level 0 is the loss that gradient flow descends.
    """

    optimizer: str
    parameters: Mapping[str, Fraction]
    levels: tuple[tuple[LossTerm, ...], ...]
    rest: tuple[Mapping[ColouredTree, Coefficient], ...]
    fields: int = 1

    @property
    def is_gradient(self) -> tuple[bool, ...]:
        """For each power of η, whether its term is a gradient for every loss."""
        return tuple(not part for part in self.rest)

    def text(self) -> str:
        """One line for each power of η: its part of the modified loss, and the rest where there is one."""
        writer, lines = Writer(TEXT_STYLE, self.fields > 1), []
        for k, (level, left_over) in enumerate(zip(self.levels, self.rest, strict=True)):
            contractions = signed_sum(((term.coefficient, _contraction(term.tree, writer)) for term in level), TEXT)
            lines.append(f"{power_text('η', k) if k else 'L̃_0'}: {contractions}")
            if left_over:
                differentials = writer.sum((value, tree) for tree, value in left_over.items())
                lines.append(f"   not a gradient for every loss; beside it stays {differentials}")
        return "\n".join(lines)

    @property
    def summary(self) -> str:
        """The optimiser, the highest power of η, and the powers whose terms are no gradients."""
        no = ", ".join(str(k) for k, gradient in enumerate(self.is_gradient) if not gradient)
        return f"{self.optimizer}, order {len(self.levels) - 1}, no gradient in powers {no or 'none'}"

    def report(self) -> list[str]:
        """The text."""
        return [self.text()]

    def records(self) -> list[dict[str, Any]]:
        """One row a term of the modified loss; ``tree`` is the first rooting of its free tree."""
        return [
            {"power": k, "tree": str(term.tree), "coefficient": coefficient_text(term.coefficient)}
            for k, level in enumerate(self.levels)
            for term in level
        ]


def _contraction(tree: ColouredTree, writer: Writer) -> str:
    """``L'(g)``, the derivative of the loss along what the root's children are."""
    name = "L" + (subscript(tree.colour) if writer.coloured else "")
    arguments = writer.arguments(tree)
    return name + primes_text(len(arguments)) + (f"({', '.join(arguments)})" if arguments else "")


def modified_loss(
    optimizer: str | Optimizer = "gradient-descent", order: int = 2, **parameters: object
) -> ModifiedLoss:
    """The modified loss of an optimiser up to ``η^order``, as exact as its counter terms (``derive``).

    Raises ``InputError`` for games, whose field is no gradient to begin with, and for componentwise functions: those
    terms are no combinations of trees.
    """
    entry, given = optimizers.chosen(optimizer, parameters)
    result = derive_slow_manifold(entry, order, **given)
    values = dict(result.parameters)
    if any(field.is_game for field in entry.fields(**values)):
        raise InputError(f"modified loss: the field of {entry.name} is a game's, which is no gradient to begin with")
    levels, rest = [], []
    for row in tree_rows(result):
        terms, left = split_gradient(row)
        levels.append(terms)
        rest.append(left)
    return ModifiedLoss(entry.name, result.parameters, tuple(levels), tuple(rest), len(entry.fields(**values)))


def split_gradient(row: _Trees) -> tuple[tuple[LossTerm, ...], _Trees]:
    """A combination of elementary differentials as the gradient of a loss plus a rest."""
    terms, rest, seen = [], {}, set[ColouredTree]()
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
            terms.append(LossTerm(max(rootings), exact(mean * Fraction(1, free_symmetry))))
        for rooting, value in scaled.items():
            if value != mean:
                rest[rooting] = exact((value - mean) * Fraction(1, rooting.symmetry))
    return tuple(terms), rest


def tree_rows(result: Counterterms | GeneralCounterterms) -> list[_Trees]:
    """``[leading, ξ_0, ξ_1, …]`` as coefficients of ``F_g(τ)`` over coloured trees, zeros left out.

    Raises ``InputError`` for componentwise functions and for decoupled decay.
    """
    if isinstance(result, Counterterms):
        first = {ColouredTree(1): result.gradient_coefficient}
        return [
            first,
            *({ColouredTree.of(t.tree): t.coefficient for t in row if t.coefficient != 0} for row in result.terms),
        ]
    if result.functions:
        raise InputError(f"modified loss: {result.optimizer} divides componentwise, and its terms are no trees")
    rows: list[_Trees] = []
    for row in (result.leading, *result.terms):
        rows.append({term.basis: term.coefficient for term in row if isinstance(term.basis, ColouredTree)})
    if any(tree.holds(THETA.colour) for row in rows for tree in row):
        raise InputError(f"modified loss: {result.optimizer} has decoupled decay; only trees of gradients are split")
    return rows


def rooted_at_each(tree: ColouredTree, above: tuple[ColouredTree, ...] = ()) -> list[ColouredTree]:
    """The tree rooted at each of its nodes; what is above becomes one more child, and deeper nodes carry it along."""
    found = [ColouredTree(tree.colour, (*tree.children, *above))]
    for index, child in enumerate(tree.children):
        others = (*tree.children[:index], *tree.children[index + 1 :], *above)
        found += rooted_at_each(child, (ColouredTree(tree.colour, others),))
    return found
