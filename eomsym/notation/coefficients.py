"""Exact coefficients as text, LaTeX and SymPy: the one place that knows what a coefficient may be.

A coefficient is an int, a ``Fraction``, or an element of a SymPy fraction field where a parameter stays a symbol.  The
last is shown factored, with every factor positive at small parameters: ``(beta + 1)/(2*(1 - beta)**3)``.
SymPy is imported only when a symbol is there.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

from eomsym.exact_numbers import Coefficient

if TYPE_CHECKING:
    import sympy


#: With so many zeros or more a tenth of a tenth … is written as a power: 10^{-8}.
_MANY_ZEROS = 4
_PRIMES = ("", "′", "″", "‴", "⁽⁴⁾", "⁽⁵⁾", "⁽⁶⁾", "⁽⁷⁾", "⁽⁸⁾", "⁽⁹⁾")


def coefficient_text(coefficient: Coefficient) -> str:
    """``1/12``, ``-1/720``, ``(beta + 1)/(2*(1 - beta)**3)``: an exact rational or an expression in SymPy's syntax."""
    return str(coefficient if isinstance(coefficient, (int, Fraction)) else coefficient_expression(coefficient))


def coefficient_latex(coefficient: Coefficient) -> str:
    r"""``\tfrac{1}{12}``, ``-\tfrac{1}{720}``, ``3``, ``\frac{\beta + 1}{2 \left(1 - \beta\right)^{3}}``."""
    if isinstance(coefficient, (int, Fraction)):
        if coefficient.denominator == 1:
            return str(coefficient)
        sign = "-" if coefficient < 0 else ""
        power = len(str(coefficient.denominator)) - 1
        if power >= _MANY_ZEROS and abs(coefficient) == Fraction(1, 10**power):
            return rf"{sign}10^{{-{power}}}"
        return rf"{sign}\tfrac{{{abs(coefficient.numerator)}}}{{{coefficient.denominator}}}"
    import sympy

    expression = coefficient_expression(coefficient)
    names = {symbol: symbol_latex(symbol.name) for symbol in expression.free_symbols}
    return str(sympy.latex(expression, symbol_names=names))


def symbol_latex(name: str) -> str:
    r"""A symbol of coefficients: ``\beta_{1}`` for ``beta1``, words upright."""
    import sympy

    return re.sub("^[a-zA-Z]{2,}", r"\\mathrm{\g<0>}", sympy.latex(sympy.Symbol(name)))


def primed_text(text: str) -> str:
    """Derivatives by their primes: s′ for ``s_d1``, s⁽⁴⁾ for ``s_d4``."""
    return re.sub(r"_d([1-9])\b", lambda match: _PRIMES[int(match[1])], text)


def primed_latex(text: str) -> str:
    """The same in LaTeX, where the index of a symbol stands in braces."""

    def primes(match: re.Match[str]) -> str:
        index = f"_{{{match[1]}}}" if match[1] else ""
        return index + ("'" * int(match[2]) if match[2] < "4" else f"^{{({match[2]})}}")

    return re.sub(r"_\{(?:(\w+) )?d([1-9])\}", primes, text)


def split_sign(coefficient: Coefficient) -> tuple[bool, Coefficient]:
    """Whether to write a minus sign, and what to write behind it."""
    if isinstance(coefficient, (int, Fraction)):
        return coefficient < 0, abs(coefficient)
    negative = _content_and_factors(coefficient)[0] < 0
    return negative, -coefficient if negative else coefficient


def is_sum(coefficient: Coefficient) -> bool:
    """Whether the text of the coefficient needs brackets before it multiplies something."""
    return not isinstance(coefficient, (int, Fraction)) and bool(coefficient_expression(coefficient).is_Add)


def coefficient_expression(coefficient: Coefficient) -> sympy.Expr:
    """The coefficient as an exact SymPy number or a factored expression."""
    import sympy

    if isinstance(coefficient, (int, Fraction)):
        return sympy.Rational(coefficient.numerator, coefficient.denominator)
    content, factors = _content_and_factors(coefficient)
    powers = [sympy.Pow(factor, exponent) for factor, exponent in factors]
    number = sympy.Rational(content.numerator, content.denominator)
    if len(powers) == 1 and powers[0].is_Add and number != 1:
        return sympy.Mul(number, powers[0], evaluate=False)  # SymPy would multiply the number into the sum
    return sympy.Mul(number, *powers)


def _content_and_factors(element: Coefficient) -> tuple[Fraction, list[tuple[sympy.Expr, int]]]:
    """A rational number and factors with exponents: (1 − β), not (β − 1), but (β₁ − β₂).

    A factor's constant is positive; where it has none, its first coefficient is.
    """
    content, factors = Fraction(1), []
    for polynomial, sign in ((element.numer, 1), (element.denom, -1)):
        number, irreducible = polynomial.factor_list()
        content *= Fraction(int(number.numerator), int(number.denominator)) ** sign
        for factor, exponent in irreducible:
            constant = factor.coeff(1)
            if constant < 0 or (constant == 0 and factor.LC < 0):
                factors.append(((-factor).as_expr(), sign * exponent))
                content *= (-1) ** exponent
            else:
                factors.append((factor.as_expr(), sign * exponent))
    return content, factors
