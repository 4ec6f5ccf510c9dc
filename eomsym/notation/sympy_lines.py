"""Counter terms as lines ``NAME = EXPRESSION`` that SymPy reads: the elementary differentials of g as nested functions.

``g`` stands for the gradient, ``g1(u)`` for its derivative along u, ``g2(u, v)`` for the second derivative along u and
v, and so on: ``xi_1 = g1(g1(g))/3 + g2(g, g)/12``.  Zero terms are left out.
"""

from __future__ import annotations

from fractions import Fraction

from eomsym.exact_numbers import Coefficient
from eomsym.notation.coefficients import coefficient_text
from eomsym.notation.sums import Rows, Terms
from eomsym.trees import Tree


def counterterms_sympy_lines(gradient_coefficient: Coefficient, rows: Rows) -> str:
    """One line for the coefficient of g, then one for each counter term."""
    lines = [f"gradient_coefficient = {coefficient_text(gradient_coefficient)}"]
    return "\n".join(lines + [f"xi_{index} = {sum_of_trees(row)}" for index, row in enumerate(rows)])


def sum_of_trees(row: Terms) -> str:
    """A combination of elementary differentials; of nothing, or of zeros alone, 0."""
    products = [_product(coefficient, tree) for coefficient, tree in row if coefficient != 0]
    return " + ".join(products).replace("+ -", "- ") or "0"


def _product(coefficient: Coefficient, tree: Tree) -> str:
    differential = _differential(tree)
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
