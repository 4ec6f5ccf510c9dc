r"""The shadow start of a method with memory as text, LaTeX and lines that SymPy reads: ``θ̂_0 = θ_0 + η c_1 + …``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from eomsym.exact_numbers import Coefficient
from eomsym.notation.general import LATEX_STYLE, SYMPY_STYLE, TEXT_STYLE, start_writer
from eomsym.notation.latex import power_latex, tree_latex
from eomsym.notation.sums import LATEX, TEXT, SumStyle, signed_sum
from eomsym.notation.sympy_lines import sum_of_trees
from eomsym.notation.text import power_text, tree_text
from eomsym.notation.typesetting import Equation
from eomsym.trees import ColouredTree, Tree

#: ``Σ coefficient · F_g(tree)`` for each power of η, from the first on.
StartRows = Sequence[Sequence[tuple[Coefficient, Tree | ColouredTree]]]


def start_text(rows: StartRows, coloured: bool, memory: Sequence[str]) -> str:
    """``θ̂_0 = θ_0 + η c_1 + …`` and a line for each c; of nothing but zeros ``θ̂_0 = θ_0``."""
    kept = _kept(rows)
    series = "".join(f" + {power_text('η', k)} c_{k}" for k in range(1, len(kept) + 1))
    name = _namer(tree_text, start_writer(TEXT_STYLE, coloured, memory).tree)
    lines = [f"c_{k} = {_sum(row, name, TEXT)}" for k, row in enumerate(kept, start=1)]
    return "\n".join([f"θ̂_0 = θ_0{series}", *lines])


def start_equations(rows: StartRows, coloured: bool, memory: Sequence[str]) -> list[Equation]:
    """Left and right sides in LaTeX."""
    kept = _kept(rows)
    series = "".join(" + " + power_latex(r"\eta", k) + f"c_{{{k}}}" for k in range(1, len(kept) + 1))
    name = _namer(tree_latex, start_writer(LATEX_STYLE, coloured, memory).tree)
    nonzero = [[term for term in row if term[0] != 0] for row in kept]
    equations = [(f"c_{{{k}}}", _sum(row, name, LATEX)) for k, row in enumerate(nonzero, start=1)]
    return [(r"\hat{\theta}_{0}", rf"\theta_{{0}}{series}"), *equations]


def start_sympy_lines(rows: StartRows, coloured: bool, memory: Sequence[str]) -> str:
    """``c_1 = …``, one line for each power of η, as for counter terms."""
    writer, lines = start_writer(SYMPY_STYLE, coloured, memory), []
    for k, row in enumerate(rows, start=1):
        plain = [(value, tree) for value, tree in row if isinstance(tree, Tree)]
        others = [(value, tree) for value, tree in row if isinstance(tree, ColouredTree)]
        lines.append(f"c_{k} = {writer.sum(others) if others else sum_of_trees(plain)}")
    return "\n".join(lines)


def _kept(rows: StartRows) -> StartRows:
    return rows if any(value != 0 for row in rows for value, _ in row) else []


def _namer(
    of_plain: Callable[[Tree], str], of_coloured: Callable[[ColouredTree], str]
) -> Callable[[Tree | ColouredTree], str]:
    return lambda tree: of_plain(tree) if isinstance(tree, Tree) else of_coloured(tree)


def _sum(
    row: Sequence[tuple[Coefficient, Tree | ColouredTree]], name: Callable[[Tree | ColouredTree], str], style: SumStyle
) -> str:
    return signed_sum(((coefficient, name(tree)) for coefficient, tree in row), style)
