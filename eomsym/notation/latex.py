r"""Counter terms as LaTeX, in one notation for all optimisers: g the gradient, H = ∇g, ∇²g[u, v] along u and v, …

With gradients of several fields each has its index: ``H_{1}g_{2}``, ``\nabla^{2}g_{1}[g_{2}, g_{1}]``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from eomsym.notation.typesetting import Sides
from eomsym.trees import Tree


def mathtext(equations: Sequence[Sides]) -> list[str]:
    r"""Lines for Matplotlib, whose mathtext does not know ``\tfrac``: ``$\xi_{0} = …$``."""
    return [f"${left} = {right}$".replace(r"\tfrac", r"\frac") for left, right in equations]


def motion_equations(flow: str, terms: int) -> list[Sides]:
    """``θ̇ = flow − η ξ`` and the series of ξ in so many terms."""
    if not terms:
        return [(r"\dot{\theta}", flow)]
    return [(r"\dot{\theta}", rf"{flow} - \eta\,\xi"), (r"\xi", series_latex(r"\xi", terms))]


def series_latex(name: str, terms: int) -> str:
    """``name_0 + η name_1 + …``."""
    return " + ".join(power_latex(r"\eta", k) + f"{name}_{{{k}}}" for k in range(terms))


def power_latex(name: str, exponent: int) -> str:
    """A power as a factor before what follows."""
    if exponent == 0:
        return ""
    return rf"{name}\," if exponent == 1 else rf"{name}^{{{exponent}}}\,"


def derivative_latex(colour: int, count: int, arguments: Sequence[str]) -> str:
    """A derivative of the gradient of a field (0 if there is only one) along its arguments; chains as powers of H."""
    index = f"_{{{colour}}}" if colour else ""
    if count == 0:
        return f"g{index}"
    if count > 1:
        return rf"\nabla^{{{count}}}g{index}[{', '.join(arguments)}]"
    (argument,) = arguments
    if not re.fullmatch(r"H.*|\\nabla.*|\\?[a-zA-Z]+(_\{\w+\})?", argument) or r" \, " in _without_brackets(argument):
        return f"H{index}[{argument}]"
    chain = re.match(rf"H{re.escape(index)}(?!_)(?:\^\{{(\d+)\}})?", argument)
    if chain is None:
        return f"H{index}{argument}"
    return f"H{index}^{{{int(chain[1] or 1) + 1}}}{argument[chain.end() :]}"


def tree_latex(tree: Tree) -> str:
    r"""The elementary differential of a tree: ``Hg``, ``H^{2}g``, ``\nabla^{2}g[g, Hg]``, smallest arguments first."""
    return derivative_latex(0, len(tree.children), [tree_latex(child) for child in reversed(tree.children)])


def _without_brackets(text: str) -> str:
    while (shorter := re.sub(r"\[[^\[\]]*\]", "", text)) != text:
        text = shorter
    return text
