"""Signed sums of coefficients times what they stand before, in any notation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

from eomsym.exact_numbers import Coefficient
from eomsym.notation.coefficients import coefficient_latex, coefficient_text, is_sum, split_sign


@dataclass(frozen=True)
class SumStyle:
    """How one notation writes signs and factors, whether it shows terms that are zero, and whether it divides last."""

    minus: str
    coefficient: Callable[[Coefficient], str]
    times: str
    brackets: tuple[str, str]
    zeros: bool = False
    quotient_last: bool = False

    def product(self, magnitude: Coefficient, name: str) -> str:
        """``magnitude · name``; an empty name is 1."""
        if magnitude == 1:
            return name or "1"
        if self.quotient_last and name and isinstance(magnitude, (int, Fraction)):
            factor = "" if magnitude.numerator == 1 else f"{magnitude.numerator}{self.times}"
            return factor + name + ("" if magnitude.denominator == 1 else f"/{magnitude.denominator}")
        number = self.coefficient(magnitude)
        if is_sum(magnitude):
            number = number.join(self.brackets)
        return f"{number}{self.times}{name}" if name else number


TEXT = SumStyle("−", coefficient_text, " ", ("(", ")"), zeros=True)
LATEX = SumStyle("-", coefficient_latex, r" \, ", (r"\left(", r"\right)"))
#: A bare 1/12 would be a float for Python, ``g2(g, g)/12`` is exact for everybody.
SYMPY = SumStyle("-", lambda value: f"({coefficient_text(value)})", "*", ("", ""), quotient_last=True)


def signed_sum(parts: Iterable[tuple[Coefficient, str]], style: SumStyle) -> str:
    """``1/3 a − b``; of no parts, 0."""
    text = ""
    for coefficient, name in parts:
        if coefficient == 0 and not style.zeros:
            continue
        negative, magnitude = split_sign(coefficient)
        sign = (f" {style.minus} " if text else style.minus) if negative else (" + " if text else "")
        text += sign + style.product(magnitude, name)
    return text or "0"
