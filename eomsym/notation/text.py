"""Trees and powers as unicode text, in the notation of numerical analysis: g'g''(g,g)."""

from __future__ import annotations

from eomsym.trees import Tree

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def tree_text(tree: Tree) -> str:
    """The elementary differential of a tree, smallest arguments first: ``g'g``, ``g''(g,g'g)``, ``g⁽⁵⁾(g,g,g,g,g)``."""
    count = len(tree.children)
    arguments = [tree_text(child) for child in reversed(tree.children)]
    return f"g{primes_text(count)}" + (f"({','.join(arguments)})" if count > 1 else "".join(arguments))


def primes_text(count: int) -> str:
    """Primes of a derivative, from the fifth on a number: ``''``, ``⁽⁵⁾``."""
    return "'" * count if count < 5 else f"⁽{count}⁾".translate(SUPERSCRIPTS)


def series_text(order: int) -> str:
    """What stands behind the first term of the equation of motion: ``− η ξ`` and the series of ξ."""
    series = " + ".join(f"{power_text('η', k)} ξ_{k}" if k else "ξ_0" for k in range(order))
    return f" − η ξ,  ξ = {series}" if order else ""


def power_text(symbol: str, exponent: int) -> str:
    """``η``, ``η²``."""
    return symbol + (str(exponent).translate(SUPERSCRIPTS) if exponent != 1 else "")


def subscript(number: int) -> str:
    """The number as an index: ``₁₂``."""
    return str(number).translate(_SUBSCRIPTS)
