"""What an audit says of three routes, without a framework; and differences that know their error."""

import json

import numpy as np
import pytest

import eomsym
from eomsym.errors import InputError
from eomsym.verification import Audit
from eomsym.verification.auditing import blamed, compared
from eomsym.verification.line_differences import line_coefficients

CURVES = {
    "exponential": (lambda t: np.array([np.exp(t), np.exp(-2 * t)]), [[1, 1], [1, -2], [1 / 2, 2], [1 / 6, -4 / 3]]),
    "pole": (lambda t: np.array([1 / (1 - np.float64(t))]), [[1]] * 4),
    "beyond it not a number": (lambda t: np.log1p(t * np.ones(1)) + 1, [[1], [1], [-1 / 2], [1 / 3]]),
    "straight": (lambda t: np.array([3.0 + 2 * t]), [[3], [2], [0], [0]]),
    "constant": (lambda t: np.array([3.0, 0.0]), [[3, 0], [0, 0], [0, 0], [0, 0]]),
}


@pytest.mark.filterwarnings(
    "ignore:invalid value:RuntimeWarning", "ignore:divide by zero:RuntimeWarning", "ignore:overflow:RuntimeWarning"
)
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("name", CURVES)
def test_differences_know_their_error(name, scale):
    curve, exact = CURVES[name]
    found = line_coefficients(lambda t: scale * curve(scale * t), 3, np.finfo(float).eps)
    for k, (estimate, right) in enumerate(zip(found, exact, strict=True)):
        error, unit = np.abs(estimate.value - scale ** (k + 1) * np.array(right)).max(), scale ** (k + 1)
        assert error <= estimate.error
        assert estimate.error <= 10.0**k * 1e-11 * unit or name in ("constant", "straight")


def test_a_jump_is_told_by_the_error():
    *_, last = line_coefficients(lambda t: np.array([2.0 + np.sign(t)]), 2, np.finfo(float).eps)
    assert not last.error < 1


ROWS = [np.array([1.0, 2.0]), np.array([-3.0, 1.0]), np.array([0.5, 0.1])]
VERDICTS = {
    "all agree": ((), ("", "", "")),
    "series": (("series",), ("", "series", "series")),
    "nested": (("nested",), ("", "nested", "nested")),
    "differences": (("differences",), ("", "differences", "differences")),
    "each another": (("series", "nested"), ("", "?", "?")),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_the_route_that_is_apart_is_to_blame(name):
    wrong, verdicts = VERDICTS[name]
    curve = lambda t, share=0.01 * ("differences" in wrong): ROWS[0] + (1 + share) * (t * ROWS[1] + t * t * ROWS[2])  # noqa: E731
    routes = [
        [ROWS[0], *((1 + by * (route in wrong)) * row for row in ROWS[1:])]
        for route, by in (("series", 0.02), ("nested", -0.02))
    ]
    rows = compared(*routes, line_coefficients(curve, 2, 2e-16), 2e-16)
    assert tuple(row.verdict for row in rows) == verdicts


def test_of_two_routes_none_is_to_blame():
    assert blamed({frozenset(("series", "differences"))}, {"series", "differences"}) == "?"
    assert blamed(set(), {"series", "differences"}) == ""


@pytest.mark.parametrize("order", [0, 7, 2.5, True])
def test_orders(order):
    with pytest.raises(InputError, match="from 1 to 6"):
        eomsym.audit(lambda p: p, 1.0, order=order)


def test_what_is_no_function_is_refused():
    with pytest.raises(InputError, match=r"model 3: give a function of params, or a torch\.nn\.Module"):
        eomsym.audit(3, 1.0)


def test_the_record():
    rows = compared(ROWS, [*ROWS[:2], 1.01 * ROWS[2]], line_coefficients(_parabola, 2, 2e-16), 2e-16)
    audit = Audit("PyTorch 2", 2, 2, tuple(rows), "layer_norm", ("a note",))
    assert (audit.passed, audit.blame) == (False, "framework")
    assert audit.sentence == (
        "From order 2 on nested derivatives of PyTorch 2 are wrong, by 9.9e-03, at the operation 'layer_norm'; "
        "the series of eomsym are right."
    )
    lines = str(audit).splitlines()
    assert lines[-1] == audit.sentence
    assert [line.split()[-1] for line in audit.table().splitlines()] == ["apart", "none", "none", "nested"]
    record = json.loads(audit.to_json())
    assert record["warnings"] == ["a note"]
    assert record["rows"][2]["series_nested"] == pytest.approx(0.01 / 1.01)
    assert [row["verdict"] for row in record["rows"]] == [None, None, "nested"]
    assert repr(audit) == "Audit(PyTorch 2, order 2, blame framework, operation layer_norm)"


def _parabola(t):
    return ROWS[0] + t * ROWS[1] + t * t * ROWS[2]
