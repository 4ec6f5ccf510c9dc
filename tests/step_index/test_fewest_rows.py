"""How few rows do: extension, sums of products, and the last coefficient, on polynomials in exact numbers."""

from fractions import Fraction
from itertools import pairwise

import pytest

from eomsym.optimizers.loop import loop_of
from eomsym.step_index import Tables, logarithm
from eomsym.step_index.nodes import is_descent, outermost_first
from eomsym.step_index.tables import FewestRows

NODES = outermost_first([Fraction(i, 3) for i in (1, -1, 2, -2, 3)])


def value(polynomial, node):
    """Coefficients of s, s², …: nothing stays at s = 0."""
    return sum(c * node**power for power, c in enumerate(polynomial, 1))


def moment(polynomial, functional):
    return sum(c * functional(power) for power, c in enumerate(polynomial, 1))


def applied(matrix, rows):
    return [sum(w * row for w, row in zip(line, rows, strict=False)) for line in matrix]


@pytest.mark.parametrize("last", [None, 5])
def test_rows_from_fewer_rows(last):
    tables = FewestRows(NODES, anchored=True, last=last, seen=True)
    polynomial = [Fraction(2), Fraction(-1), Fraction(3)]
    rows = [value(polynomial, node) for node in NODES]
    assert tables.rows(3) == 3
    assert applied(tables.further(3, 5), rows[:3]) == rows[3:]
    product = [Fraction(0), Fraction(1), Fraction(-2), Fraction(5), Fraction(7)]  # divisible by s²
    exact = [value(product, node) for node in NODES]
    kept, weights = tables.closing(5)
    inner = exact[: tables.inner(5)]
    made = (inner if kept else []) + applied(weights, inner)
    assert made == (exact if last is None else [moment(product, logarithm), exact[0]])
    assert made[tables.first(5)] == exact[0]
    product[0] = Fraction(1)  # the negative control: divisible by s only
    inner = [value(product, node) for node in NODES][: tables.inner(5)]
    assert applied(weights, inner)[0] != (value(product, NODES[4]) if last is None else moment(product, logarithm))


def test_the_last_coefficient_of_theta():
    tables, full = (FewestRows(NODES, anchored=True, last=last, seen=True) for last in (3, None))
    increments = [value([Fraction(1), Fraction(4)], node) for node in NODES]
    rows = applied(tables.summation(2), increments[:2])
    everywhere = applied(full.summation(2), increments[:2])
    assert rows == [applied(Tables(NODES, anchored=True).logarithm(3), everywhere[:3])[0], everywhere[0]]


def test_the_outermost_come_first():
    assert [abs(node) for node in NODES[:2]] == [1, Fraction(2, 3)]
    assert sorted(NODES) == [Fraction(i, 3) for i in (-2, -1, 1, 2, 3)]
    assert all(one != other for one, other in pairwise(NODES))


DESCENT = {"gradient-descent": True, "heavy-ball": False, "extragradient": False, "implicit-euler": False}


@pytest.mark.parametrize("name", DESCENT)
def test_only_descent_is_descent(name):
    assert is_descent(loop_of(name).rule({})) == DESCENT[name]
