"""The shadow start on rooted trees: the solver of ``step_index`` in the ring of quasi-polynomials.

From its real start the iterate of a method with memory is ``θ_n = θ_0 + Σ_k η^k θ_n[k]``, each coefficient a
quasi-polynomial in n: a polynomial, and terms that fade with the memory.  The polynomial part is the smooth path on the
slow manifold, and its value at n = 0 is where that path starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from eomsym.derivation.tree_algebra import Series, TreeAlgebra
from eomsym.errors import InputError
from eomsym.exact_numbers import exact
from eomsym.optimizers import Coefficient, UpdateRule
from eomsym.step_index import Matrix, QuasiPolynomial, Tables, solve
from eomsym.trees import ColouredTree

#: ``Σ coefficient · F(tree)``: what a memory starts as.
Combination = Mapping[ColouredTree, Coefficient]


def tree_start(
    rule: UpdateRule, memory: Mapping[int, Combination], order: int
) -> list[dict[ColouredTree, Coefficient]]:
    """``[c_1, …, c_order]`` of ``θ̂_0 = θ_0 + Σ η^k c_k``: coefficients of ``F_g(τ)``, 1/σ included, no zeros.

    ``memory`` has what state 1, 2, … starts as, where that is not zero.  Raises ``InputError`` for a rule with
    products, quotients or roots.
    """
    if not rule.linear:
        raise InputError("rooted trees: this rule has componentwise products or roots, so its start has no trees")
    return [
        {
            tree: exact(value * Fraction(1, tree.symmetry))
            for tree, (value,) in sorted(start.items(), reverse=True)
            if value != 0
        }
        for start in solve(rule, StartAlgebra(memory), order)
    ]


class _OneValue(Tables):
    """A quasi-polynomial is one value and needs no nodes."""

    def known(self, level: int) -> int:
        return 1

    def extension(self, level: int) -> Matrix:
        return ((1,),)


class StartAlgebra(TreeAlgebra):
    """B-series whose coefficients are quasi-polynomials in the step number; difference equations keep their start."""

    def __init__(self, memory: Mapping[int, Combination]) -> None:
        super().__init__(_OneValue((Fraction(0),)))
        self._memory = memory

    def solve_memory(self, share: Coefficient, index: int, values: Series, level: int) -> Series:
        start = self._memory.get(index, {}) if level == 0 else {}
        return {
            tree: [_quasi(values[tree][0] if tree in values else 0).solved(share, start.get(tree, 0))]
            for tree in {**values, **start}
        }

    def antidifference(self, values: Series, level: int) -> Series:
        return {tree: [_quasi(value).solved(1)] for tree, (value,) in values.items()}

    def logarithm(self, values: Series, level: int) -> Series:
        """Here what is read from the increments of θ is not the field but the start of the part that stays."""
        return {tree: [value.lasting] for tree, (value,) in self.antidifference(values, level).items()}


def _quasi(value: QuasiPolynomial | Coefficient) -> QuasiPolynomial:
    return value if isinstance(value, QuasiPolynomial) else QuasiPolynomial.constant(value)
