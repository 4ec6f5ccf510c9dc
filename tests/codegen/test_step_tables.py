"""Constant tables of the kernels against published look-ahead weights and against polynomials."""

from fractions import Fraction

import pytest

from eomsym.codegen.step_tables import LEAD, extrapolation, logarithm, schedule, slots, summation, two_ways

#: Weights of the gradients at look-ahead iterates in −f̃ (theory §4); the last row of each list is order N.
LOOK_AHEAD = {
    1: ["3/2", "-1/2"],
    2: ["11/6", "-7/6", "1/3"],
    3: ["25/12", "-23/12", "13/12", "-1/4"],
}
TERMS = 11
WAYS = [False, True]


def polynomial(k, step):
    """Degree k, zero at 0, not symmetric."""
    return Fraction(step) ** k - 3 * Fraction(step)


def total(k, step):
    """The sum of the polynomial from 0 to ``step``, which steps before 0 count with a minus."""
    if step >= 0:
        return sum((polynomial(k, s) for s in range(step)), Fraction(0))
    return -sum((polynomial(k, s) for s in range(step, 0)), Fraction(0))


@pytest.mark.parametrize("order", LOOK_AHEAD)
def test_logarithm_has_the_look_ahead_weights(order):
    row = logarithm(4)[order]
    assert row[: order + 1] == [Fraction(weight) for weight in LOOK_AHEAD[order]]
    assert not any(row[order + 1 :])


@pytest.mark.parametrize("fast", WAYS)
@pytest.mark.parametrize("k", range(1, TERMS))
def test_logarithm_is_the_slope_of_the_sum(k, fast):
    row = logarithm(TERMS, fast)[k]
    value = sum(w * polynomial(k, s) for w, s in zip(row, slots(TERMS, fast), strict=True))
    # d/ds at 0 of Σ_{i<s} i^k is the Bernoulli number B_k (Faulhaber); −3 s has the slope −3 B_1 = 3/2.
    bernoulli = {0: 1, 1: Fraction(-1, 2), 2: Fraction(1, 6), 4: Fraction(-1, 30), 6: Fraction(1, 42)}
    bernoulli |= {8: Fraction(-1, 30), 10: Fraction(5, 66)}
    assert value == bernoulli.get(k, 0) + Fraction(3, 2)


@pytest.mark.parametrize("fast", WAYS)
@pytest.mark.parametrize("terms", [1, 2, 3, 6, 9, TERMS])
def test_extrapolation_is_exact_for_polynomials_that_vanish_at_0(terms, fast):
    table, steps = extrapolation(terms, fast), slots(terms, fast)
    for slot in range(terms):
        for k in range(1, slot):
            values = [polynomial(k, step) for step in steps]
            assert sum(table[slot][k][i] * values[i] for i in range(k + 1)) == values[slot]
            assert not any(table[slot][k][k + 1 :])


@pytest.mark.parametrize("fast", WAYS)
def test_nothing_is_extrapolated_to_a_step_that_is_computed(fast):
    table = extrapolation(6, fast)
    assert all(not any(table[slot][k]) for slot in range(6) for k in range(slot, 6))


def test_summation_reaches_the_steps_before_0():
    steps = slots(TERMS)
    table = summation(TERMS)
    assert len(table) == -min(steps)
    for m, rows in enumerate(table):
        for k in range(1, TERMS):
            value = sum(w * polynomial(k, step) for w, step in zip(rows[k], steps, strict=True))
            assert value == total(k, -1 - m)


def test_slots():
    assert slots(11) == [0, 1, 2, 3, 4, -1, 5, -2, 6, -3, 7]
    assert slots(11, fast=True) == list(range(11))
    for k in range(30):  # those of a coefficient follow one another and hold 0
        used = sorted(slots(k + 1))
        assert used == list(range(used[0], used[0] + k + 1))
        assert 0 in used
    assert [two_ways(terms) for terms in (LEAD + 1, LEAD + 2)] == [False, True]


@pytest.mark.parametrize("fast", WAYS)
def test_every_turn_finds_what_it_needs(fast):
    """Coefficient k of a polynomial is known once k slots have had their turn for it, and is needed after that."""
    done: set[tuple[int, int]] = set()
    steps = slots(TERMS, fast)
    for slot, low in schedule(TERMS, fast):
        known = [k for k in range(TERMS) if k == 0 or all((i, k) in done for i in range(1, k + 1))]
        assert set(range(low)) <= set(known)  # lower coefficients are extrapolated, or have been computed here
        if steps[slot] > 1:  # the iterate before has all its coefficients
            before = steps.index(steps[slot] - 1)
            assert all((before, k) in done for k in range(before, TERMS))
        done |= {(slot, k) for k in (range(low, TERMS) if steps[slot] >= 0 else [low])}
    assert all((i, k) in done for k in range(1, TERMS) for i in range(1, k + 1))
