"""Counter terms as unicode text, in the notation of numerical analysis: g'g''(g,g)."""

from __future__ import annotations

from collections.abc import Iterable

from eomsym.derivation.counterterms import Counterterms, Term
from eomsym.notation.coefficients import coefficient_text, is_sum, split_sign
from eomsym.trees import Tree

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def counterterms_text(counterterms: Counterterms) -> str:
    """The equation of motion, then one line per counter term, as ``ξ_1 = 1/3 g'g'g + 1/12 g''(g,g)``.

    Trees come in canonical order and terms that are zero stay visible: ``0 g'''(g,g,g)``.
    """
    lines = [_equation_of_motion(counterterms)]
    for index, terms in enumerate(counterterms.terms):
        lines.append(f"ξ_{index} = {_sum(terms)}")
    return "\n".join(lines)


def tree_text(tree: Tree) -> str:
    """The elementary differential of a tree, smallest arguments first: ``g'g``, ``g''(g,g'g)``, ``g⁽⁵⁾(g,g,g,g,g)``."""
    count = len(tree.children)
    derivative = "g" + ("'" * count if count < 5 else f"⁽{count}⁾".translate(_SUPERSCRIPTS))
    arguments = [tree_text(child) for child in reversed(tree.children)]
    return derivative + (f"({','.join(arguments)})" if count > 1 else "".join(arguments))


def _equation_of_motion(counterterms: Counterterms) -> str:
    flow = f"θ̇ = {_sum([Term(Tree(), -counterterms.gradient_coefficient)])}"
    if counterterms.order == 0:
        return flow
    series = " + ".join(f"{_power('η', index)}ξ_{index}" for index in range(counterterms.order))
    return f"{flow} − η ξ,  ξ = {series}"


def _power(symbol: str, exponent: int) -> str:
    if exponent == 0:
        return ""
    return symbol + (str(exponent).translate(_SUPERSCRIPTS) if exponent > 1 else "") + " "


def _sum(terms: Iterable[Term]) -> str:
    text = ""
    for term in terms:
        negative, magnitude = split_sign(term.coefficient)
        text += ((" − " if text else "−") if negative else (" + " if text else "")) + _product(magnitude, term.tree)
    return text


def _product(magnitude: object, tree: Tree) -> str:
    if magnitude == 1:
        return tree_text(tree)
    number = coefficient_text(magnitude)
    return f"({number}) {tree_text(tree)}" if is_sum(magnitude) else f"{number} {tree_text(tree)}"
