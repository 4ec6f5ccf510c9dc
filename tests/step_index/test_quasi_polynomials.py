"""The ring of quasi-polynomials: its operations and its difference equations, value by value."""

from fractions import Fraction

import sympy
from hypothesis import given
from hypothesis import strategies as st

from eomsym.step_index.quasi_polynomials import QuasiPolynomial

#: Products of some are others, so that a share meets its own ratio; 0 forgets at once.
RATIOS = st.sampled_from([1, 0, Fraction(1, 2), Fraction(1, 4), Fraction(-1, 3), Fraction(1, 9), Fraction(9, 10)])
NUMBERS = st.fractions(-5, 5, max_denominator=9)
VALUES = st.dictionaries(st.tuples(st.integers(0, 3), RATIOS), NUMBERS, max_size=5).map(QuasiPolynomial)
STEPS = range(9)


@given(VALUES, VALUES, NUMBERS)
def test_sums_and_products_are_those_of_the_values(left, right, number):
    for n in STEPS:
        assert (left + right).at(n) == left.at(n) + right.at(n)
        assert (left * right).at(n) == left.at(n) * right.at(n)
        assert (number * left + number).at(n) == number * left.at(n) + number


@given(VALUES, RATIOS, NUMBERS)
def test_a_solution_satisfies_its_recurrence_and_starts_where_it_is_told(right, share, start):
    found = right.solved(share, start)
    assert found.at(0) == start
    for n in STEPS:
        assert found.at(n + 1) - share * found.at(n) == right.at(n)


@given(VALUES, RATIOS, NUMBERS)
def test_what_lasts_is_the_polynomial_part(right, share, start):
    """Late values, from which all else has faded, extrapolated to 0: up to what is left of (9/10)^n."""
    found = right.solved(share, start)
    degree = max((power for power, ratio in found.terms if ratio == 1), default=0)
    nodes = [600 + 40 * j for j in range(degree + 1)]
    total = 0
    for a in nodes:
        weight = Fraction(1)
        for b in nodes:
            weight *= Fraction(-b, a - b) if b != a else 1
        total += weight * found.at(a)
    assert abs(total - found.lasting) < Fraction(1, 10**8)


def test_a_symbol_is_a_share_like_any_other():
    beta = sympy.field(["beta"], sympy.QQ)[1]
    velocity = QuasiPolynomial.constant(1).solved(beta)
    assert velocity.terms == {(0, 1): 1 / (1 - beta), (0, beta): -1 / (1 - beta)}
    resonant = velocity.solved(beta)  # n β^n
    assert resonant.terms[1, beta] == -1 / ((1 - beta) * beta)
    assert [resonant.at(n) for n in range(4)] == [0, 0, 1, 1 + 2 * beta]


def test_equal_ones_are_equal_and_hash_equal():
    one, same = QuasiPolynomial({(0, 1): Fraction(2), (1, 0): 0}), QuasiPolynomial.constant(2)
    assert one == same == 2
    assert hash(one) == hash(same)
    assert repr(QuasiPolynomial.constant(1)) == "QuasiPolynomial({(0, 1): 1})"
