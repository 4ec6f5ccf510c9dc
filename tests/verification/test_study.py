"""The judgement of a study, on numbers made up so that the verdict is known."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from eomsym.dynamics.setting import Setting
from eomsym.verification import OrderRecord, Verification
from eomsym.verification.posing import counted
from eomsym.verification.verification_record import FLOOR_MARGIN, Floor

ETAS = (0.8, 0.4, 0.2, 0.1)


def record(order=1, slope=2.0, size=1.0, bend=0.0, floor=1e-15):
    """Errors ``size (1 + bend η) η^slope`` where ``η^{N+1}`` is predicted."""
    return OrderRecord(
        order,
        etas=ETAS,
        errors=tuple(size * (1 + bend * eta) * eta**slope for eta in ETAS),
        predicted_errors=tuple(eta ** (order + 1) for eta in ETAS),
        floors=(floor,) * len(ETAS),
    )


def test_numbers_are_pythons_own_whatever_they_were():
    """An error at its floor was NumPy's truth before, which JSON does not know."""
    numbers = tuple(np.float64(eta**2) for eta in ETAS)
    made = OrderRecord(1, etas=numbers, errors=numbers, predicted_errors=numbers, floors=numbers)
    assert made.at_floor == (True,) * 4
    values = [*made.etas, *made.errors, *made.floors, *made.at_floor, *made.local_slopes, *made.error_ratio]
    assert {type(value) for value in values} == {float, bool}
    assert json.loads(study(made).to_json())["orders"][0]["at_floor"] == [True] * 4


def study(*records):
    setting = Setting("gradient-descent", model="2-1 tanh mse", dataset="made up", seed=0)
    return Verification(setting, 6.4, 1.0, records)


def test_a_power_law_that_was_predicted_passes():
    judged = record()
    assert judged.passed
    assert judged.reason == ""
    assert judged.expected_slope == 2
    assert judged.slope == pytest.approx(2, abs=1e-12)
    assert judged.local_slopes == pytest.approx([2, 2, 2], abs=1e-12)
    assert judged.error_ratio == pytest.approx([1, 1, 1, 1], abs=1e-12)
    assert judged.extrapolated_ratio == pytest.approx(1, abs=1e-12)
    assert judged.at_floor == (False,) * 4


@pytest.mark.parametrize("order", [0, 1, 4])
def test_the_tolerances_of_the_slope(order):
    """A slope off by 0.11 fails, one off by 0.09 does not; the ratio, which must then fail, is set aside."""
    for off, verdict in ((-0.11, True), (-0.09, False), (0.09, False), (0.11, True)):
        assert ("slope" in record(order, slope=order + 1 + off).reason) == verdict


def test_the_tolerances_of_the_ratio():
    for size, verdict in ((0.975, False), (0.985, True), (1.015, True), (1.025, False)):
        judged = record(size=size)
        assert judged.passed == verdict
        assert abs(judged.slope - 2) < 1e-12
    assert record(size=1.025).reason == "extrapolated error ratio 1.025 is not within 0.02 of 1"


def test_the_ratio_is_extrapolated_linearly():
    judged = record(bend=0.5)
    assert judged.error_ratio[-1] == pytest.approx(1.05)
    assert judged.extrapolated_ratio == pytest.approx(1, abs=1e-12)
    assert judged.passed


def test_the_slope_is_that_of_the_two_smallest_steps_above_the_floor():
    bent = replace(record(), errors=(1.0, 0.4, 0.1, 0.05), floors=(1e-9, 1e-9, 1e-9, 0.04))
    assert bent.at_floor == (False, False, False, True)
    assert bent.points_above_floor == 3
    assert bent.slope == pytest.approx(2)
    assert bent.local_slopes[-1] == pytest.approx(1)


def test_an_error_counts_from_the_margin_on():
    just_above, just_below = (replace(record(), floors=(1e-9, 1e-9, 1e-9, 0.01 / margin)) for margin in (101, 99))
    assert FLOOR_MARGIN == 100
    assert not just_above.at_floor[-1]
    assert just_below.at_floor[-1]


def test_nothing_counts_behind_the_first_point_at_the_floor():
    holed = replace(record(), floors=(1e-9, 1.0, 1e-9, 1e-9))
    assert holed.at_floor == (False, True, False, False)
    assert holed.points_above_floor == 1


@pytest.mark.parametrize("floors", [(1e-9, 1e-9, 1.0, 1.0), (1e-9, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0)])
def test_too_few_points_above_the_floor_are_no_verification(floors):
    judged = replace(record(), floors=floors)
    assert not judged.passed
    counted = f"{floors.count(1e-9)} step sizes above the round-off floor, at least 3 are needed; larger ones or"
    assert judged.reason.startswith(counted)
    assert judged.verdict == "undecided"
    assert record(slope=1.5).verdict == "failed"


def bent(order, slopes):
    """A record whose last step size is lost, after errors with these local slopes."""
    errors = [1.0]
    for slope in slopes:
        errors.append(errors[-1] / 2**slope)
    etas = tuple(2.0**-k for k in range(len(slopes) + 2))
    floors = (1e-15,) * len(errors) + (1.0,)
    return OrderRecord(order, etas, (*errors, errors[-1]), (math.nan,) * len(etas), floors)


def test_slopes_that_still_run_to_theirs_where_round_off_begins_decide_nothing():
    """Those of Muon's order 4 were 4.72 and 4.86: the formula is right, and the word was failed."""
    judged = bent(4, (4.4, 4.72, 4.86))
    assert (judged.verdict, judged.passed) == ("undecided", False)
    assert judged.reason.startswith("the slopes still run to 5 (4.72, 4.86) where round-off begins")
    assert replace(judged, floors=(1e-15,) * 5).verdict == "failed"


@pytest.mark.parametrize("slopes", [(3.4, 3.72, 3.86), (4.86, 4.72, 4.4), (4.86, 4.86, 4.86), (5.1, 4.6, 4.2)])
def test_slopes_that_run_elsewhere_fail_before_round_off_too(slopes):
    """A wrong last coefficient has slope 4, which is come to from below, from 5, or not at all."""
    assert bent(4, slopes).verdict == "failed"


def test_the_reason_says_where_round_off_stands_in_the_way():
    judged = replace(record(slope=1.5), floors=(1e-9, 1e-9, 1e-9, 1.0))
    assert judged.reason.startswith("slope 1.5 is not within 0.1 of 2; extrapolated error ratio")
    assert judged.reason.endswith("smaller step sizes are lost in round-off")


def test_no_error_at_all_is_no_verification():
    judged = replace(record(), errors=(0.0,) * 4, floors=(0.0,) * 4)
    assert judged.at_floor == (True,) * 4
    assert all(map(math.isnan, judged.local_slopes))
    assert math.isnan(judged.slope)
    assert not judged.passed


def test_where_nothing_is_predicted_there_is_no_ratio_and_no_pass():
    judged = replace(record(), predicted_errors=(0.0,) * 4)
    assert math.isnan(judged.extrapolated_ratio)
    assert not judged.passed


def test_a_study_passes_if_all_of_its_orders_do():
    assert study(record(0, 1.0), record(1)).passed
    assert not study(record(0, 1.0), record(1, slope=1.0)).passed


def test_slopes_and_errors_are_in_the_sequence_of_the_orders():
    both = study(record(1), record(0, 1.0))
    np.testing.assert_allclose(both.slopes, [2, 1])
    assert [errors.shape for errors in both.errors] == [(4,), (4,)]
    np.testing.assert_array_equal(both.errors[1], both.orders[1].errors)


def test_the_json_is_that_of_the_contract():
    answer = json.loads(study(record(0, 1.0), record(1)).to_json())
    assert {"optimizer", "model", "orders", "passed"} <= set(answer)
    assert answer["passed"] is True
    for order, entry in enumerate(answer["orders"]):
        contract = "order expected_slope slope local_slopes etas errors error_ratio at_floor"
        assert set(contract.split()) <= set(entry)
        assert (entry["order"], entry["expected_slope"]) == (order, order + 1)
        assert entry["etas"] == list(ETAS)
        assert len(entry["errors"]) == len(entry["error_ratio"]) == len(entry["at_floor"]) == 4
        assert len(entry["local_slopes"]) == 3


def test_numbers_keep_all_their_digits_in_json_and_missing_ones_are_null():
    broken = replace(record(), errors=(1 / 3, 0.0, 0.0, 0.0), predicted_errors=(0.0,) * 4)
    text = study(broken).to_json()
    assert "NaN" not in text
    entry = json.loads(text)["orders"][0]
    assert entry["errors"][0] == 1 / 3
    assert entry["slope"] is None
    assert entry["error_ratio"] == [None] * 4
    assert entry["passed"] is False


def test_a_study_draws_itself():
    assert study(record(0, 1.0)).plot().axes


def test_a_floor_says_what_it_is_made_of():
    parts = tuple(Floor(1e-16, 2e-16, eta * 1e-17) for eta in ETAS)
    judged = replace(record(), floors=tuple(part.total for part in parts), floor_parts=parts)
    written = json.loads(study(judged).to_json())["orders"][0]
    assert written["floor_parts"][1] == {"optimizer": 1e-16, "integration": 2e-16, "evaluation": 4e-18}
    assert written["floors"][1] == pytest.approx(3.04e-16)
    assert json.loads(study(record()).to_json())["orders"][0]["floor_parts"] == []


def test_an_item_is_counted_when_what_is_made_of_it_is_done():
    told = []
    items = counted("abc", lambda *done: told.append(done))
    assert (next(items), told) == ("a", [])
    assert (next(items), told) == ("b", [(1, 3)])
    assert (list(items), told) == (["c"], [(1, 3), (2, 3), (3, 3)])
    assert list(counted("abc", None)) == ["a", "b", "c"]
