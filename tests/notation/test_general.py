"""Coloured trees and the vector language as text, LaTeX, SymPy and JSON."""

import json

import pytest
import sympy
from forms import EVERY
from sympy.parsing.sympy_parser import parse_expr

from eomsym import optimizers
from eomsym.derivation import derive

GENERAL = [name for name in EVERY if not derive(name, order=0).plain]


def test_text_of_coloured_trees():
    assert derive("mini-batches", order=1).text().splitlines() == [
        "θ̇ = −1/2 g₁ − 1/2 g₂ − η ξ,  ξ = ξ_0",
        "g₁: gradient of the mean loss of batch 1 of 2",
        "g₂: gradient of the mean loss of batch 2 of 2",
        "ξ_0 = 1/4 g₁'(g₁) − 1/4 g₂'(g₁) + 1/4 g₁'(g₂) + 1/4 g₂'(g₂)",
    ]


def test_fields_of_players_are_told_apart():
    assert derive("alternating-players", order=1).text().splitlines()[1:3] == [
        "g₁: ∇_x L, zero elsewhere",
        "g₂: −∇_y L, zero elsewhere",
    ]


def test_decoupled_decay_pulls_towards_zero():
    assert derive("adamw", order=0).text().splitlines()[0] == "θ̇ = −decay θ − g q⁻¹"


def test_text_of_adam():
    assert derive("adam(inside=yes, corrected=no)", order=1).text().splitlines() == [
        "θ̇ = −g r⁻¹ − η ξ,  ξ = ξ_0",
        "r = √(g² + epsilon)",
        "ξ_0 = epsilon*(beta2 + 1)/(2*(1 - beta2)) r⁻³ g'(g r⁻¹)"
        " + (beta1 - beta2)/((1 - beta1)*(1 - beta2)) r⁻¹ g'(g r⁻¹)",
    ]


def test_latex_of_adam():
    found = derive("adam(inside=yes, corrected=no)", order=1, beta1="9/10", beta2="99/100", epsilon="1/10")
    assert found.equations() == [
        (r"\dot{\theta}", r"-g \, r^{-1} - \eta\,\xi"),
        (r"\xi", r"\xi_{0}"),
        (r"\xi_{0}", r"\tfrac{199}{20} \, r^{-3} \, H[g \, r^{-1}] - 90 \, r^{-1} \, H[g \, r^{-1}]"),
    ]
    assert found.where()[:5] == [
        ("", r"\text{a step takes the parameters $\theta$ to $\theta^{+}$:}"),
        (
            r"\theta^{+}",
            r"\theta - \eta \, \frac{\tfrac{9}{10} \, m + \tfrac{1}{10} \, g}"
            r"{\sqrt{\tfrac{99}{100} \, v + \tfrac{1}{100} \, g^{2} + \tfrac{1}{10}}}",
        ),
        (r"m^{+}", r"\tfrac{9}{10} \, m + \tfrac{1}{10} \, g"),
        (r"v^{+}", r"\tfrac{99}{100} \, v + \tfrac{1}{100} \, g^{2}"),
        ("r", r"\sqrt{g^{2} + \tfrac{1}{10}}"),
    ]


@pytest.mark.parametrize("name", GENERAL)
def test_lines_and_json_say_the_same(name):
    """The lines are read by SymPy; their sum over terms is that of the JSON."""
    counterterms = derive(name, order=1)
    symbols = {p.name: sympy.Symbol(p.name) for p in optimizers.get(name).parameters}
    lines = dict(line.split(" = ") for line in counterterms.sympy_lines().splitlines())
    record = json.loads(counterterms.to_json())
    assert record["optimizer"] == name
    assert list(lines) == [*record["functions"], "leading", "xi_0"]
    for key, terms in (("leading", record["leading"]), ("xi_0", record["counterterms"][0]["terms"])):
        total = sympy.Integer(0)
        for term in terms:
            total += parse_expr(term["coefficient"], local_dict=symbols) * parse_expr(
                _written(term, record), local_dict=symbols
            )
        assert sympy.cancel(parse_expr(lines[key], local_dict=symbols) - total) == 0
    assert counterterms.latex().count(r"\xi_{0}") == 2


def _written(term, record):
    if "term" in term:
        return term["term"]

    def read(text):
        """``1[2[],0[]]`` as ``g_1_2(g_2, theta)``; children are written smallest first."""
        colour, rest = text.split("[", 1)
        children, depth, start = [], 0, 0
        inside = rest[:-1]
        for position, character in enumerate(inside):
            depth += (character == "[") - (character == "]")
            if character == "," and depth == 0:
                children.append(inside[start:position])
                start = position + 1
        children += [inside[start:]] if inside else []
        if colour == "0":
            return "theta"
        several = len(record["fields"]) > 1
        written = [read(child) for child in reversed(children)]
        if not written:
            return f"g_{colour}" if several else "g"
        head = f"g_{colour}_{len(written)}" if several else f"g{len(written)}"
        return f"{head}({', '.join(written)})"

    return read(term["tree"])
