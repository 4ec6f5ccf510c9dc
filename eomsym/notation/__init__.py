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
    from eomsym.notation.closed_form import ClosedForm, closed_form
    from eomsym.notation.general import general_of_fields
    from eomsym.notation.sympy import counterterms_of_field, counterterms_sympy, elementary_differentials

__all__ = [
    "ClosedForm",
    "closed_form",
    "coefficient_latex",
    "coefficient_text",
    "counterterms_json",
    "counterterms_latex",
    "counterterms_mathtext",
    "counterterms_of_field",
    "counterterms_sympy",
    "counterterms_text",
    "elementary_differentials",
    "general_of_fields",
    "parse_counterterms",
    "tree_latex",
    "tree_svg",
    "tree_text",
]

_NEEDS_SYMPY = {
    "ClosedForm": "closed_form",
    "closed_form": "closed_form",
    "counterterms_of_field": "sympy",
    "counterterms_sympy": "sympy",
    "elementary_differentials": "sympy",
    "general_of_fields": "general",
}


def __getattr__(name: str) -> Any:
    if name in _NEEDS_SYMPY:
        value = getattr(import_module(f"eomsym.notation.{_NEEDS_SYMPY[name]}"), name)
        # The import has bound a module of this name here; the function is what is meant.
        globals()[name] = value
        return value
    raise AttributeError(f"module 'eomsym.notation' has no attribute {name!r}")
