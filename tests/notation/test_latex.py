"""Counter terms as LaTeX, in the notation of papers."""

from fractions import Fraction

import pytest
import sympy
from matplotlib.mathtext import MathTextParser

from eomsym.derivation import Equation, derive
from eomsym.notation.writing import LatexWriter
from eomsym.trees import LEAF, parse_tree, rooted_trees

GOLDEN = r"""\begin{aligned}
\dot{\theta} &= -g - \eta\,\xi \\
\xi &= \xi_{0} + \eta\,\xi_{1} + \eta^{2}\,\xi_{2} \\
\xi_{0} &= \tfrac{1}{2} \, Hg \\
\xi_{1} &= \tfrac{1}{3} \, H^{2}g + \tfrac{1}{12} \, \nabla^{2}g[g, g] \\
\xi_{2} &= \tfrac{1}{4} \, H^{3}g + \tfrac{1}{12} \, H\nabla^{2}g[g, g] + \tfrac{1}{12} \, \nabla^{2}g[g, Hg] \\
& \text{where} \\
& \text{a step takes the parameters $\theta$ to $\theta^{+}$:} \\
\theta^{+} &= \theta - \eta \, g \\
g &= \nabla L \text{, of the loss } L \\
H &= \nabla g \\
& \text{$\nabla^{m}g[u, v, \dots]$: $m$-th derivative of $g$ along $u$, $v$, $\dots$} \\
\eta &= \text{learning rate}
\end{aligned}"""


def symbolic():
    beta = sympy.field("beta", sympy.QQ)[1]
    path, bush = rooted_trees(3)
    rows = {LEAF: 1 / (1 - beta)}, {parse_tree("[[]]"): -1 / (1 - beta)}, {path: 1 + beta, bush: Fraction(1)}
    return Equation("slow", "test", {}, 2, [[row] for row in rows], plain=True)


def test_golden():
    assert derive(order=3).latex() == GOLDEN


def test_signs_of_xi_3():
    _, last = derive(order=4).equations()[-1]
    assert last.endswith(r" - \tfrac{1}{120} \, \nabla^{3}g[g, g, Hg] - \tfrac{1}{720} \, \nabla^{4}g[g, g, g, g]")


@pytest.mark.parametrize(
    ("brackets", "latex"),
    [
        ("[]", "g"),
        ("[[]]", "Hg"),
        ("[[[]]]", "H^{2}g"),
        ("[[[[],[]]]]", r"H^{2}\nabla^{2}g[g, g]"),
        ("[[[]],[],[[],[]]]", r"\nabla^{3}g[g, Hg, \nabla^{2}g[g, g]]"),
    ],
)
def test_single_trees(brackets, latex):
    assert LatexWriter().tree(parse_tree(brackets)) == latex


def test_different_trees_read_differently():
    trees = [tree for order in range(1, 9) for tree in rooted_trees(order)]
    assert len({LatexWriter().tree(tree) for tree in trees}) == len(trees)


def test_zero_counter_term_and_gradient_flow():
    nothing = Equation("slow", "test", {}, 1, [[{LEAF: Fraction(1)}], [{parse_tree("[[]]"): Fraction(0)}]], plain=True)
    assert r"\xi_{0} &= 0" in nothing.latex()
    assert derive(order=0).equations() == [(r"\dot{\theta}", "-g")]
    assert r"\xi" not in derive(order=0).latex()


def test_symbolic_coefficients():
    assert symbolic().equations() == [
        (r"\dot{\theta}", r"-\frac{1}{1 - \beta} \, g - \eta\,\xi"),
        (r"\xi", r"\xi_{0} + \eta\,\xi_{1}"),
        (r"\xi_{0}", r"-\frac{1}{1 - \beta} \, Hg"),
        (r"\xi_{1}", r"\left(\beta + 1\right) \, H^{2}g + \nabla^{2}g[g, g]"),
    ]


@pytest.mark.parametrize("counterterms", [derive(order=5), derive(order=0), symbolic()], ids=["5", "0", "symbolic"])
def test_matplotlib_draws_every_line(counterterms):
    parser = MathTextParser("path")
    lines = counterterms.mathtext()
    assert len(lines) == len(counterterms.equations()) > counterterms.order
    for line in lines:
        assert parser.parse(line).width > 0
