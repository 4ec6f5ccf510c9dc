"""The bound of all coefficients against the largest ones, and against the room that int64 has."""

from fractions import Fraction
from math import lcm

import pytest
from second_routes.coefficient_bound import bernoulli, coefficient_bound
from second_routes.step_polynomial import FORMS, modified_coefficients

from eomsym.derivation.tree_tables import MAX_STREAMED_NODES
from eomsym.step_index import logarithm


def test_the_logarithm_has_the_bernoulli_numbers_of_sympy():
    assert logarithm(1) == Fraction(-1, 2)
    for index in range(40):
        assert logarithm(index) == bernoulli(index)


@pytest.mark.parametrize("nodes", range(1, 11))
def test_no_coefficient_exceeds_the_bound(nodes):
    coefficients = modified_coefficients(FORMS["gradient-descent"](), nodes)
    largest = max(abs(value) for tree, value in coefficients.items() if tree.order == nodes)
    assert largest <= coefficient_bound(nodes)


def test_bound_of_small_trees_by_hand():
    """Q = 1, s, s²/2 − s/2 or s²: |B_0|, |B_1|, then |B_2| + ½ |B_1| with the larger of 1 and ½ before s²."""
    assert [coefficient_bound(n) for n in (1, 2, 3)] == [1, Fraction(1, 2), Fraction(1, 6) + Fraction(1, 4)]


def test_numerators_of_every_streamed_order_fit_into_int64():
    for nodes in range(1, MAX_STREAMED_NODES + 1):
        assert lcm(*range(1, nodes + 1)) * coefficient_bound(nodes) < 2**63


def test_the_limit_is_sharp():
    """The bush of one node more has the coefficient B_28, whose numerator leaves int64."""
    nodes = MAX_STREAMED_NODES + 1
    assert lcm(*range(1, nodes + 1)) * abs(bernoulli(nodes - 1)) >= 2**63
