"""Verification of the whole state: slopes N + 1 from the real start, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from asking import verify
from quartic_kernel import Quartic
from sample_quartic import times

from eomsym import optimizers
from eomsym.dynamics import kernel_counterterms
from eomsym.errors import InputError
from eomsym.verification.whole_state import default_state

THETA = np.array([0.3, -0.4])
#: Where each begins if nothing is said.
CASES = {
    "heavy-ball": 0,
    "nesterov": 0,
    "torch.SGD(momentum=0.9, nesterov=True)": 0,
    "sgdw": 0,
    "rmsprop": 5,
    "rmsprop(inside=yes)": 5,
    "adam": 5,
    "adam(inside=yes, corrected=no)": 5,
    "adam(corrected=no)": 5,
    "adamw": 5,
    "torch.Adam()": 5,
}


def study(name, orders=range(4), **options):
    return verify(name, None, None, orders, theta=THETA, kernel=Quartic(), state="whole", **options)


#: In the fast suite, with one order.
SHORT = "heavy-ball", "torch.SGD(momentum=0.9, nesterov=True)", "rmsprop", "torch.Adam()"


@pytest.mark.parametrize(
    ("name", "orders"),
    [*((name, (2,)) for name in SHORT), *(pytest.param(name, range(4), marks=pytest.mark.slow) for name in CASES)],
)
def test_slopes_from_the_real_start(name, orders):
    """The field of order 2 has the terms before it too, and its predicted error the one after; values as people use."""
    found = study(name, orders)
    assert found.passed, [(record.order, record.slope, record.reason) for record in found.orders]
    assert (found.state, found.transient, found.start, found.after) == ("whole", 0, "", CASES[name])
    usual = optimizers.chosen(name, {})[0].complete({})
    assert found.parameters == tuple((key, str(value)) for key, value in usual.items())


class Cubic:
    """``ℓ = Σ s_i (θ_i²/2 + θ_i⁴/4)``, with terms of any rule: a scale s of 0 never moves, as for a blank pixel."""

    order = 4

    def __init__(self, *scales):
        self.scales, self.size = np.array(scales), len(scales)

    def gradient(self, theta):
        return self.scales * theta * (1 + theta**2)

    def hessian_vector(self, theta, vector):
        return self.scales * (1 + 3 * theta**2) * vector

    def gradient_series(self, series):
        columns = [(x, times(times(x, x), x)) for x in np.transpose(series).tolist()]
        return self.scales * np.transpose([np.add(x, cube) for x, cube in columns])


@pytest.mark.parametrize("name", ["rmsprop", pytest.param("adam", marks=pytest.mark.slow)])
def test_what_never_moves_is_left_out_and_what_is_tiny_counts_in_its_own_size(name):
    kernel, theta = Cubic(1.0, 1e-9, 0.0), np.array([0.5, 0.4, 0.3])
    found = verify(name, None, None, [1], theta=theta, kernel=kernel)
    assert found.passed, [(record.order, record.slope, record.reason) for record in found.orders]


@pytest.mark.parametrize(
    ("name", "state"), [("heavy-ball", "whole"), ("gradient-descent", "slow"), ("optimistic", "slow")]
)
def test_the_state_is_whole_by_default_where_a_memory_fades_slowly(name, state):
    assert default_state(optimizers.get(name), asks_for_slow=False) == state
    assert default_state(optimizers.get(name), asks_for_slow=True) == "slow"


class SlowQuartic(Quartic):
    """The same loss with the terms of a rule on its slow manifold."""

    def __init__(self, name, **values):
        entry = optimizers.get(name)
        self.rule = entry.rule(**entry.complete(values))

    def counterterms(self, theta, order=None):
        return kernel_counterterms(Quartic(), self.rule, theta, self.order if order is None else order)

    def field(self, theta, eta, order=None):
        rows = self.counterterms(theta, order)
        return -(eta ** np.arange(len(rows))) @ rows


def on_the_slow_manifold(name, theta, etas=None, **values):
    kernel = SlowQuartic(name, **values)
    kernel.order = 3
    return verify(name, None, None, [0, 1, 2], etas, theta=theta, kernel=kernel, state="slow", **values)


def test_a_slow_manifold_that_shows_nothing_is_refused_with_the_way_that_works():
    """Where a component of g is small, as some always are, the series asks for steps so small that nothing moves."""
    x = np.real(np.roots([1, 0, 2, 0.6 + 0.16 / 3])[-1])
    with pytest.raises(InputError, match="shows nothing; take state='whole'"):
        on_the_slow_manifold("adam(corrected=no)", np.array([x + 1e-6, -0.4]))


#: Where component 0 of the gradient is about to pass through zero.
NEAR_ZERO = np.array([-0.32, -0.4])
MILD = {"beta2": "2/5", "epsilon": "1/10"}


def test_a_component_of_g_that_passes_through_zero_is_named_with_its_time():
    """The root of its square has a kink there, and no series on the slow manifold holds across it."""
    with pytest.raises(InputError, match=r"at eta = 0.05 component 0 of g passes through 0 at time 0\.0"):
        on_the_slow_manifold("rmsprop", NEAR_ZERO, [0.05, 0.025, 0.0125], **MILD)


def test_steps_that_are_chosen_end_before_a_component_of_g_passes_through_zero():
    found = on_the_slow_manifold("rmsprop", NEAR_ZERO, **MILD)
    assert found.passed, [(record.order, record.slope, record.reason) for record in found.orders]
    assert found.time < 0.05


@pytest.mark.slow
def test_across_a_passage_the_orders_do_fail(monkeypatch):
    """Negative control: measured all the same, orders 1 and 2 do not have their slopes."""
    monkeypatch.setattr("eomsym.verification.verifying.has_kink", lambda rule: False)
    found = on_the_slow_manifold("rmsprop", NEAR_ZERO, [0.05, 0.025, 0.0125], **MILD)
    assert not any(record.passed for record in found.orders[1:])


def test_a_term_that_is_left_out_is_seen(monkeypatch):
    """Negative control: with F_1 a tenth off, orders 1 and 2 fall like order 0."""
    from eomsym.dynamics.kernel_series import WholeStateKernel

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
        ("adam(corrected=no)", {"after": 0}, "not smooth at the start"),
        ("torch.Adam()", {"after": 0}, "not smooth at the start"),
        ("heavy-ball", {"beta": "1/10"}, "not slow; take the slow manifold"),
        ("heavy-ball", {"etas": [0.1, 0.05]}, "divide the largest by 4"),
        ("heavy-ball", {"beta": 1}, "out of range; give 0 <= beta < 1"),
        ("heavy-ball", {"after": -1}, "after"),
        ("heavy-ball", {"orders": [9]}, "order 10"),
    ],
)
def test_bad_input_is_named(name, options, words):
    with pytest.raises(InputError, match=words):
        study(name, **options)


def test_steps_before_belong_to_the_whole_state():
    with pytest.raises(InputError, match="give state='whole' too"):
        verify("heavy-ball", None, None, [0], theta=THETA, kernel=Quartic(), state="slow", after=3)


def test_a_memory_that_takes_too_long_is_refused_at_once():
    with pytest.raises(
        InputError, match="takes 83137 steps to forget its own, at each step size, and 10000 are allowed"
    ):
        verify("adam", None, None, [0], theta=THETA, kernel=Quartic(), state="shadow", beta2="999/1000")
