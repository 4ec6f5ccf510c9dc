"""Verification of the whole state: slopes N + 1 from the real start, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from quartic_kernel import Quartic

from eomsym.errors import InputError
from eomsym.verification import verify

THETA = np.array([0.3, -0.4])
CASES = {
    "heavy-ball": {},
    "nesterov": {},
    "torch.SGD(momentum=0.9, nesterov=True)": {},
    "adam-inside": {},
    "rmsprop-inside": {},
    "torch.Adam(eps=0.1)": {"begin": 5},
    "torch.AdamW(eps=0.1)": {"begin": 5},
}


def study(name, orders=range(4), **options):
    return verify(name, None, None, orders, theta=THETA, kernel=Quartic(), state="whole", threads=1, **options)


#: In the fast suite, with one order.
SHORT = "heavy-ball", "torch.SGD(momentum=0.9, nesterov=True)", "adam-inside", "torch.Adam(eps=0.1)"


@pytest.mark.parametrize(
    ("name", "orders"),
    [*((name, (2,)) for name in SHORT), *(pytest.param(name, range(4), marks=pytest.mark.slow) for name in CASES)],
)
def test_slopes_from_the_real_start(name, orders):
    """The field of order 2 has the terms before it too, and its predicted error the one after."""
    found = study(name, orders, **CASES[name])
    assert found.passed, [(record.order, record.slope, record.reason) for record in found.orders]
    assert (found.state, found.transient, found.start) == ("whole", 0, "")
    shares = [value for key, value in found.parameters if key.startswith("beta")]
    assert set(shares) <= {"9/10", "99/100", "999/1000"}, "what people use"


def test_a_term_that_is_left_out_is_seen(monkeypatch):
    """Negative control: with F_1 a tenth off, orders 1 and 2 fall like order 0."""
    from eomsym.dynamics.whole_state_kernel import WholeStateKernel

    right = WholeStateKernel.counterterms

    def wrong(whole, *arguments, **options):
        rows = right(whole, *arguments, **options)
        rows[1:2] *= 1.1
        return rows

    monkeypatch.setattr(WholeStateKernel, "counterterms", wrong)
    for record in study("heavy-ball", range(1, 3), etas=[1e-4 / 4**k for k in range(4)]).orders:
        assert "slope" in record.reason
        assert record.slope == pytest.approx(1, abs=0.2)


def test_the_first_point_is_at_the_values_given():
    found = study("heavy-ball", range(2), etas=[0.1 / 4**k for k in range(4)], beta="4/5")
    steps = np.sqrt(0.1) / 2.0 ** np.arange(4)
    np.testing.assert_allclose(found.orders[0].etas, steps)
    assert found.small_parameter == "h = sqrt(eta)"
    assert found.time == pytest.approx(8 * steps[0])


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("gradient-descent", {}, "no memory that fades slowly"),
        ("optimistic", {}, "no memory that fades slowly"),
        ("adam-outside", {}, "not smooth at the start"),
        ("torch.Adam()", {}, "not smooth at the start"),
        ("heavy-ball", {"start": "settled"}, "leave start and precision out"),
        ("heavy-ball", {"etas": [0.1, 0.05]}, "divide the largest by 4"),
        ("heavy-ball", {"beta": 1}, "out of range; give 0 <= beta < 1"),
        ("heavy-ball", {"begin": -1}, "begin"),
        ("heavy-ball", {"orders": [9]}, "order 10"),
    ],
)
def test_bad_input_is_named(name, options, words):
    with pytest.raises(InputError, match=words):
        study(name, **options)


def test_begin_belongs_to_the_whole_state():
    with pytest.raises(InputError, match="give state='whole' too"):
        verify("heavy-ball", None, None, [0], theta=THETA, kernel=Quartic(), begin=3)


def test_a_memory_that_takes_too_long_is_refused_at_once():
    with pytest.raises(
        InputError, match="takes 83137 steps to forget its own, at each step size, and 10000 are allowed"
    ):
        verify("adam", None, None, [0], theta=THETA, kernel=Quartic(), start="settled", beta2="999/1000")
