"""Modified losses: their gradients against the counter terms, and what is proved to have none."""

from dataclasses import replace
from fractions import Fraction
from itertools import product

import pytest
import sympy

from eomsym import optimizers
from eomsym.derivation import derive, modified_loss
from eomsym.errors import InputError
from eomsym.notation.sympy import columns_of_rows
from eomsym.trees import Tree, parse_tree

X, Y = sympy.symbols("x y")
LOSSES = [X**4 / 4 + X * Y**3 + c * X**2 * Y + Y**2 for c in (1, 2, 5)]


def value(tree, names=(X, Y)):
    """``F_g(tree)`` for the losses above."""
    return _contract([LOSSES[tree.colour - 1].diff(name) for name in names], tree, names)


def contraction(tree, names=(X, Y)):
    """``S_π``: the loss of the root's colour, differentiated along its children."""
    return _contract([LOSSES[tree.colour - 1]], tree, names)[0]


def _contract(field, tree, names):
    arguments = [value(child) for child in tree.children]
    total = [sympy.Integer(0)] * len(field)
    for indices in product(range(len(names)), repeat=len(arguments)):
        weight = sympy.prod(argument[i] for argument, i in zip(arguments, indices, strict=True))
        along = [names[i] for i in indices]
        total = [old + weight * (f.diff(*along) if along else f) for old, f in zip(total, field, strict=True)]
    return total


@pytest.mark.parametrize(
    ("name", "order"), [("gradient-descent", 3), ("heavy-ball", 2), ("extragradient", 2), ("random-reshuffling", 2)]
)
def test_gradient_and_rest_add_up_to_the_counter_terms(name, order):
    """``∇L̃ + rest = −f̃`` at each power of η, on polynomial losses, exactly."""
    values = optimizers.get(name).complete({}, trial=True)
    loss = modified_loss(name, order, **values)
    counterterms = derive(name, order, **values)
    for level, rest, row in zip(loss.rows, loss.rest, counterterms.rows, strict=True):
        potential = sum((_rational(c) * contraction(tree) for tree, c in level.items()), sympy.Integer(0))
        for j, component in enumerate((X, Y)):
            left = potential.diff(component) + sum(_rational(c) * value(tree)[j] for tree, c in rest.items())
            right = sum(_rational(c) * value(tree)[j] for tree, c in row.items())
            assert sympy.expand(left - right) == 0


def _rational(number):
    return sympy.Rational(Fraction(number).numerator, Fraction(number).denominator)


def test_gradient_descent():
    """``L + η/4 ‖∇L‖²`` (Barrett & Dherin, ICLR 2021); from η² on there is a rest."""
    loss = modified_loss("gradient-descent", 3)
    assert loss.rows[1] == {parse_tree("[[]]"): Fraction(1, 4)}
    assert loss.is_gradient == (True, True, False, False)
    # Theory page, section 5: b is 1/3 and 1/6 on the path of three nodes, its mean 1/4, so 1/12 and −1/12 · 1/σ stay.
    assert {str(tree): c for tree, c in loss.rest[2].items()} == {
        "[[[]]]": Fraction(1, 12),
        "[[],[]]": Fraction(-1, 24),
    }


def test_the_rest_is_no_gradient():
    """Its curl is not zero on a generic loss: the program does not cry wolf."""
    rest = modified_loss("gradient-descent", 2).rest[2]
    field = [sum(_rational(c) * value(tree)[j] for tree, c in rest.items()) for j in range(2)]
    assert sympy.expand(field[0].diff(Y) - field[1].diff(X)) != 0


@pytest.mark.parametrize("batches", [2, 3])
def test_random_reshuffling(batches):
    """``L + η/(4m) Σ ‖∇L_i‖²``, L the mean of the L_i (Smith, Dherin, Barrett & De, ICLR 2021)."""
    loss = modified_loss("random-reshuffling", 1, batches=batches)
    assert loss.is_gradient == (True, True)
    leaves = [Tree(colour=i) for i in range(1, batches + 1)]
    assert loss.rows[0] == {leaf: Fraction(1, batches) for leaf in leaves}
    assert loss.rows[1] == {Tree([leaf], leaf.colour): Fraction(1, 4 * batches) for leaf in leaves}
    assert modified_loss("mini-batches", 1, batches=batches).is_gradient == (True, False)


def test_heavy_ball_with_a_symbol():
    """``(L + η (1+β)/(4 (1−β)²) ‖∇L‖²)/(1−β)``."""
    (first,) = modified_loss("heavy-ball", 1).rows[1].values()
    beta = sympy.Symbol("beta")
    assert sympy.cancel(first.as_expr() - (1 + beta) / (4 * (1 - beta) ** 3)) == 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("simultaneous-players", "game"),
        ("alternating-players", "game"),
        ("adamw", "componentwise"),
        ("sgdw", "decay"),
        ("adabelief", "and not g by a root"),
    ],
)
def test_where_there_is_no_tree_of_gradients_it_says_so(name, reason):
    with pytest.raises(InputError, match=reason):
        modified_loss(name, 1)


ADAM = {
    "adam": {"beta1": "9/10", "beta2": "999/1000", "epsilon": "1/100000000"},
    "adam(inside=yes, corrected=no)": {"beta1": "2/3", "beta2": "3/4", "epsilon": "1/10"},
    "rmsprop": {"beta2": "1/2", "epsilon": "1/10"},
}


@pytest.mark.parametrize("name", ADAM)
def test_rules_that_divide_descend_a_loss_to_order_1(name):
    """``P ∂_j Σ_i φ(g_i)`` and the rest are ξ_0 on a loss, φ as the text defines it; the rest vanishes with ε."""
    values, at = ADAM[name], {X: sympy.Rational(1, 3), Y: sympy.Rational(-1, 2)}
    found, motion = modified_loss(name, 1, **values), derive(name, 1, **values)
    (monomial, coefficient), ((factor, pace),) = *found.rows[1].items(), found.factor.items()
    epsilon = sympy.Rational(values["epsilon"])
    gradient = [LOSSES[0].diff(component) for component in (X, Y)]
    inside = "inside" in name
    roots = [sympy.sqrt(g**2 + (epsilon if inside else 0)) for g in gradient]
    below = roots if inside else [root + epsilon for root in roots]
    potential = sum(root - (0 if inside else epsilon * sympy.log(root + epsilon)) for root in roots)
    assert ("φ = r" if inside else f"φ = r − {epsilon} ln q") in found.text().splitlines()
    (rest,) = columns_of_rows([found.rest[1]], [gradient], [X, Y], found.functions)
    xi = motion.to_sympy(LOSSES[0], [X, Y])[1]
    for j, component in enumerate((X, Y)):
        right = _rational(coefficient) * potential.diff(component) / below[j] + rest[j]
        assert abs((xi[j] - right).subs(at).evalf(40)) < 1e-25 * abs(xi[j].subs(at).evalf(40))
    assert (pace, monomial) == (1, replace(factor, gradient=1))
    assert max(abs(value) for value in found.rest[1].values()) < 10**6 * epsilon


def test_adam_at_its_defaults_is_written_for_a_paper():
    found = modified_loss("adam", 1, **ADAM["adam"])
    assert dict(found.equations()) == {
        r"\dot{\theta}": r"-q^{-1} \, \nabla\tilde{L} - \eta\,R_{1}",
        r"\tilde{L}": r"\tilde{L}_{0} + \eta\,\tilde{L}_{1}",
        r"\tilde{L}_{0}": "L",
        r"\tilde{L}_{1}": r"-990 \, \sum \varphi",
        "R_{1}": r"\tfrac{1999}{200000000} \, q^{-2} \, H[g \, q^{-1}]",
    }
    assert (r"\varphi", r"r - 10^{-8} \, \ln q") in found.where()
    assert found.is_gradient == (True, False)
    with pytest.raises(InputError, match="adam divides componentwise; its loss is known to order 1"):
        modified_loss("adam", 2)


def test_latex_of_trees():
    assert modified_loss("gradient-descent", 2).equations()[2:] == [
        (r"\tilde{L}_{0}", "L"),
        (r"\tilde{L}_{1}", r"\tfrac{1}{4} \, \lVert g \rVert^{2}"),
        (r"\tilde{L}_{2}", r"\tfrac{1}{8} \, g \cdot Hg"),
        ("R_{2}", r"\tfrac{1}{12} \, H^{2}g - \tfrac{1}{24} \, \nabla^{2}g[g, g]"),
    ]
    assert derive("heavy-ball", 1, modified_loss=True) == modified_loss("heavy-ball", 1)


def test_text():
    lines = modified_loss("gradient-descent", 2).text().splitlines()
    assert lines == [
        "L̃_0: L",
        "η: 1/4 L'(g)",
        "η²: 1/8 L'(g'(g))",
        "   not a gradient for every loss; beside it stays 1/12 g'(g'(g)) − 1/24 g''(g, g)",
    ]
