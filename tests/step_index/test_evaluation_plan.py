"""The schedule of a gradient-descent kernel and its tables: against published weights, polynomials, plain sums."""

from fractions import Fraction

import pytest

from eomsym.step_index.tables import evaluation_plan

#: Weights of the gradients at look-ahead iterates in −f̃ (theory §4); the last row of each list is order N.
LOOK_AHEAD = {
    1: ["3/2", "-1/2"],
    2: ["11/6", "-7/6", "1/3"],
    3: ["25/12", "-23/12", "13/12", "-1/4"],
}
TERMS = 11


def polynomial(k, step):
    """Degree k, zero at 0, not symmetric."""
    return Fraction(step) ** k - 3 * Fraction(step)


@pytest.mark.parametrize("order", LOOK_AHEAD)
def test_logarithm_has_the_look_ahead_weights(order):
    row = evaluation_plan(4).logarithm()[order]
    # At order 2 and above the weight of slot 0 multiplies a coefficient that vanishes, and is left out.
    assert row[1 : order + 1] == [Fraction(weight) for weight in LOOK_AHEAD[order][1:]]
    assert not any(row[order + 1 :])


@pytest.mark.parametrize("k", range(1, TERMS))
def test_logarithm_is_the_slope_of_the_sum(k):
    descent = evaluation_plan(TERMS)
    value = sum(w * polynomial(k, s) for w, s in zip(descent.logarithm()[k], descent.steps, strict=False))
    # d/ds at 0 of Σ_{i<s} i^k is the Bernoulli number B_k (Faulhaber); −3 s has the slope −3 B_1 = 3/2.
    bernoulli = {0: 1, 1: Fraction(-1, 2), 2: Fraction(1, 6), 4: Fraction(-1, 30), 6: Fraction(1, 42)}
    bernoulli |= {8: Fraction(-1, 30), 10: Fraction(5, 66)}
    assert value == bernoulli.get(k, 0) + Fraction(3, 2)


@pytest.mark.parametrize("terms", [1, 2, 3, 6, 9, TERMS])
def test_extrapolation_is_exact_for_polynomials_that_vanish_at_0(terms):
    descent = evaluation_plan(terms)
    table = descent.extrapolation()
    for slot in range(terms):
        assert len(table[slot]) == slot  # nothing is extrapolated to a step that is computed
        assert table[slot][:1] == [[1]][:slot]  # coefficient 0 is the same in all
        for k in range(1, len(table[slot])):
            values = [polynomial(k, step) for step in descent.steps]
            assert len(table[slot][k]) == k + 1
            assert sum(w * value for w, value in zip(table[slot][k], values, strict=False)) == values[slot]
    assert descent.extrapolation(every=False) == table[: descent.forward + 1]


def test_summation_reaches_every_step():
    """``Q(s+1) − Q(s)`` is the polynomial: Q at two steps that are 1 apart, and Q(0) = 0 through the step −1."""
    descent = evaluation_plan(TERMS)
    table = descent.summation()
    later = descent.steps[descent.forward + 1 :]
    assert len(table) == len(later)
    sums = {}
    for step, rows in zip(later, table, strict=True):
        for k in range(1, TERMS - 1):
            sums[step, k] = -sum(w * polynomial(k, s) for w, s in zip(rows[k], descent.steps, strict=False))
    found = 0
    for k in range(1, TERMS - 1):
        assert sums[Fraction(-1), k] == -polynomial(k, -1)
        for step in later:
            if (step + 1, k) in sums:
                assert sums[step + 1, k] - sums[step, k] == polynomial(k, step)
                found += 1
    assert found > 3 * TERMS


@pytest.mark.parametrize("terms", range(1, 22))
def test_every_turn_finds_what_it_needs(terms):
    """Coefficient k of a polynomial is known once k slots have had their turn for it, and is needed after that."""
    done: set[tuple[int, int]] = set()
    descent = evaluation_plan(terms)
    assert len(set(descent.steps)) == terms
    assert descent.steps[: descent.forward + 1] == tuple(range(descent.forward + 1))
    for slot, low, end in descent.turns:
        known = [k for k in range(terms) if k == 0 or all((i, k) in done for i in range(1, k + 1))]
        assert set(range(low)) <= set(known)  # lower coefficients are extrapolated, or have been computed here
        if 1 < slot <= descent.forward:  # the iterate before has all its coefficients
            assert all((slot - 1, k) in done for k in range(slot - 1, terms))
        assert end == (terms if 0 < slot <= descent.forward else low + 1)
        done |= {(slot, k) for k in range(low, end)}
    assert all((i, k) in done for k in range(1, terms) for i in range(1, k + 1))
