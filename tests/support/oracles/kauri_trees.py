"""kauri: symmetries, densities, and the modified equations of Runge–Kutta methods by its coproducts, in floats."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import kauri
import sympy

import eomsym
from eomsym.optimizers import runge_kutta
from eomsym.trees import Tree, rooted_trees
from oracles.agreement import Agreement

NODES = 7
#: kauri adds floats of alternating sign, so it loses some digits with 7 nodes.
ROUND_OFF = 1e-12
RADAU = runge_kutta("radau-iia-order-3", [["5/12", "-1/12"], ["3/4", "1/4"]], ["3/4", "1/4"])
#: Optimiser, its tableau in floats.
METHODS = {
    "gradient-descent": ([[0]], [1]),
    "implicit-euler": ([[1]], [1]),
    "explicit-midpoint": ([[0, 0], [1 / 2, 0]], [0, 1]),
    "implicit-midpoint": ([[1 / 2]], [1]),
    "extragradient": ([[0, 0], [1, 0]], [0, 1]),
    "runge-kutta-4": ([[0, 0, 0, 0], [1 / 2, 0, 0, 0], [0, 1 / 2, 0, 0], [0, 0, 1, 0]], [1 / 6, 1 / 3, 1 / 3, 1 / 6]),
    RADAU: ([[5 / 12, -1 / 12], [3 / 4, 1 / 4]], [3 / 4, 1 / 4]),
}


def agreements() -> Iterator[Agreement]:
    """Trees first, then coefficients method by method, then a whole modified field."""
    trees = [tree for order in range(1, NODES + 1) for tree in rooted_trees(order)]
    wrong = sum((tree.symmetry, tree.density) != (_their(tree).sigma(), _their(tree).factorial()) for tree in trees)
    yield Agreement(f"symmetry and density, trees to {NODES} nodes", 2 * len(trees), "wrong ones", wrong, 0)
    for method, (matrix, weights) in METHODS.items():
        yield _method(method, kauri.RK(matrix, weights))
    yield _field()


def _their(tree: Tree) -> kauri.Tree:
    return kauri.Tree(_lists(tree))


def _lists(tree: Tree) -> list:
    return [_lists(child) for child in tree.children]


def _method(method, tableau) -> Agreement:
    """b(τ) = (−1)^{|τ|−1} σ(τ) times the coefficient of the counter term."""
    theirs = tableau.modified_equation_map()
    found = eomsym.derive(method, order=NODES - 1)
    apart = [
        float(abs(theirs(_their(tree)) - (-1) ** (tree.order - 1) * tree.symmetry * value))
        for row in found.rows[1:]
        for tree, value in row.items()
    ]
    name = found.optimizer
    return Agreement(f"modified equation of {name}, to {NODES} nodes", len(apart), "absolute", max(apart), ROUND_OFF)


def _field() -> Agreement:
    """``η f̃`` of Lotka–Volterra to order 4 in all, as numbers: its elementary differentials against ours."""
    x, y = sympy.symbols("x y")
    field, point, eta = [x * (1 - y), y * (x - 2)], {x: Fraction(3, 2), y: Fraction(5, 4)}, Fraction(1, 8)
    series = kauri.BSeries(sympy.Matrix([x, y]), sympy.Matrix(field), kauri.euler.modified_equation_map(), 5)
    start = [float(value) for value in point.values()]
    theirs = [float(after) - before for after, before in zip(series(start, float(eta)), start, strict=True)]
    columns = eomsym.modified_equation(field, [x, y], 4)
    at = {name: sympy.Rational(value) for name, value in point.items()}
    ours = [float(sum(sympy.Rational(eta) ** (k + 1) * c[i].subs(at) for k, c in enumerate(columns))) for i in range(2)]
    apart = [abs(a - b) / abs(b) for a, b in zip(theirs, ours, strict=True)]
    return Agreement("modified field of Lotka–Volterra, order 4", 2, "relative", max(apart), ROUND_OFF)
