"""The registry and what an optimiser's parameters may be; parametrised over all that is registered."""

import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eomsym
from eomsym import optimizers
from eomsym.errors import InputError
from eomsym.exact_numbers import read_rational
from eomsym.optimizers import Optimizer, Parameter, flag

ENTRIES = list(optimizers.REGISTRY.values())
MOMENTUM = Parameter("momentum", "β", "share of the last step", Fraction(0), Fraction(1))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_entries_are_found_by_every_name_and_say_where_they_come_from(entry):
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", entry.name)
    assert all(optimizers.get(name) is entry for name in (entry.name, *entry.aliases))
    assert entry.summary
    assert entry.source


def test_no_name_means_two_optimisers():
    names = [name for entry in ENTRIES for name in (entry.name, *entry.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_parameters_take_exact_values_in_their_range_only(entry):
    for parameter in entry.parameters:
        assert parameter.name.isidentifier()
        inside = parameter.minimum + 1 if parameter.supremum is None else (parameter.minimum + parameter.supremum) / 2
        inside = Fraction(int(inside)) if parameter.kind == "count" else inside
        assert entry.read_parameters({parameter.name: str(inside)}) == {parameter.name: inside}
        outside = [parameter.minimum - 1]
        outside += [parameter.minimum] if parameter.open_minimum else []
        outside += [] if parameter.supremum is None else [parameter.supremum]
        for value in outside:
            with pytest.raises(InputError, match="out of range"):
                parameter.read(value)
        assert parameter.read(parameter.default) == parameter.default
    with pytest.raises(InputError, match="does not have it"):
        entry.read_parameters({"no_such_parameter": 1})


def test_an_unknown_optimiser_is_answered_with_the_known_ones():
    with pytest.raises(InputError, match=r"'adamm'.*gradient-descent"):
        optimizers.get("adamm")


def test_gradient_descent_steps_against_the_gradient():
    theta = np.array([1.0, -2.0])
    (stepped,) = optimizers.get("gd").step(lambda point: 3 * point, (theta,), 0.125)
    np.testing.assert_array_equal(stepped, [0.625, -1.25])


@pytest.mark.parametrize(
    ("name", "given", "reason"),
    [
        ("heavy-ball", {"beta": 1}, r"0 <= beta < 1 \(the memory .* must fade"),
        ("nesterov", {"beta": "-1/2"}, "0 <= beta < 1"),
        ("adam", {"beta2": "1.0"}, "0 <= beta2 < 1"),
        ("adam", {"epsilon": 0}, r"0 < epsilon \(at ε = 0 the step is the sign of g"),
        ("rmsprop", {"epsilon": "0"}, "0 < epsilon"),
        ("adamw", {"decay": "-1/10"}, "weights that decay must not grow"),
        ("mini-batches", {"batches": "5/2"}, "not an integer"),
        ("random-reshuffling", {"batches": 0}, "1 <= batches < 7"),
    ],
)
def test_parameters_out_of_range_are_refused_with_the_reason(name, given, reason):
    with pytest.raises(InputError, match=reason):
        optimizers.get(name).read_parameters(given)


def test_values_not_given_are_completed():
    entry = optimizers.get("adam")
    assert entry.complete({"beta1": "1/4"}) == {
        "beta1": Fraction(1, 4),
        "beta2": Fraction(999, 1000),
        "epsilon": Fraction(1, 10**8),
    }
    assert entry.complete({}, trial=True)["beta2"] == Fraction(2, 5)


@pytest.mark.parametrize(
    ("text", "value"),
    [("9/10", "9/10"), ("0.9", "9/10"), (" .5 ", "1/2"), ("-3", "-3"), ("+1.", "1"), (7, "7"), (Fraction(2, 3), "2/3")],
)
def test_exact_rationals(text, value):
    assert read_rational("x", text) == Fraction(value)


@pytest.mark.parametrize(
    "value",
    [True, None, "", "1/0", "nan", float("nan"), "1_000", "0x10", "1/-2", "9" * 41, "1 / 2", [1], "٣"],
)
def test_anything_else_is_no_exact_rational(value):
    with pytest.raises(InputError, match="not an exact rational"):
        read_rational("x", value)


@given(st.fractions(max_denominator=10**12))
def test_reading_undoes_writing(number):
    assert read_rational("x", str(number)) == number


def test_range_is_half_open():
    assert MOMENTUM.read(0) == 0
    assert MOMENTUM.read("0.999") == Fraction(999, 1000)
    for value in ("1", "-0.001", 2):
        with pytest.raises(InputError, match="0 <= momentum < 1"):
            MOMENTUM.read(value)


@pytest.mark.parametrize("spelt", ["HeavyBall", "heavy_ball", "HEAVY BALL", "Polyak"])
def test_names_are_found_whatever_their_case_and_hyphens(spelt):
    assert optimizers.get(spelt).name == "heavy-ball"
    assert optimizers.chosen(spelt, {"Beta": "1/2"}) == (optimizers.get("heavy-ball"), {"beta": Fraction(1, 2)})


@pytest.mark.parametrize(
    "spelt", ["torch.sgd(momentum=0.9)", "torch.optim.SGD(momentum=0.9)", "Torch.SGD(momentum=0.9)"]
)
def test_names_of_libraries_too(spelt):
    assert optimizers.chosen(spelt) == optimizers.chosen("torch.SGD(momentum=0.9)")


def test_flags_are_parameters_that_choose_the_form():
    entry, values = optimizers.chosen("adam", {"inside": True, "corrected": "no", "beta1": "1/2"})
    assert entry is optimizers.get("adam(inside=yes, corrected=no)")
    assert (entry.memory, values) == (("mean", "square"), {"beta1": Fraction(1, 2)})
    assert optimizers.chosen("adam", {"corrected": "yes"}) == (optimizers.get("adam"), {})
    decayed, values = optimizers.chosen("heavy-ball", {"decay": "1/10", "decoupled_decay": True})
    assert decayed.rule(beta=Fraction(1, 2), **values) == optimizers.get("sgdw").rule(beta=Fraction(1, 2), **values)
    with pytest.raises(InputError, match="inside = 1: is a flag; give yes or no, in Python True or False"):
        optimizers.chosen("adam", {"inside": 1})
    with pytest.raises(InputError, match="inside = no: stands in the name"):
        optimizers.chosen("adam(inside=yes)", {"inside": "no"})
    with pytest.raises(InputError, match="'adam\\(beta1=1/2\\)': beta1 is no flag; give it beside the name"):
        optimizers.get("adam(beta1=1/2)")


def test_an_own_optimiser_has_flags_and_decay_too():
    def step(gradient, state, eta, gain, twice=False):
        return (state[0] - eta * gain * (2 if twice else 1) * gradient(state[0]),)

    gain = Parameter("gain", "c", "factor", Fraction(0), None)
    mine = Optimizer("with-a-flag", step, (gain,), source="own", options=(flag("twice", "two steps in one"),))
    entry, values = optimizers.chosen(mine, {"twice": True, "gain": 3, "decay": 1, "maximize": "yes"})
    assert entry.name == "with-a-flag(twice=yes, coupled_decay=yes, maximize=yes)"
    assert optimizers.get(entry.name) is entry
    (stepped,) = entry.step(lambda point, field=0: 5 * point, (np.array([1.0]),), 0.125, **values)
    assert stepped.tolist() == [1 - 0.125 * 6 * (-5 + 1)]


def test_a_keyword_that_is_misspelt_is_told():
    with pytest.raises(
        InputError, match=r"parameter 'optimiser': gradient-descent does not have it; .*mean 'optimizer'"
    ):
        eomsym.derive(optimiser="adam")
    with pytest.raises(InputError, match=r"torch.SDG is unknown; .*did you mean 'torch.SGD'\?"):
        optimizers.chosen("torch.SDG()")


def test_no_two_names_differ_in_case_and_hyphens_alone():
    folded = [name.replace("-", "") for name in optimizers.registry._BY_ALIAS]
    assert len(set(folded)) == len(folded)
