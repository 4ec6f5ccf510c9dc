r"""The shadow start of a method with memory as text, LaTeX and lines that SymPy reads: ``θ̂_0 = θ_0 + η c_1 + …``."""

from __future__ import annotations

from collections.abc import Sequence

from eomsym.exact_numbers import Coefficient
from eomsym.notation.general import LATEX_STYLE, SYMPY_STYLE, TEXT_STYLE, start_writer
from eomsym.notation.latex import power_latex
from eomsym.notation.text import power_text
from eomsym.notation.typesetting import Equation
from eomsym.trees import ColouredTree, Tree

#: ``Σ coefficient · F_g(tree)`` for each power of η, from the first on.
StartRows = Sequence[Sequence[tuple[Coefficient, Tree | ColouredTree]]]


def start_text(rows: StartRows, coloured: bool, memory: Sequence[str]) -> str:
    """``θ̂_0 = θ_0 + η c_1 + …`` and a line for each c; of nothing but zeros ``θ̂_0 = θ_0``."""
    kept, writer = _kept(rows), start_writer(TEXT_STYLE, coloured, memory)
    series = "".join(f" + {power_text('η', k)} c_{k}" for k in range(1, len(kept) + 1))
    return "\n".join([f"θ̂_0 = θ_0{series}", *(f"c_{k} = {writer.sum(row)}" for k, row in enumerate(kept, start=1))])


def start_equations(rows: StartRows, coloured: bool, memory: Sequence[str]) -> list[Equation]:
    """Left and right sides in LaTeX."""
    kept, writer = _kept(rows), start_writer(LATEX_STYLE, coloured, memory)
    series = "".join(" + " + power_latex(r"\eta", k) + f"c_{{{k}}}" for k in range(1, len(kept) + 1))
    equations = [(f"c_{{{k}}}", writer.sum(row)) for k, row in enumerate(kept, start=1)]
    return [(r"\hat{\theta}_{0}", rf"\theta_{{0}}{series}"), *equations]


def start_sympy_lines(rows: StartRows, coloured: bool, memory: Sequence[str]) -> str:
    """``c_1 = …``, one line for each power of η, as for counter terms."""
    writer = start_writer(SYMPY_STYLE, coloured, memory)
    return "\n".join(f"c_{k} = {writer.sum(row)}" for k, row in enumerate(rows, start=1))


def _kept(rows: StartRows) -> StartRows:
    return rows if any(value != 0 for row in rows for value, _ in row) else []
