"""Constant tables of the kernels against published look-ahead weights and against polynomials."""

from fractions import Fraction

import pytest

from eomsym.codegen.step_tables import extrapolation, logarithm

#: Weights of the gradients at look-ahead iterates in −f̃ (theory §4); the last row of each list is order N.
LOOK_AHEAD = {
    1: ["3/2", "-1/2"],
    2: ["11/6", "-7/6", "1/3"],
    3: ["25/12", "-23/12", "13/12", "-1/4"],
}


@pytest.mark.parametrize("order", LOOK_AHEAD)
def test_logarithm_has_the_look_ahead_weights(order):
    row = logarithm(4)[order]
    assert row[: order + 1] == [Fraction(weight) for weight in LOOK_AHEAD[order]]
    assert not any(row[order + 1 :])


@pytest.mark.parametrize("terms", [1, 2, 3, 6, 9])
def test_extrapolation_is_exact_for_polynomials_that_vanish_at_0(terms):
    table = extrapolation(terms)
    for j in range(terms):
        for k in range(1, j):
            polynomial = [Fraction(i**k - 3 * i) for i in range(terms)]
            assert sum(table[j][k][i] * polynomial[i] for i in range(k + 1)) == polynomial[j]
            assert not any(table[j][k][k + 1 :])


def test_nothing_is_extrapolated_to_a_step_that_is_computed():
    table = extrapolation(6)
    assert all(not any(table[j][k]) for j in range(6) for k in range(j, 6))
