"""Exact coefficients as text and LaTeX, with and without symbols."""

from fractions import Fraction

import pytest
import sympy

from eomsym.notation.coefficients import (
    coefficient_expression,
    coefficient_latex,
    coefficient_text,
    is_sum,
    split_sign,
)

FIELD, beta, gamma = sympy.field("beta gamma", sympy.QQ)


@pytest.mark.parametrize(
    ("coefficient", "text", "latex"),
    [
        (0, "0", "0"),
        (3, "3", "3"),
        (Fraction(1, 12), "1/12", r"\tfrac{1}{12}"),
        (Fraction(-1, 720), "-1/720", r"-\tfrac{1}{720}"),
        (Fraction(1, 10**8), "1/100000000", "10^{-8}"),
        (Fraction(-1, 1000), "-1/1000", r"-\tfrac{1}{1000}"),
        (Fraction(-1, 10**4), "-1/10000", "-10^{-4}"),
        (Fraction(3, 10**4), "3/10000", r"\tfrac{3}{10000}"),
        (FIELD(0), "0", "0"),
        (FIELD(3) / 4, "3/4", r"\frac{3}{4}"),
        (beta, "beta", r"\beta"),
        (1 + beta, "beta + 1", r"\beta + 1"),
        (2 + 2 * beta, "2*(beta + 1)", r"2 \left(\beta + 1\right)"),
        (1 / (1 - beta), "1/(1 - beta)", r"\frac{1}{1 - \beta}"),
        (1 / beta**2, "beta**(-2)", r"\frac{1}{\beta^{2}}"),
        (
            (1 + beta) / (2 * (1 - beta) ** 3),
            "(beta + 1)/(2*(1 - beta)**3)",
            r"\frac{\beta + 1}{2 \left(1 - \beta\right)^{3}}",
        ),
        (
            -3 * (1 + beta) / (2 * (1 - beta) ** 3),
            "-3*(beta + 1)/(2*(1 - beta)**3)",
            r"- \frac{3 \left(\beta + 1\right)}{2 \left(1 - \beta\right)^{3}}",
        ),
        (beta * gamma / (1 - gamma), "beta*gamma/(1 - gamma)", r"\frac{\beta \gamma}{1 - \gamma}"),
    ],
)
def test_forms(coefficient, text, latex):
    assert coefficient_text(coefficient) == text
    assert coefficient_latex(coefficient) == latex


@pytest.mark.parametrize(
    "coefficient",
    [
        *(beta - gamma, (beta - 1) ** 3, (beta - 1) ** 2 / (gamma - 2), -(beta**2) - 1, (beta - 1) * (gamma - 1) / 6),
        *((2 * beta - 4) / (3 - 6 * gamma) / 5, FIELD(-7) / 3, beta**2 / 2 - gamma / 3),
    ],
)
def test_factored_form_keeps_the_value(coefficient):
    assert FIELD.from_expr(coefficient_expression(coefficient)) == coefficient
    negative, magnitude = split_sign(coefficient)
    assert (-magnitude if negative else magnitude) == coefficient
    assert not split_sign(magnitude)[0]
    assert is_sum(magnitude) or not coefficient_text(magnitude).startswith("-")


def test_sums_ask_for_brackets():
    assert is_sum(1 + beta)
    assert not is_sum(2 + 2 * beta)
    assert not is_sum(Fraction(1, 2))
