"""Terms with s′ and s″: golden formulas, and the step that the flow of the derived field must be."""

from __future__ import annotations

import json
from fractions import Fraction
from math import factorial

import pytest
import sympy

import eomsym
from eomsym.errors import InputError
from eomsym.notation.coefficients import coefficient_expression

X, Y, S, H = sympy.symbols("x y t h")
LOSS = X**3 / 3 + X * Y**2 / 2 + Y**4 / 7
RATE = 1 + S / 2 - S**2 / 3 + S**3 / 7  # a schedule whose derivatives are all there


def test_first_terms_are_those_of_the_theory():
    """shared/theory.md §9."""
    assert eomsym.derive(order=2, schedule="eta").text().splitlines() == [
        "θ̇ = −s g − η ξ,  ξ = ξ_0 + η ξ_1",
        "ξ_0 = s**2/2 g'(g) − s′/2 g",
        "ξ_1 = s**3/3 g'(g'(g)) + s**3/12 g''(g, g) − s*s′/2 g'(g) + s″/12 g",
    ]


@pytest.mark.parametrize(
    ("optimizer", "name", "of_slope"),
    [
        ("heavy-ball", "eta", lambda b: -1 / (2 * (1 - b))),
        ("heavy-ball(rate_inside=yes)", "rate", lambda b: -(1 + b) / (2 * (1 - b) ** 2)),
    ],
)
def test_the_place_of_the_rate_shows_in_its_derivative_alone(optimizer, name, of_slope):
    """shared/theory.md §9: both conventions of heavy ball; the theory gives f̃_1 = −ξ_0."""
    found = eomsym.derive(optimizer, order=1, schedule=name)
    value, slope = ("s", "s_d1") if name == "eta" else ("rate", "rate_d1")
    beta = sympy.Symbol("beta")
    terms = {str(tree): coefficient_expression(value) for tree, value in found.rows[1].items()}
    assert sympy.simplify(terms["[[]]"] - (1 + beta) / (2 * (1 - beta) ** 3) * sympy.Symbol(value) ** 2) == 0
    assert sympy.simplify(terms["[]"] - of_slope(beta) * sympy.Symbol(slope)) == 0


def _defects(order, spoiled=False):
    """Coefficients of h … h^{order+1} of ``exp(hF) θ − (θ − h s g)`` with τ̇ = 1 beside θ, by the Lie series of F."""
    equation = eomsym.derive(order=order, schedule="eta")
    columns = equation.to_sympy([LOSS], [X, Y])
    values = {"s": RATE} | {f"s_d{m}": sympy.diff(RATE, S, m) for m in range(1, order + 1)}
    fields = [[-entry.subs(values) for entry in column] for column in columns]
    if spoiled:  # the formula for a constant rate, with s(τ) put in
        frozen = {name: RATE if name == "s" else 0 for name in values}
        fields = [[-entry.subs(frozen) for entry in column] for column in columns]
    names, point = [X, Y, S], {X: Fraction(3, 7), Y: Fraction(4, 7), S: Fraction(1, 5)}
    slopes = [[*field, sympy.Integer(int(k == 0))] for k, field in enumerate(fields)]
    found = []
    for target, step in zip([X, Y], [LOSS.diff(X), LOSS.diff(Y)], strict=True):
        levels = {0: {0: target}}  # factors → power of h → expression
        for factors in range(1, order + 2):
            levels[factors] = {}
            for before, value in levels[factors - 1].items():
                for k in range(order + 2 - before - 1):
                    part = sum(value.diff(n) * f for n, f in zip(names, slopes[k], strict=True))
                    at = before + k + 1
                    levels[factors][at] = levels[factors].get(at, 0) + part
        for power in range(1, order + 2):
            total = sum(rows[power] / factorial(n) for n, rows in levels.items() if n and power in rows)
            wanted = -(RATE * step) if power == 1 else sympy.Integer(0)
            found.append(sympy.nsimplify((total - wanted).subs(point)))
    return found


def test_the_flow_of_the_derived_field_is_the_step():
    assert _defects(3) == [0] * 8


def test_the_formula_of_a_constant_rate_is_not():
    """Negative control: from h² on the step is missed."""
    defects = _defects(2, spoiled=True)
    assert defects[0] == defects[3] == 0
    assert all(defects[i] != 0 for i in (1, 2, 4, 5))


def test_adam_has_its_terms_too():
    text = eomsym.derive("adam(inside=yes, corrected=no)", order=1, schedule="eta").text()
    assert "s′/2 g r⁻¹" in text, text


def test_latex_and_json_name_the_derivatives():
    found = eomsym.derive("heavy-ball", order=2, schedule=("eta", "beta"))
    assert r"\beta'" in found.latex()
    assert "s''" in found.latex()
    assert "_d" not in found.latex()
    data = json.loads(found.to_json())
    assert data["schedule"] == ["s", "beta"]
    assert "beta_d1" in str(data["counterterms"])


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"schedule": "gamma"}, "gamma"),
        ({"schedule": "beta", "beta": "1/2"}, "beta = 1/2"),
        ({"schedule": "eta", "state": "whole"}, "slow manifold"),
        ({"schedule": "eta", "start": True}, "slow manifold"),
        ({"schedule": "eta", "order": 9}, "order 9"),
    ],
)
def test_what_cannot_be_is_refused(options, named):
    with pytest.raises(InputError, match=named):
        eomsym.derive("heavy-ball", **{"order": 1, **options})


def test_an_epoch_in_one_step_has_no_clock_inside():
    with pytest.raises(InputError, match="mini-batches is an epoch"):
        eomsym.derive("mini-batches", order=1, schedule="eta")
