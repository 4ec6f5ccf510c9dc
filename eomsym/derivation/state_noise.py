"""Batches drawn independently, on the whole state: the modified generator of expectations of (θ, memory).

Of a step ``z⁺ = z + hΦ_1 + h²Φ_2 + …`` with a batch's gradient let the *mean step* be that of the means Φ̄_k, and F its
whole-state field.  With covariances C_11, C_12 of Φ_1, Φ_2 over batches and the third cumulant K of Φ_1 the averaged
step is, S being composition with the mean step,

    P = S + h² ½ C_11 : S ∂² + h³ (C_12 : S ∂² + 1/6 K : S ∂³) + …,

and ``h𝓛 = log P`` is ``𝓛 = F·∂ + ½ D : ∂² + 1/6 K : ∂³`` with ``D = hD_1 + h²D_2``, ``D_1 = C_11`` and

    D_2 = C_12 + C_12ᵀ − ½ (C_11 Jᵀ + J C_11) − ½ (F_0·∂) C_11,    J = ∂F_0,

beside ``−h² ¼ C_11 : ∂²F_0`` in the drift.  Where θ takes the gradient only through its memory, C_11 is of memories,
in which F_0 of a rule without componentwise functions is linear: then that part vanishes, and D_2 has Σ and its
derivatives along states alone.

A rule that squares the gradient, as Adam, has means of powers of it in Φ̄: each is a field of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations_with_replacement
from typing import TypeAlias

from eomsym.derivation.algebras import GRADIENT, Series, VectorAlgebra
from eomsym.errors import InputError
from eomsym.exact_numbers import Coefficient, collected, exact
from eomsym.notation.terms import Cumulant, Monomial, Row
from eomsym.optimizers.rule import Gradient, UpdateRule
from eomsym.trees import slow_leaf

#: By pairs of states, or triples: a row for each power of h.
Blocks: TypeAlias = dict[tuple[int, ...], list[Row]]
HALF = Fraction(1, 2)


class MeanAlgebra(VectorAlgebra):
    """Monomials for the mean step: what moves a state is averaged over batches.  To order 1."""

    def antidifference(self, values: Series, level: int) -> Series:
        return super().antidifference(self._averaged(values), level)

    def logarithm(self, values: Series, level: int) -> Series:
        return super().logarithm(self._averaged(values), level)

    def _averaged(self, values: Series) -> Series:
        parts = [(*_mean(monomial), series) for monomial, series in values.items()]
        return self.combine([(weight, {mean: series}) for weight, mean, series in parts])

    def _function(self, argument: Mapping[Monomial, Coefficient], root: bool) -> Monomial:
        if any(monomial.gradient for monomial in argument):
            raise InputError("noise: a root or a denominator has the gradient of the same step, whose mean is unknown")
        return super()._function(argument, root)


def _mean(monomial: Monomial) -> tuple[Fraction, Monomial]:
    """``E gᵏ g'(u) = (E gᵏ⁺¹)'(u)/(k + 1)``, componentwise; u and states are the same for all batches."""
    if not monomial.gradient and not monomial.derivatives:
        return Fraction(1), monomial
    (along,) = monomial.derivatives or ((),)  # two derivatives come at order 2
    power = monomial.gradient + len(along)
    outside = replace(monomial, gradient=0, derivatives=())
    return Fraction(1, power if along else 1), outside * Monomial(means=((power, along),))


def highest_power(drift: Sequence[Sequence[Row]]) -> int:
    """The highest power of the gradient whose mean is in the drift, at least 1."""
    elements = [element for level in drift for row in level for element in row if isinstance(element, Monomial)]
    return max((power for element in elements for power, _ in element.means), default=1)


def noise_blocks(rule: UpdateRule, drift: Sequence[Sequence[Row]], first: Sequence[Row]) -> Blocks:
    """Of D by pairs of states and of K by triples, those that are not zero: a row for each power of h.

    ``drift`` has the rows of F, ``first`` what a step of a rule with componentwise functions adds to each state in
    first order.  Raises ``InputError`` for order 2 where θ takes the gradient of its step in first order.
    """
    taken = _taken(rule) if rule.linear else []
    first = [{GRADIENT: weight} for weight in taken[0]] if rule.linear else first
    second = _second(rule, taken, drift[0]) if len(drift) > 2 else None
    found: Blocks = {}
    for indices in (2, 3):
        for states in combinations_with_replacement(range(len(first)), indices):
            once = _covariance(*(first[i] for i in states)) if indices == 2 else {}
            rows = [{}, once, second(*states) if second else {}][: len(drift)]
            rows = [{element: exact(value) for element, value in row.items() if value != 0} for row in rows]
            if any(rows):
                found[states] = rows
    return found


def _covariance(*vectors: Row) -> Row:
    """By the terms of two sums; what has no gradient is the same for all batches."""
    left, right = ([(one, weight) for one, weight in row.items() if one.gradient] for row in vectors)
    return collected((Cumulant((one, other)), a * b) for one, a in left for other, b in right)


def _taken(rule: UpdateRule) -> list[list[Coefficient]]:
    """How a linear rule's states take the gradient at h and h²."""
    number = rule.atoms.index(_gradient(rule))
    return [[rule.moved(index).coefficient(number, power) for index in rule.slow] for power in (1, 2)]


def _gradient(rule: UpdateRule) -> Gradient:
    return next(atom for atom in rule.atoms if isinstance(atom, Gradient))


def _second(rule: UpdateRule, taken: Sequence[Sequence[Coefficient]], flow: Sequence[Row]) -> Callable[..., Row]:
    """Blocks of D_2 and K_2 of a linear rule: θ's place moves along ``u − F_0/2``, u the shift of the gradient's."""
    first, states = taken[0], range(len(taken[0]))
    if first[0] != 0:
        raise InputError("order 2: with noise it is derived where theta takes the gradient through its memory; give 1")
    pushed = [sum(row.get(slow_leaf(m), 0) * first[m] for m in states if m) for row in flow]
    later = [after - HALF * push for after, push in zip(taken[1], pushed, strict=True)]
    point = _gradient(rule).point
    moved = [point.coefficient(rule.state(m), 1) - HALF * flow[0].get(slow_leaf(m), 0) for m in states]

    def block(a: int, b: int, *third: int) -> Row:
        if third:
            return {Cumulant((GRADIENT,) * 3): first[a] * first[b] * first[third[0]]}
        along = {_sigma(m): first[a] * first[b] * weight for m, weight in enumerate(moved)}
        return {_sigma(): first[a] * later[b] + later[a] * first[b], **along}

    return block


def _sigma(*along: int) -> Cumulant:
    """Σ, or its derivative."""
    return Cumulant((GRADIENT, GRADIENT), along)
