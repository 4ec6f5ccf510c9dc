r"""Counter terms as LaTeX, in the notation of papers: g = ∇L, H = ∇²L, chains H²g, higher derivatives ∇³L[g, Hg]."""

from __future__ import annotations

from collections.abc import Sequence

from eomsym.derivation.counterterms import Counterterms, Term
from eomsym.notation.coefficients import coefficient_latex, is_sum, split_sign
from eomsym.trees import Tree


def counterterms_latex(counterterms: Counterterms) -> str:
    r"""An ``aligned`` block (amsmath, MathJax): the equation of motion and a line per counter term, zeros left out."""
    rows = [f"{left} &= {right}" for left, right in _equations(counterterms)]
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


def counterterms_mathtext(counterterms: Counterterms) -> list[str]:
    r"""The same lines for Matplotlib, whose mathtext knows neither ``aligned`` nor ``\tfrac``: ``$\xi_{0} = …$``."""
    return [f"${left} = {right}$".replace(r"\tfrac", r"\frac") for left, right in _equations(counterterms)]


def tree_latex(tree: Tree) -> str:
    r"""The elementary differential of a tree: ``Hg``, ``H^{2}g``, ``\nabla^{3}L[g, Hg]``, smallest arguments first."""
    hessians = 0
    while len(tree.children) == 1:
        hessians, tree = hessians + 1, tree.children[0]
    prefix = ("", "H")[hessians] if hessians < 2 else f"H^{{{hessians}}}"
    if not tree.children:
        return f"{prefix}g"
    arguments = ", ".join(tree_latex(child) for child in reversed(tree.children))
    return rf"{prefix}\nabla^{{{len(tree.children) + 1}}}L[{arguments}]"


def _equations(counterterms: Counterterms) -> list[tuple[str, str]]:
    flow = _sum([Term(Tree(), -counterterms.gradient_coefficient)])
    if counterterms.order > 0:
        series = " + ".join(_power(index) + rf"\xi_{{{index}}}" for index in range(counterterms.order))
        flow += rf" - \eta\,\xi, \quad \xi = {series}"
    equations = [(r"\dot{\theta}", rf"{flow}, \quad g = \nabla L, \; H = \nabla^{{2}}L")]
    for index, terms in enumerate(counterterms.terms):
        equations.append((rf"\xi_{{{index}}}", _sum(terms)))
    return equations


def _power(exponent: int) -> str:
    if exponent == 0:
        return ""
    return r"\eta\," if exponent == 1 else rf"\eta^{{{exponent}}}\,"


def _sum(terms: Sequence[Term]) -> str:
    text = ""
    for term in terms:
        if term.coefficient != 0:
            negative, magnitude = split_sign(term.coefficient)
            sign = (" - " if text else "-") if negative else (" + " if text else "")
            text += sign + _product(magnitude, term.tree)
    return text or "0"


def _product(magnitude: object, tree: Tree) -> str:
    if magnitude == 1:
        return tree_latex(tree)
    number = coefficient_latex(magnitude)
    return rf"\left({number}\right) {tree_latex(tree)}" if is_sum(magnitude) else f"{number} {tree_latex(tree)}"
