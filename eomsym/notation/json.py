"""Terms as plain values for JSON: the contract of ``eomsym derive --format json``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from eomsym.exact_numbers import Coefficient
from eomsym.notation.coefficients import coefficient_text
from eomsym.trees import ColouredTree, Tree

KEYS = ("optimizer", "parameters", "order", "gradient_coefficient", "counterterms")
#: The last key, where the start was derived too.
START = "start"
COUNTERTERM_KEYS = ("index", "terms")
TERM_KEYS = ("tree", "symmetry", "coefficient")


def term_entries(row: Iterable[tuple[Coefficient, Any]], written: Callable[[Any], str] = str) -> list[dict[str, Any]]:
    """Each term of a sum: trees as bracket lists, monomials as they are ``written``; coefficients exact, as text."""
    return [
        dict(zip(TERM_KEYS, (str(basis), basis.symmetry, coefficient_text(value)), strict=True))
        if isinstance(basis, (Tree, ColouredTree))
        else {"term": written(basis), "coefficient": coefficient_text(value)}
        for value, basis in row
    ]


def indexed_entries(
    rows: Sequence[Iterable[tuple[Coefficient, Any]]], written: Callable[[Any], str] = str, first: int = 0
) -> list[dict[str, Any]]:
    """The sums of an equation, each with its index, zeros included."""
    terms = [term_entries(row, written) for row in rows]
    return [dict(zip(COUNTERTERM_KEYS, entry, strict=True)) for entry in enumerate(terms, start=first)]
