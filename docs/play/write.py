"""Writes ``plane.html``, the page to play with: ``python docs/play/write.py``.

All that the page needs of eomsym is in it as exact tables: the coefficient of each rooted tree as a quotient of
polynomials in β (``derive("heavy-ball", 4, start=True)``, β a symbol; gradient descent is β = 0), and for each loss the
tree's elementary differential as a polynomial in x and y.  The page's script multiplies, adds and integrates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import lcm
from pathlib import Path

import sympy

import eomsym
from eomsym.exact_numbers import Coefficient
from eomsym.notation import elementary_differentials, tree_text
from eomsym.notation.coefficients import coefficient_expression
from eomsym.trees import Tree, rooted_trees

HERE = Path(__file__).parent
ORDER = 4
X, Y = sympy.symbols("x y")
BETA = sympy.Symbol("beta")
#: The loss, or the field g of two players where there is none; where to start, what to show, step sizes, steps.
PLANES = {
    "A saddle": {
        "loss": X**2 / 2 - Y**2 / 2 + Y**4 / 4,
        "told": "L = ½ x² − ½ y² + ¼ y⁴",
        "start": [1.6, 0.04],
        "window": [-0.9, 1.9, -0.6, 1.5],
        "eta": {"least": 0.01, "most": 0.6, "first": 0.3},
        "steps": 16,
    },
    "Rosenbrock’s valley": {
        "loss": (1 - X) ** 2 + 2 * (Y - X**2) ** 2,
        "told": "L = (1 − x)² + 2 (y − x²)²",
        "start": [-0.2, 1.8],
        "window": [-1.8, 1.8, -0.9, 2.1],
        "eta": {"least": 0.001, "most": 0.05, "first": 0.04},
        "steps": 40,
    },
    "Two players": {
        "field": [sympy.Rational(9, 100) * X - Y, X + sympy.Rational(9, 100) * Y],
        "told": "ẋ = −0.09 x + y,  ẏ = −x − 0.09 y, each player down its own loss",
        "start": [1.0, 0.0],
        "window": [-1.9, 1.9, -1.6, 1.6],
        "eta": {"least": 0.01, "most": 0.4, "first": 0.2},
        "steps": 60,
    },
}


def powers(polynomial: sympy.Poly) -> list[list[int]]:
    """``[[i, j, …, coefficient], …]`` of a polynomial with whole coefficients."""
    return [[*map(int, exponents), int(coefficient)] for exponents, coefficient in polynomial.terms() if coefficient]


def quotient(coefficient: Coefficient) -> list[list[list[int]]]:
    """Numerator and denominator, polynomials in β."""
    parts = sympy.fraction(sympy.together(coefficient_expression(coefficient)))
    return [powers(sympy.Poly(part, BETA)) for part in parts]


def column(entries: sympy.Matrix) -> dict[str, object]:
    """Polynomials in x and y over their common denominator."""
    parts = [sympy.Poly(entry, X, Y) for entry in entries]
    common = lcm(*(int(number.q) for part in parts for number in part.coeffs()))
    return {"over": common, "parts": [powers(part * common) for part in parts]}


def tables() -> dict[str, object]:
    """What the script in the page is given as ``DATA``."""
    derived = eomsym.derive("heavy-ball", ORDER, start=True)
    assert derived.start is not None
    trees = [tree for nodes in range(1, ORDER + 2) for tree in rooted_trees(nodes)]

    def row(terms: Mapping[Tree, Coefficient]) -> list[list[object]]:
        return [[trees.index(tree), *quotient(value)] for tree, value in terms.items() if value]

    def plane(name: str, about: dict) -> dict[str, object]:
        loss = about.get("loss")
        field = about["field"] if loss is None else [loss.diff(X), loss.diff(Y)]
        values = elementary_differentials(field, [X, Y], trees)
        shown = {key: about[key] for key in ("told", "start", "window", "eta", "steps")}
        height = None if loss is None else column(sympy.Matrix([loss]))
        return {"name": name, **shown, "loss": height, "differentials": [column(values[tree]) for tree in trees]}

    return {
        "trees": [tree_text(tree) for tree in trees],
        "field": list(map(row, derived.rows)),
        "start": list(map(row, derived.start.rows)),
        "planes": [plane(name, about) for name, about in PLANES.items()],
    }


def page() -> str:
    """The whole page."""
    data = json.dumps(tables(), ensure_ascii=False, separators=(",", ":"))
    return (HERE / "template.html").read_text(encoding="utf-8").replace("/* DATA */", data)


if __name__ == "__main__":
    (HERE / "plane.html").write_text(page(), encoding="utf-8")
