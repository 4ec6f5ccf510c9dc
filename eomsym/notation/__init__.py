"""Renders plain terms, coefficients and what they stand before: unicode text, LaTeX, JSON, SymPy, pictures of trees.

The results of ``eomsym.derivation`` have a method for each of these; the functions here also serve single trees and
general vector fields.  What needs SymPy is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eomsym import lazy
from eomsym.notation.trees import tree_svg
from eomsym.notation.writing import tree_text

if TYPE_CHECKING:
    from eomsym.notation.sympy import elementary_differentials

__all__ = ["elementary_differentials", "tree_svg", "tree_text"]

__getattr__, __dir__ = lazy.attach(__name__)
