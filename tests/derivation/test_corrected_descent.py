"""The modifying integrator: by the equation of motion that ``derive`` finds of its tableau, and by known methods."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from sample_quartic import THETA as NEAR
from sample_quartic import SampleQuartic, samples
from scipy.integrate import solve_ivp

import eomsym
from eomsym.derivation import corrected_step, derive
from eomsym.derivation.corrected_descent import PLACES, map_weights
from eomsym.errors import InputError
from eomsym.trees import parse_tree, rooted_trees

THETA = 2 * NEAR
STRENGTHS = st.fractions(min_value=-3, max_value=3, max_denominator=12)


@given(st.integers(1, 3), STRENGTHS)
def test_the_equation_of_motion_is_the_one_asked_for(order, strength):
    """Trees by another route: the solver of ``derive`` knows no Lie series and no order conditions."""
    made = corrected_step(order, strength)
    found, plain = derive(made.optimizer, order), derive("gradient-descent", order)
    for mine, theirs in zip(found.rows[1:], plain.rows[1:], strict=True):
        assert mine == {tree: (1 - strength) * value for tree, value in theirs.items()}
    assert made.gradients == (1 if strength == 0 else {1: 2, 2: 3, 3: 5}[order])


@given(st.integers(1, 3), STRENGTHS.filter(bool), st.integers(2, 3))
def test_substeps_have_the_equation_of_the_whole_step(order, strength, substeps):
    made = corrected_step(order, strength, substeps)
    assert made.gradients == substeps * {1: 2, 2: 3, 3: 5}[order]
    found, plain = derive(made.optimizer, order), derive("gradient-descent", order)
    for mine, theirs in zip(found.rows[1:], plain.rows[1:], strict=True):
        assert mine == {tree: (1 - strength) * value for tree, value in theirs.items()}


@given(st.integers(1, 3), STRENGTHS.filter(bool))
def test_the_embedded_weights_are_of_one_order_less(order, strength):
    made = corrected_step(order, strength)
    lower = derive(replace(made, weights=made.embedded).optimizer, order).rows[1:]
    wanted = [{tree: (1 - strength) * value for tree, value in row.items()} for row in derive("gd", order).rows[1:]]
    assert list(lower[:-1]) == wanted[:-1]
    assert lower[-1] != wanted[-1]


def test_every_strength_has_a_method():
    """Weights of the map are polynomials in the strength, and a tableau fails where one of these vanishes: at order 3
    each of the two placements has such a strength, and it is not the same one; at order 2 there is none but 0."""
    s = sympy.Symbol("s")

    def weight(text, order):
        values = [(k, sympy.Rational(str(map_weights(order, Fraction(k))[parse_tree(text)]))) for k in range(order + 3)]
        return sympy.interpolate(values, s)

    def failing(places):
        c2, c3, c4, c5 = (sympy.Rational(str(c)) for c in places)
        moments = sympy.Matrix([[c**k for c in (c3, c4, c5)] for k in (1, 2, 3)])
        b3, b4, b5 = moments.LUsolve(sympy.Matrix([weight(text, 3) for text in ("[[]]", "[[],[]]", "[[],[],[]]")]))
        u3 = c3**2 / 2
        right = sympy.Matrix([weight("[[[]]]", 3) - b3 * u3, weight("[[[]],[]]", 3) - b3 * c3 * u3])
        u4, _ = sympy.Matrix([[b4, b5], [b4 * c4, b5 * c5]]).LUsolve(right)
        last = sympy.Matrix([[c2, c3, c4], [c2**2, c3**2, c4**2], [0, u3, u4]]).det()
        return set(sympy.roots(sympy.numer(sympy.together(b4 * b5 * sympy.numer(sympy.together(last)))), s))

    assert [failing(places) for places in PLACES] == [{0, sympy.Rational(7, 6)}, {0, sympy.Rational(10, 9)}]
    assert set(sympy.roots(weight("[[],[]]", 2) - sympy.Rational(str(PLACES[0][0])) * weight("[[]]", 2), s)) == {0}
    made = corrected_step(3, "7/6")
    found = derive(made.optimizer, 3).rows
    for mine, theirs in zip(found[1:], derive("gradient-descent", 3).rows[1:], strict=True):
        assert mine == {tree: Fraction(-1, 6) * value for tree, value in theirs.items()}


@pytest.mark.parametrize("order", [1, 2, 3])
def test_one_term_more_is_not_right(order):
    """Control: a method of a lower order has the next term wrong."""
    found = derive(corrected_step(order, "1/3").optimizer, order + 1).rows[-1]
    plain = derive("gradient-descent", order + 1).rows[-1]
    assert found != {tree: Fraction(2, 3) * value for tree, value in plain.items()}


def test_known_methods():
    """At strength 1: Heun's method and Kutta's of order 3 (Hairer, Nørsett & Wanner, Solving ODEs I, II.1)."""
    heun, kutta = corrected_step(1), corrected_step(2)
    assert (heun.matrix[1], heun.weights) == ((1,), (Fraction(1, 2),) * 2)
    assert kutta.matrix == ((), (Fraction(1, 2),), (-1, 2))
    assert kutta.weights == (Fraction(1, 6), Fraction(2, 3), Fraction(1, 6))
    assert corrected_step(3, 0).weights == corrected_step(0).weights == (1,)


def test_weights_of_the_map_are_those_of_the_flow_and_of_descent():
    """1/γ(τ) for gradient flow (Hairer, Lubich & Wanner, III.1.2); 0 beyond the first for descent."""
    trees = [tree for n in range(1, 5) for tree in rooted_trees(n)]
    flow, descent = (map_weights(3, Fraction(strength)) for strength in (1, 0))
    assert flow == {tree: Fraction(1, tree.density) for tree in trees}
    assert descent == {tree: Fraction(tree.order == 1) for tree in trees}


@pytest.mark.parametrize("strength", [1, "1/2", -1])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_paths_follow_the_field_to_the_order(order, strength):
    """Steps on a quartic beside the integrated field −g − (1 − strength)ηξ, cut at the order: slope N + 1."""
    data, entry = samples(5), corrected_step(order, strength).optimizer
    descent = eomsym.optimizers.get("gradient-descent").rule()
    errors, etas = [], [0.02 / 2**k for k in range(4)]
    for eta in etas:
        powers = (1 - float(Fraction(strength))) * eta ** np.arange(1, order + 1)

        def field(_, theta, powers=powers):
            rows = eomsym.dynamics.kernel_counterterms(SampleQuartic(), descent, theta, order, (data,))
            return -rows[0] - powers @ rows[1:]

        theta = THETA
        for _ in range(round(0.4 / eta)):
            (theta,) = entry.step(lambda point: SampleQuartic().gradient(point, data), (theta,), eta)
        end = solve_ivp(field, (0, 0.4), THETA, method="DOP853", rtol=1e-13, atol=1e-14).y[:, -1]
        errors.append(np.linalg.norm(end - theta))
    assert np.log2(errors[-2] / errors[-1]) == pytest.approx(order + 1, abs=0.1)


@pytest.mark.parametrize(
    ("order", "strength", "named"),
    [
        (4, 1, "order 4"),
        (-1, 1, "order -1"),
        (1, "x", "strength"),
        (1, float("nan"), "strength"),
        (1, None, "strength"),
        (1, [1], "strength"),
        (True, 1, "order True"),
        (1, True, "strength"),
    ],
)
def test_bad_input(order, strength, named):
    with pytest.raises(InputError, match=named):
        corrected_step(order, strength)


def test_the_method_is_an_optimiser_with_a_name_of_its_own():
    assert corrected_step(2, "-1/2").optimizer.name == "corrected-descent-2-strength-minus-1-over-2"
    assert eomsym.optimizers.get(corrected_step(1, 0.5).optimizer).name == "corrected-descent-1-strength-1-over-2"


@pytest.mark.parametrize(("given", "told"), [((1, 1, 0), "substeps 0"), ((2, 0, 3), "substeps 3: at order 0 or str")])
def test_substeps_that_are_none(given, told):
    with pytest.raises(InputError, match=told):
        corrected_step(*given)
