"""Elementary differentials by polarisation, against SymPy on a polynomial field and the trees' own rules."""

import numpy as np
import pytest
import sympy
from second_routes.truncated import TruncatedSeries

from eomsym.dynamics.differentials import elementary_differentials
from eomsym.errors import InputError
from eomsym.notation.sympy import elementary_differentials as by_sympy
from eomsym.trees import LEAF, rooted_trees

VARIABLES = sympy.symbols("x y")
POINT = np.array([0.7, -0.4])


def field(x, y):
    """A polynomial of degree 5, so that fifth derivatives do not vanish."""
    return [x**3 * y**2 - 2 * x * y + y**5, x**5 + x**2 * y**2 - y]


class PolynomialKernel:
    """``gradient_series`` of ``field`` in the package's own truncated series."""

    size = 2

    def __init__(self, order):
        self.order = order

    def gradient_series(self, series):
        x, y = (TruncatedSeries(tuple(float(value) for value in series[:, i])) for i in range(2))
        return np.array([component.coefficients for component in field(x, y)]).T


TREES = [tree for order in range(1, 7) for tree in rooted_trees(order)]


def test_every_tree_of_up_to_six_nodes():
    values = elementary_differentials(PolynomialKernel(5), POINT, TREES)
    exact = by_sympy([sympy.expand(c) for c in field(*VARIABLES)], VARIABLES, TREES)
    numbers = dict(zip(VARIABLES, POINT, strict=True))
    assert list(values) == TREES
    for tree in TREES:
        truth = np.array(exact[tree].subs(numbers).tolist(), dtype=float).ravel()
        assert np.linalg.norm(values[tree] - truth) <= 1e-12 * np.linalg.norm(truth), tree


def test_a_wrong_tree_is_noticed():
    """The control: mirrored derivatives, g'g''(g,g) for g''(g,g'g), differ by far more than round-off."""
    a, b = (tree for tree in rooted_trees(4) if not tree.is_chain and not tree.is_bushy)
    values = elementary_differentials(PolynomialKernel(3), POINT, [a, b])
    assert np.linalg.norm(values[a] - values[b]) > 0.1 * np.linalg.norm(values[a])


def test_where_g_vanishes_all_trees_do():
    values = elementary_differentials(PolynomialKernel(5), np.zeros(2), TREES)
    assert all(not value.any() for value in values.values())


def test_more_children_than_the_order_are_refused():
    with pytest.raises(InputError, match="a derivative of g taken 3 times: the kernel has order 2"):
        elementary_differentials(PolynomialKernel(2), POINT, rooted_trees(4))


def test_what_is_no_tree_is_refused():
    with pytest.raises(InputError, match=r"tree '\[\[\]\]': none"):
        elementary_differentials(PolynomialKernel(2), POINT, [LEAF, "[[]]"])
