"""Tables of exact numbers as text: quotients where they are short, the nearest doubles else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

from eomsym.codegen.double_double_constants import words
from eomsym.exact_numbers import Coefficient
from eomsym.step_index.tables import Matrix
from eomsym.step_index.weights import logarithm, weights

#: Lists up to so many characters stand on one line.
WIDTH = 100
#: Quotients of smaller integers are written as such.
SHORT = 10**6


def number(value: Coefficient) -> str:
    """A rational as Python computes it where that is short, or a float."""
    if isinstance(value, float):
        return repr(value)
    exact = Fraction(value)
    if max(abs(exact.numerator), exact.denominator) >= SHORT:
        return repr(float(exact))
    return quotient(exact)


def quotient(exact: Fraction) -> str:
    """A rational as Python computes it."""
    return f"{exact.numerator}.0" if exact.denominator == 1 else f"{exact.numerator} / {exact.denominator}"


def table(rows: Any, leaf: Callable[[Any], str] = number) -> str:
    """Nested lists of numbers as text, on one line where that is short; ``leaf`` writes a number."""
    if not isinstance(rows, Sequence):
        return leaf(rows)
    parts = [table(row, leaf) for row in rows]
    line = "[" + ", ".join(parts) + "]"
    if len(line) <= WIDTH and "\n" not in line:
        return line
    if not any(isinstance(row, Sequence) for row in rows):
        return f"[{filled(parts)}]"
    return "[\n" + "".join("    " + part.replace("\n", "\n    ") + ",\n" for part in parts) + "]"


def filled(items: Iterable[str]) -> str:
    """Items of a list on as few lines as hold them; several lines have the list's brackets on lines of their own."""
    lines = [""]
    for item in items:
        if lines[-1] and len(lines[-1]) + len(item) > WIDTH:
            lines.append("")
        lines[-1] += f"{item}, "
    text = "\n    ".join(line.rstrip() for line in lines)
    return text.removesuffix(",") if len(lines) == 1 else f"\n    {text}\n"


def reference(terms: int) -> str:
    """Weights of the steps 0 … k in the logarithm of a polynomial of degree k, for each k < ``terms``."""
    return table([weights([Fraction(step) for step in range(k + 1)], logarithm) for k in range(terms)])


def matrices(levels: Sequence[Matrix]) -> str:
    """A matrix for each level."""
    arrays = (table(matrix).replace("\n", "\n    ") for matrix in levels)
    return "[\n" + "".join(f"    np.array({array}, REAL),\n" for array in arrays) + "]"


def pairs(rows: Any) -> str:
    """As ``table``, each number as a double and what it leaves: a pair (high, low)."""
    return table(rows, lambda value: str(words(Fraction(value))))
