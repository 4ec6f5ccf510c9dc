"""The resummed equation of motion is verified by its slope; its errors are smaller than the plain ones."""

import json
from functools import cache

import numpy as np
import pytest
import shared_kernels
from asking import verify

from eomsym.cli.app import run
from eomsym.errors import InputError
from eomsym.models import default_model

INPUTS = np.random.default_rng(1).standard_normal((20, 2))


@cache
def study(resum):
    from eomsym.models import Dataset

    data = Dataset("sine", INPUTS, np.sin(INPUTS[:, :1] - INPUTS[:, 1:]))
    return verify(data=data, orders=(1, 4), kernel=shared_kernels.kernel("tiny"), resum=resum)


def test_slopes_are_those_of_the_orders_and_errors_smaller():
    plain, resummed = study(False), study(True)
    assert resummed.passed
    assert np.allclose(resummed.slopes, [2, 5], atol=0.1)
    np.testing.assert_allclose(resummed.errors[0], plain.errors[0], rtol=1e-6)
    count = min(len(resummed.errors[1]), len(plain.errors[1]))
    assert (resummed.errors[1][:count] < plain.errors[1][:count] / 2).all()
    record = resummed.orders[1]
    assert record.to_dict()["resummed"]
    assert "resummed" not in plain.orders[1].to_dict()


def test_a_wrong_slope_is_not_excused():
    from dataclasses import replace

    record = study(True).orders[1]
    assert "slope" in replace(record, order=3, exponent=4).reason


@pytest.mark.parametrize("options", [{"state": "whole"}, {"schedule": "1+tau"}, {"precision": "double-double"}])
def test_it_is_for_kernels_in_doubles_on_the_slow_manifold(options):
    with pytest.raises(InputError, match="resum: is for kernels in doubles"):
        verify(model=default_model("teacher-small"), data="teacher-small", resum=True, **options)


@pytest.mark.parametrize("rule", ["runge-kutta-4", "extragradient", "rmsprop"])
def test_of_a_rule_whose_terms_cannot_be_accelerated_it_is_refused_before_anything_is_made(rule, monkeypatch):
    monkeypatch.setattr("eomsym.codegen.kernel_for", lambda *given: pytest.fail("a kernel was made"))
    with pytest.raises(InputError, match=f"resum: .*{rule}.*leave resum out"):
        verify(rule, default_model("moons"), "moons", resum=True)


@pytest.mark.slow
def test_on_the_command_line(capsys):
    status = run(["verify", "--dataset", "teacher-small", "--orders", "2,3", "--resum", "--format", "json", "--quiet"])
    found = json.loads(capsys.readouterr().out)
    assert status == 0
    assert all(record["resummed"] and record["extrapolated_ratio"] < 0.6 for record in found["orders"])
