"""The layer before a softmax, on a committed kernel with weight decay and on a short training run."""

import dataclasses
import json

import numpy as np
import pytest
import shared_kernels

from eomsym.derivation import decay_law
from eomsym.errors import InputError
from eomsym.models import MLP, dataset
from eomsym.models.invariance import translation_invariant
from eomsym.verification import Training, translation

ETA, DECAY = 0.01, 0.01


def posed(data="moons", eta=ETA, **changes):
    return Training(MLP(**{"layers": [2, 8, 2], "weight_decay": DECAY, **changes}), data, eta=eta)


@pytest.fixture(scope="module")
def kernel():
    return shared_kernels.kernel("moons")  # 2-8-2, softplus, cross-entropy, weight decay 0.01, order 3


@pytest.fixture(scope="module")
def study():
    return translation(posed())


@pytest.mark.parametrize("order", range(4))
def test_the_field_of_the_kernel_obeys_the_law_of_its_order(kernel, order):
    data = dataset("moons").arrays
    theta = kernel.model.initial(4)
    places = translation_invariant(kernel.model)
    sums = theta[places].sum(axis=1)
    rate = float(decay_law(0.5, 0.01, (order,)).rates[0])
    assert rate == pytest.approx(sum(0.5 ** (n - 1) * 0.01**n / n for n in range(1, order + 2)), rel=1e-12)

    def defect(kept):
        speeds = kernel.field(theta, 0.5, *data, order=kept)[places].sum(axis=1)
        return np.abs(speeds + rate * sums).max() / (rate * np.abs(sums).max())

    assert defect(order) < 1e-12
    # The control: the field of another order does not.
    if order:
        assert defect(order - 1) > 1e-9


def test_the_measured_rate_is_the_exact_one_and_not_that_of_order_1(study):
    assert study.passed
    assert abs(study.measured_rate - study.exact_rate) < 1e-14
    errors = [abs(prediction.rate - study.measured_rate) for prediction in study.predictions]
    assert errors[0] == pytest.approx(5.00033e-7, rel=1e-5)
    assert errors[1] == pytest.approx(3.33358e-11, rel=1e-3)
    assert study.losses[1] < study.losses[0]


def test_json_follows_the_contract_with_all_digits(study):
    record = json.loads(study.to_json())
    assert {"eta", "weight_decay", "measured_rate", "exact_rate", "predictions"} <= set(record)
    assert [set(entry) >= {"order", "rate", "error"} for entry in record["predictions"]] == [True] * 4
    assert [f"{entry['error']:.1e}" for entry in record["predictions"]] == ["5.0e-07", "3.3e-11", "2.5e-15", "2.0e-19"]
    assert record["measured_rate"] == study.measured_rate


def test_a_rate_that_is_off_by_the_term_of_order_2_does_not_pass(study):
    assert not dataclasses.replace(study, measured_rate=study.predictions[1].rate).passed


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"eta": 0}, "eta 0"),
        ({"weight_decay": -1}, "weight_decay -1"),
        ({"eta": 200.0}, "less than 1"),
        ({"steps": 0}, "steps 0"),
        ({"data": "teacher", "layers": [2, 8, 1], "loss": "mse"}, "no softmax"),
    ],
)
def test_what_cannot_be_measured(change, named):
    change = dict(change)
    steps = change.pop("steps", 2000)
    with pytest.raises(InputError, match=named):
        translation(posed(**change), steps=steps)
