"""Counter terms of rules that plain trees cannot hold: several fields (coloured trees), or componentwise functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from eomsym.derivation.vector_language import ComponentwiseFunction, Monomial
from eomsym.exact_numbers import Coefficient
from eomsym.trees import ColouredTree

if TYPE_CHECKING:
    import sympy


@dataclass(frozen=True)
class GeneralTerm:
    """``coefficient · basis``: a coloured tree's elementary differential, or a monomial of the vector language."""

    basis: ColouredTree | Monomial
    coefficient: Coefficient


@dataclass(frozen=True)
class GeneralCounterterms:
    """The equation of motion ``θ̇ = −leading − η Σ_k η^k ξ_k`` of an optimiser that needs more than plain trees.

    ``leading`` and each of ``terms`` list what is not zero.  ``fields`` says what ``g_1``, ``g_2``, … are of;
    ``functions`` defines the componentwise functions of g.  Coefficients are exact, as in ``Counterterms``.
    """

    optimizer: str
    parameters: Mapping[str, Fraction]
    order: int
    leading: tuple[GeneralTerm, ...]
    terms: tuple[tuple[GeneralTerm, ...], ...]
    fields: tuple[str, ...] = ()
    functions: tuple[ComponentwiseFunction, ...] = ()

    def text(self) -> str:
        """The equation of motion, the definitions, then one line per counter term."""
        from eomsym.notation.general import general_text

        return general_text(self)

    __str__ = text

    def latex(self) -> str:
        """The same as an ``aligned`` LaTeX block."""
        from eomsym.notation.general import general_latex

        return general_latex(self)

    def sympy_lines(self) -> str:
        """Lines ``NAME = EXPRESSION`` that SymPy reads."""
        from eomsym.notation.general import general_sympy_lines

        return general_sympy_lines(self)

    def to_json(self) -> str:
        """One JSON object; there is no reader for it."""
        from eomsym.notation.general import general_json

        return general_json(self)

    def to_sympy(self, losses: Sequence[sympy.Expr], variables: Sequence[sympy.Symbol]) -> list[sympy.Matrix]:
        """``[leading, ξ_0, ξ_1, …]`` for concrete losses, one for each field, as columns of exact expressions."""
        from eomsym.notation.general import general_sympy

        return general_sympy(self, losses, variables)
