"""Renders ``Counterterms``: unicode text, LaTeX, JSON, SymPy expressions of a concrete loss, pictures of trees.

``Counterterms`` has a method for each of these; the functions here also serve single trees and general vector fields.
What needs SymPy is imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from eomsym.notation.coefficients import coefficient_latex, coefficient_text
from eomsym.notation.json import counterterms_json, parse_counterterms
from eomsym.notation.latex import counterterms_latex, counterterms_mathtext, tree_latex
from eomsym.notation.text import counterterms_text, tree_text
from eomsym.notation.trees import tree_svg

if TYPE_CHECKING:
    from eomsym.notation.sympy import counterterms_of_field, counterterms_sympy, elementary_differentials

__all__ = [
    "coefficient_latex",
    "coefficient_text",
    "counterterms_json",
    "counterterms_latex",
    "counterterms_mathtext",
    "counterterms_of_field",
    "counterterms_sympy",
    "counterterms_text",
    "elementary_differentials",
    "parse_counterterms",
    "tree_latex",
    "tree_svg",
    "tree_text",
]

_NEEDS_SYMPY = ("counterterms_of_field", "counterterms_sympy", "elementary_differentials")


def __getattr__(name: str) -> Any:
    if name in _NEEDS_SYMPY:
        return getattr(import_module("eomsym.notation.sympy"), name)
    raise AttributeError(f"module 'eomsym.notation' has no attribute {name!r}")
