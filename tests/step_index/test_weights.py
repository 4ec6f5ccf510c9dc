"""Weights against what they stand for: difference equations, published numbers, operators on differences."""

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from second_routes.step_polynomial import apply_operator, forward_differences, linear_coefficient, reciprocal, values

from eomsym.step_index import logarithm, resolvent, sum_to, value_at, weights
from eomsym.step_index.nodes import two_sided

RATIONALS = st.fractions(-4, 4, max_denominator=12)
NODES = st.lists(RATIONALS, min_size=1, max_size=8, unique=True)


def evaluate(coefficients, step):
    return sum(c * Fraction(step) ** m for m, c in enumerate(coefficients))


def applied(nodes, functional, coefficients):
    return sum(w * evaluate(coefficients, node) for w, node in zip(weights(nodes, functional), nodes, strict=True))


@given(NODES, st.data())
def test_weights_are_exact_for_every_polynomial(nodes, data):
    """A value elsewhere, and the two difference equations, at a step and at the next one."""
    coefficients = [data.draw(RATIONALS) for _ in nodes]
    step, share = data.draw(RATIONALS), data.draw(st.fractions(0, 1, max_denominator=20).filter(lambda a: a != 1))
    here = evaluate(coefficients, step)
    assert applied(nodes, value_at(step), coefficients) == here
    sums = [applied(nodes, sum_to(at), coefficients) for at in (0, step, step + 1)]
    assert sums[0] == 0
    assert sums[2] - sums[1] == here
    settled = [applied(nodes, resolvent(share, at), coefficients) for at in (step, step + 1)]
    assert settled[1] - share * settled[0] == here


@given(st.integers(1, 9), st.integers(-5, 12), st.fractions(0, Fraction(99, 100), max_denominator=100))
def test_integer_nodes_agree_with_operators_on_differences(degree, step, share):
    """The second route: series in Δ on forward differences, which shares nothing with monomials and Lagrange."""
    nodes = list(map(Fraction, range(degree + 1)))
    inverse = reciprocal([1 - share, 1, *[0] * degree][: degree + 1])
    for place in range(degree + 1):
        unit = [int(i == place) for i in range(degree + 1)]
        differences = forward_differences(unit)
        assert weights(nodes, logarithm)[place] == linear_coefficient([0, *differences])
        if step >= 0:
            assert weights(nodes, value_at(step))[place] == values(differences, step + 1)[step]
            assert weights(nodes, sum_to(step))[place] == values([0, *differences], step + 1)[step]
            settled = values(apply_operator(inverse, differences), step + 1)[step]
            assert weights(nodes, resolvent(share, step))[place] == settled


def test_the_logarithm_of_a_monomial_is_a_bernoulli_number():
    """Graham, Knuth & Patashnik, Concrete Mathematics, 2nd ed., table in section 6.5."""
    numbers = "1 -1/2 1/6 0 -1/30 0 1/42 0 -1/30 0 5/66 0 -691/2730"
    assert [logarithm(m) for m in range(13)] == list(map(Fraction, numbers.split()))


def test_a_negative_step_counts_the_steps_before_it():
    """``Q(−3) = −((−1)^m + (−2)^m + (−3)^m)``."""
    for m in range(6):
        assert sum_to(Fraction(-3))(m) == -sum(Fraction(-j) ** m for j in (1, 2, 3))
        assert sum_to(Fraction(5))(m) == sum(Fraction(j) ** m for j in range(5))


@pytest.mark.parametrize("unit", [Fraction(1, 3), Fraction(1), Fraction(7, 2)])
def test_the_look_ahead_weights_come_out_at_whole_steps_alone(unit):
    """``w_i = Σ_n (−1)^i C(n−1, i)/n`` (theory: the look-ahead field); at other nodes they would be wrong."""
    order = 6
    expected = [sum(Fraction((-1) ** i * comb(n - 1, i), n) for n in range(i + 1, order + 2)) for i in range(order + 1)]
    found = weights([unit * i for i in range(order + 1)], logarithm)
    assert (found == expected) == (unit == 1)


def test_two_sided():
    assert two_sided(5, Fraction(2)) == (0, 2, -2, 4, -4)
