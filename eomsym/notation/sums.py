"""Signed sums of coefficients times what they stand before, in any notation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from eomsym.exact_numbers import Coefficient
from eomsym.notation.coefficients import coefficient_latex, coefficient_text, is_sum, split_sign
from eomsym.trees import Tree

#: What is rendered: ``Σ coefficient · F_g(tree)``, and one such sum for each counter term.
Terms = Iterable[tuple[Coefficient, Tree]]
Rows = Sequence[Terms]


@dataclass(frozen=True)
class SumStyle:
    """How one notation writes signs and factors."""

    minus: str
    coefficient: Callable[[Coefficient], str]
    times: str
    brackets: tuple[str, str]

    def product(self, magnitude: Coefficient, name: str) -> str:
        """``magnitude · name``; an empty name is 1."""
        if magnitude == 1:
            return name or "1"
        number = self.coefficient(magnitude)
        if is_sum(magnitude):
            number = number.join(self.brackets)
        return f"{number}{self.times}{name}" if name else number


TEXT = SumStyle("−", coefficient_text, " ", ("(", ")"))
LATEX = SumStyle("-", coefficient_latex, r" \, ", (r"\left(", r"\right)"))


def signed_sum(parts: Iterable[tuple[Coefficient, str]], style: SumStyle) -> str:
    """``1/3 a − b``: every part is shown, those that are zero too; of no parts, 0."""
    text = ""
    for coefficient, name in parts:
        negative, magnitude = split_sign(coefficient)
        sign = (f" {style.minus} " if text else style.minus) if negative else (" + " if text else "")
        text += sign + style.product(magnitude, name)
    return text or "0"
