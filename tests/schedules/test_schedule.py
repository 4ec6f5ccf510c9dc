"""Schedules: what a text means, derivatives against SymPy's own, pieces, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy

from eomsym import schedules
from eomsym.errors import InputError
from eomsym.optimizers.loop import loop_of
from eomsym.schedules import joined, read_schedule
from eomsym.schedules.schedule import read_schedules

TAU = sympy.Symbol("tau")
SMOOTH = ["(1+cos(pi*tau))/2", "exp(-tau)*(1-exp(-1-tau))", "1/(1+tau)**2", "sqrt(1+tau)", "tanh(2*tau) + 1/4", "3/4"]


@pytest.mark.parametrize("text", SMOOTH)
def test_derivatives_are_those_of_sympy(text):
    expression = sympy.sympify(text.replace("pi", "3.141592653589793"))
    place = 0.37
    wanted = [float(expression.diff(TAU, m).subs(TAU, place)) / math.factorial(m) for m in range(7)]
    np.testing.assert_allclose(np.array(read_schedule(text).taylor(place, 7), float), wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", schedules.NAMED)
def test_every_name_is_read_and_can_be_written_again(name):
    made = read_schedule(f"{name}(1)")
    again = read_schedule(str(made))
    assert again == made
    for tau in (0.0, 0.2, 0.31, 0.999, 1.0, 3.0):
        assert again(tau) == made(tau)


def test_named_schedules_have_their_values():
    cosine = read_schedule("cosine(2, end=0.1, warmup=0.5)")
    assert [cosine(tau) for tau in (0.0, 0.25, 0.5, 1.25, 2.0, 9.0)] == pytest.approx([0, 0.5, 1, 0.55, 0.1, 0.1])
    assert cosine.breaks == (0.5, 2.0)
    assert schedules.warmup(0.5)(0.1) == pytest.approx(0.2)
    assert schedules.exponential(2.0)(1.0) == pytest.approx(math.exp(-2))
    assert schedules.polynomial(2.0, 3)(1.0) == pytest.approx(1 / 8)
    assert [schedules.staircase([1, 2])(tau) for tau in (0.5, 1.0, 2.5)] == pytest.approx([1, 0.1, 0.01])
    cycle = schedules.one_cycle(1.0)
    assert [cycle(tau) for tau in (0.0, 0.3, 1.0)] == pytest.approx([0.04, 1, 4e-6])
    assert schedules.one_cycle_momentum(1.0)(0.3) == pytest.approx(0.85)


def test_a_new_piece_holds_at_its_start_and_has_derivatives_of_its_own():
    made = read_schedule("tau/0.5 until 0.5; cos(tau-0.5)")
    assert made.piece_at(0.5 - 1e-9) == 0
    assert made.piece_at(0.5 - 1e-15) == 1, "a start that was missed by a rounding"
    assert made.taylor(0.5, 2) == pytest.approx([1, 0], abs=1e-15)
    assert made.taylor(0.5, 2, piece=0) == pytest.approx([1, 2])


def test_parts_have_their_own_time_when_they_are_joined():
    made = joined([(0.0, "warmup(1)"), (1.0, "exp(-tau)")])
    assert [made(tau) for tau in (0.5, 1.0, 3.0)] == pytest.approx([0.5, 1, math.exp(-2)])


def test_numbers_and_mappings_are_read():
    assert read_schedule(0.5)(7.0) == 0.5
    assert set(read_schedules({"eta": "cosine(1)", "beta": "1/2 + tau/10"})) == {"eta", "beta"}
    assert set(read_schedules("cosine(1)")) == {"eta"}
    assert read_schedules(None) == {}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("abs(tau)", "'abs' is unknown"),
        ("cosine(2, foo=1)", "foo"),
        ("cosine(x)", "'x': not an exact rational"),
        ("cosine(-2)", "above 0"),
        ("cosine(1e999)", "not a finite number"),
        ("cosine(" + 400 * "9" + ")", "not an exact rational"),
        ("cosine(1, warmup=2)", "warmup 2.0"),
        ("tau; 2", "until TIME"),
        ("tau until x; 2", "'x' is no time"),
        ("tau until 2; tau until 1; 3", "starts that rise"),
        ("__import__('os')", "is not allowed"),
        ("t", "neither a variable"),
        ("", "expression"),
        (True, "neither a text nor a schedule"),
        (object(), "neither a text nor a schedule"),
        (math.nan, "not a finite number"),
    ],
)
def test_what_is_no_schedule_is_refused_in_one_line(given, named):
    with pytest.raises(InputError, match=r"(?s)^[^\n]*$") as caught:
        read_schedule(given)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("text", "tau", "named"),
    [("sqrt(tau)", 0.0, "is not smooth at tau = 0"), ("log(tau-1)", 0.5, "is undefined at tau = 0.5")],
)
def test_where_there_is_no_derivative_it_says_so(text, tau, named):
    with pytest.raises(InputError, match=named):
        read_schedule(text).taylor(tau, 3)


def test_values_out_of_range_are_found_with_their_time():
    with pytest.raises(InputError, match=r"schedule of the learning rate: -0\.0\d+ at tau = 1\.5"):
        loop_of("gradient-descent", "1/2 until 1; 1/2 - (tau-1)").check(2.0)
    with pytest.raises(InputError, match="and below 1"):
        loop_of("heavy-ball", {"beta": "1/2 + tau"}).check(1.0)
    loop_of("gradient-descent", "cosine(2)").check(5.0)
