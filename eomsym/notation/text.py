"""Counter terms as unicode text, in the notation of numerical analysis: g'g''(g,g)."""

from __future__ import annotations

from eomsym.exact_numbers import Coefficient
from eomsym.notation.sums import TEXT, Rows, Terms, signed_sum
from eomsym.trees import Tree

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def counterterms_text(gradient_coefficient: Coefficient, rows: Rows) -> str:
    """The equation of motion, then one line per counter term, as ``ξ_1 = 1/3 g'g'g + 1/12 g''(g,g)``.

    Trees come as given and terms that are zero stay visible: ``0 g'''(g,g,g)``.
    """
    lines = [f"θ̇ = {_sum([(-gradient_coefficient, Tree())])}{series_text(len(rows))}"]
    return "\n".join(lines + [f"ξ_{index} = {_sum(row)}" for index, row in enumerate(rows)])


def tree_text(tree: Tree) -> str:
    """The elementary differential of a tree, smallest arguments first: ``g'g``, ``g''(g,g'g)``, ``g⁽⁵⁾(g,g,g,g,g)``."""
    count = len(tree.children)
    derivative = "g" + ("'" * count if count < 5 else f"⁽{count}⁾".translate(SUPERSCRIPTS))
    arguments = [tree_text(child) for child in reversed(tree.children)]
    return derivative + (f"({','.join(arguments)})" if count > 1 else "".join(arguments))


def series_text(order: int) -> str:
    """What stands behind the first term of the equation of motion: ``− η ξ`` and the series of ξ."""
    series = " + ".join(f"{power_text('η', k)} ξ_{k}" if k else "ξ_0" for k in range(order))
    return f" − η ξ,  ξ = {series}" if order else ""


def power_text(symbol: str, exponent: int) -> str:
    """``η``, ``η²``."""
    return symbol + (str(exponent).translate(SUPERSCRIPTS) if exponent != 1 else "")


def _sum(row: Terms) -> str:
    return signed_sum(((coefficient, tree_text(tree)) for coefficient, tree in row), TEXT)
