"""Smoothed signs say η/ε, with whose powers their terms grow, wherever they are asked about."""

import pytest

import eomsym


def training(name, eta=None, **values):
    return eomsym.Training(None, "moons", name, eta, **values)


@pytest.mark.parametrize("name", ["smoothed-lion", "smoothed-sign", "smoothed-sign(clipped=yes)"])
def test_the_head_of_a_result_has_the_ratio(name):
    found = eomsym.follow(training(name, 0.001, epsilon="1/100"), 4, orders=(0,), after=2)
    assert "eta/epsilon = 0.1, with whose powers the terms grow" in str(found).splitlines()[0]
    assert "eta/epsilon = 0.2," in repr(training(name, 0.002, epsilon="1/100"))
    assert "eta/epsilon = 1," in repr(training(name, 0.001))  # ε = 1/1000


def test_verify_warns_at_its_largest_step_and_the_ratio_is_what_grows():
    found = eomsym.verify(training("smoothed-sign", epsilon="1/10"), range(2), state="slow")
    eta = found.orders[0].etas[0]
    assert found.warnings == (f"at eta = {eta:g} eta/epsilon = {eta / 0.1:g}, with whose powers the terms grow",)
    errors = [
        eomsym.follow(training("smoothed-sign", 0.1, epsilon=width), 4, orders=(0,)).errors[0] for width in (8, 4)
    ]
    assert 1.7 < errors[1] / errors[0] < 2.3  # g is small against both


@pytest.mark.parametrize("name", ["adam", "gradient-descent", "heavy-ball"])
def test_no_other_rule_says_one(name):
    asked = training(name, 0.01)
    assert "epsilon =" in repr(asked) or name != "adam"
    assert "eta/epsilon" not in repr(asked)
    found = eomsym.verify(asked, range(1), after=20 if name == "adam" else None)
    assert "eta/epsilon" not in " ".join((*found.warnings, str(found)))
