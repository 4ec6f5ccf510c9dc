r"""Counter terms as LaTeX, in the notation of papers: g = ∇L, H = ∇²L, chains H²g, higher derivatives ∇³L[g, Hg]."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from eomsym.exact_numbers import Coefficient
from eomsym.notation.sums import LATEX, Rows, Terms, signed_sum
from eomsym.trees import Tree

#: Left and right side.
Equation = tuple[str, str]


def counterterms_latex(gradient_coefficient: Coefficient, rows: Rows, more: Sequence[Equation] = ()) -> str:
    r"""An ``aligned`` block (amsmath, MathJax): the equation of motion and a line per counter term, zeros left out.

    ``more`` equations come last.
    """
    return aligned([*_equations(gradient_coefficient, rows), *more])


def counterterms_mathtext(gradient_coefficient: Coefficient, rows: Rows, more: Sequence[Equation] = ()) -> list[str]:
    r"""The same lines for Matplotlib, whose mathtext knows neither ``aligned`` nor ``\tfrac``: ``$\xi_{0} = …$``."""
    equations = [*_equations(gradient_coefficient, rows), *more]
    return [f"${left} = {right}$".replace(r"\tfrac", r"\frac") for left, right in equations]


def aligned(equations: Iterable[Equation]) -> str:
    """Left and right sides as an ``aligned`` block."""
    rows = [f"{left} &= {right}" for left, right in equations]
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


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


def _equations(gradient_coefficient: Coefficient, rows: Rows) -> list[Equation]:
    flow = _sum([(-gradient_coefficient, Tree())])
    if rows:
        series = " + ".join(_power(index) + rf"\xi_{{{index}}}" for index in range(len(rows)))
        flow += rf" - \eta\,\xi, \quad \xi = {series}"
    equations = [(r"\dot{\theta}", rf"{flow}, \quad g = \nabla L, \; H = \nabla^{{2}}L")]
    return equations + [(rf"\xi_{{{index}}}", _sum(row)) for index, row in enumerate(rows)]


def _power(exponent: int) -> str:
    if exponent == 0:
        return ""
    return r"\eta\," if exponent == 1 else rf"\eta^{{{exponent}}}\,"


def _sum(row: Terms) -> str:
    return signed_sum(((coefficient, tree_latex(tree)) for coefficient, tree in row if coefficient != 0), LATEX)
