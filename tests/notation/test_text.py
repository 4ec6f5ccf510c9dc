"""Counter terms as text, as theory.md §1 writes them."""

from fractions import Fraction

import pytest
import sympy

from eomsym.derivation import Equation, derive
from eomsym.notation import tree_text
from eomsym.trees import LEAF, parse_tree, rooted_trees

XI_3 = """
    1/5 g'g'g'g'g + 3/40 g'g'g''(g,g) + 1/10 g'g''(g,g'g) + 1/20 g''(g,g'g'g) + 1/60 g''(g'g,g'g)
    + 1/120 g''(g,g''(g,g)) + 1/180 g'g'''(g,g,g) − 1/120 g'''(g,g,g'g) − 1/720 g''''(g,g,g,g)
"""


def test_lines_of_theory():
    assert derive(order=3).text().splitlines() == [
        "θ̇ = −g − η ξ,  ξ = ξ_0 + η ξ_1 + η² ξ_2",
        "ξ_0 = 1/2 g'g",
        "ξ_1 = 1/3 g'g'g + 1/12 g''(g,g)",
        "ξ_2 = 1/4 g'g'g'g + 1/12 g'g''(g,g) + 1/12 g''(g,g'g) + 0 g'''(g,g,g)",
    ]


def test_xi_3_has_the_terms_of_theory():
    def terms(text):
        return sorted(" ".join(text.split()).replace("− ", "+ −").split(" + "))

    line = derive(order=4).text().splitlines()[4]
    assert line.startswith("ξ_3 = ")
    assert terms(line.removeprefix("ξ_3 = ")) == terms(XI_3)


def test_first_line_states_the_equation_of_motion():
    assert derive(order=0).text() == "θ̇ = −g"
    assert derive(order=1).text().splitlines()[0] == "θ̇ = −g − η ξ,  ξ = ξ_0"
    last = derive(order=11).text().splitlines()[0]
    assert last.endswith("+ η⁸ ξ_8 + η⁹ ξ_9 + η¹⁰ ξ_10")


def test_str_is_the_text():
    assert str(derive(order=2)) == derive(order=2).text()


@pytest.mark.parametrize(
    ("brackets", "text"),
    [
        ("[]", "g"),
        ("[[]]", "g'g"),
        ("[[[],[]]]", "g'g''(g,g)"),
        ("[[[]],[]]", "g''(g,g'g)"),
        ("[[[]],[[],[]],[]]", "g'''(g,g'g,g''(g,g))"),
        ("[[],[],[],[],[]]", "g⁽⁵⁾(g,g,g,g,g)"),
        ("[" + ",".join(["[]"] * 12) + "]", "g⁽¹²⁾(" + ",".join("g" * 12) + ")"),
    ],
)
def test_single_trees(brackets, text):
    assert tree_text(parse_tree(brackets)) == text


def test_different_trees_read_differently():
    trees = [tree for order in range(1, 9) for tree in rooted_trees(order)]
    assert len({tree_text(tree) for tree in trees}) == len(trees)


def with_coefficients(gradient_coefficient, first, second, third):
    path, bush = rooted_trees(3)
    rows = {LEAF: gradient_coefficient}, {parse_tree("[[]]"): first}, {path: second, bush: third}
    return Equation("slow", "test", {}, 2, [[row] for row in rows], plain=True)


def test_other_coefficients():
    one, zero, minus = Fraction(1), Fraction(0), Fraction(-3, 2)
    assert with_coefficients(Fraction(10), minus, zero, one).text().splitlines() == [
        "θ̇ = −10 g − η ξ,  ξ = ξ_0 + η ξ_1",
        "ξ_0 = −3/2 g'g",
        "ξ_1 = 0 g'g'g + g''(g,g)",
    ]


def test_symbolic_coefficients():
    beta = sympy.field("beta", sympy.QQ)[1]
    counterterms = with_coefficients(1 / (1 - beta), (1 + beta) / (2 * (1 - beta) ** 3), 1 + beta, -beta)
    assert counterterms.text().splitlines() == [
        "θ̇ = −1/(1 - beta) g − η ξ,  ξ = ξ_0 + η ξ_1",
        "ξ_0 = (beta + 1)/(2*(1 - beta)**3) g'g",
        "ξ_1 = (beta + 1) g'g'g − beta g''(g,g)",
    ]
