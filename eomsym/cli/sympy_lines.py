"""Counter terms as lines ``NAME = EXPRESSION`` that SymPy reads: the elementary differentials of g as nested functions.

``g`` stands for the gradient, ``g1(u)`` for its derivative along u, ``g2(u, v)`` for the second derivative along u and
v, and so on: ``xi_1 = g1(g1(g))/3 + g2(g, g)/12``.  Zero terms are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from eomsym.notation import coefficient_text

if TYPE_CHECKING:
    from eomsym.derivation import Counterterms, Term
    from eomsym.trees import Tree


def sympy_lines(counterterms: Counterterms) -> str:
    """One line for the coefficient of g, then one for each counter term."""
    lines = [f"gradient_coefficient = {coefficient_text(counterterms.gradient_coefficient)}"]
    lines += [f"xi_{index} = {_sum(terms)}" for index, terms in enumerate(counterterms.terms)]
    return "\n".join(lines)


def _sum(terms: Sequence[Term]) -> str:
    products = [_product(term) for term in terms if term.coefficient != 0]
    return " + ".join(products).replace("+ -", "- ") or "0"


def _product(term: Term) -> str:
    differential, coefficient = _differential(term.tree), term.coefficient
    if not isinstance(coefficient, (int, Fraction)):
        return f"({coefficient_text(coefficient)})*{differential}"
    # The quotient is written last: a bare 1/12 would be a float for Python, g2(g, g)/12 is exact for everybody.
    factor = {1: "", -1: "-"}.get(coefficient.numerator, f"{coefficient.numerator}*")
    divisor = "" if coefficient.denominator == 1 else f"/{coefficient.denominator}"
    return f"{factor}{differential}{divisor}"


def _differential(tree: Tree) -> str:
    if not tree.children:
        return "g"
    return f"g{len(tree.children)}({', '.join(_differential(child) for child in reversed(tree.children))})"
