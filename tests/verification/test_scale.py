"""Norms of scale-invariant weights on a training run of a weight-normalised network."""

import dataclasses
import json

import numpy as np
import pytest

from eomsym.errors import InputError
from eomsym.models import MLP
from eomsym.verification import Training, scale
from eomsym.verification.scale_law import Weights


def posed(data="moons", eta=None, **changes):
    model = MLP(**{"layers": [2, 4, 2], "normalization": "weight", "weight_decay": 0.05, **changes})
    return Training(model, data, eta=eta)


@pytest.fixture(scope="module")
def told():
    """What the study says of its progress."""
    return []


@pytest.fixture(scope="module")
def study(told):
    return scale(posed(), progress=lambda *counts: told.append(counts))


def test_progress_is_told_after_each_order(study, told):
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_errors_of_the_norm_fall_with_slope_order_plus_1_and_are_the_predicted_ones(study):
    assert study.passed
    for order, record in enumerate(study.orders):
        assert record.slope == pytest.approx(order + 1, abs=0.06)
        assert record.extrapolated_ratio == pytest.approx(1, abs=0.01)


def test_the_kernel_obeys_the_laws_to_round_off(study):
    assert set(study.law_defects) == {0, 1, 2}
    assert max(study.law_defects.values()) < 1e-12


def test_the_exact_law_of_one_step_gives_the_measured_norms(study):
    np.testing.assert_allclose(study.path.recursion, study.path.descent, rtol=1e-13)


def test_gradient_flow_knows_only_decay(study):
    rate = study.rate(study.path.motion[0])
    assert rate == pytest.approx(2 * study.weight_decay, rel=1e-9)
    assert study.rate(study.path.descent) < 0.98 * rate
    np.testing.assert_allclose(study.effective_learning_rates, study.eta * study.groups / study.path.descent)


def test_json_follows_the_contract(study):
    record = json.loads(study.to_json())
    assert {"eta", "weight_decay", "measured_rate", "exact_rate", "predictions", "norm_path", "slope"} <= set(record)
    assert record["slope"] == [entry["slope"] for entry in record["predictions"]]
    assert len(record["norm_path"]["gradient_descent"]) == len(record["norm_path"]["times"]) == 9


def test_a_law_that_does_not_hold_fails_the_study(study):
    assert not dataclasses.replace(study, law_defects={**study.law_defects, 1: 1e-6}).passed
    lame = dataclasses.replace(study.orders[2], errors=tuple(e**0.9 for e in study.orders[2].errors))
    assert not dataclasses.replace(study, orders=(*study.orders[:2], lame)).passed


def test_no_law_beyond_order_2(closed_form):
    with pytest.raises(InputError, match="order 3: the law of the norm is known to order 2"):
        Weights(closed_form.Riccati(), np.ones(2), [np.arange(2)], 0.1, ()).law(np.ones(2), 0.1, 3)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"eta": -1}, "eta -1"),
        ({"eta": 100.0}, "less than 1"),
        ({"weight_decay": 0}, "weight_decay 0"),
        ({"orders": [0, 0]}, "none twice"),
        ({"orders": [-1]}, "order -1: out of range"),
        ({"normalization": "none"}, "normali"),
    ],
)
def test_what_cannot_be_measured(change, named):
    change = dict(change)
    orders = change.pop("orders", range(3))
    with pytest.raises(InputError, match=named):
        scale(posed(**change), orders)


def test_the_law_is_known_of_gradient_descent():
    with pytest.raises(InputError, match=r"optimizer 'heavy-ball': .*gradient-descent"):
        scale(posed().with_(optimizer="heavy-ball"))
