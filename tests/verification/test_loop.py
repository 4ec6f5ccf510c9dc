"""Runs with schedules and batches: slopes N + 1 and predicted errors; and what they are not, order by order."""

from __future__ import annotations

import numpy as np
import pytest
from asking import follow, verify
from batching import batched
from sample_quartic import THETA, SampleQuartic, samples

from eomsym.dynamics.loop_kernel import LoopKernel
from eomsym.errors import InputError
from eomsym.models import Dataset
from eomsym.optimizers.batches import cut
from eomsym.optimizers.loop import Loop, loop_of
from eomsym.verification import Training
from eomsym.verification.verifying import pose_loop

SMOOTH = "(1+cos(pi*tau/6))/2*(1-exp(-1-3*tau))"
PIECES = "cosine(4, warmup=0.8)"
NESTEROV = "torch.SGD(momentum=0.5, nesterov=True)"
ETAS = [0.2 / 2**k for k in range(5)]


def halved(eta, count=4):
    """Step sizes given are fewer than those that are chosen, and need no choosing."""
    return [eta / 2**k for k in range(count)]


class Samples(Dataset):
    """Samples without targets."""

    def __init__(self, count):
        object.__setattr__(self, "name", "samples")
        object.__setattr__(self, "about", {})
        object.__setattr__(self, "inputs", samples(count))

    @property
    def arrays(self):
        return (self.inputs,)


def study(optimizer="gradient-descent", orders=range(4), count=16, **options):
    return verify(optimizer, None, Samples(count), orders, theta=THETA, kernel=SampleQuartic(), **options)


#: Memories that fade fast.
MILD = {"beta1": "1/3", "beta2": "2/5", "epsilon": "1/10"}
#: Optimiser, options, and the step sizes of the short study.
CASES = {
    "smooth": ("gradient-descent", {"schedule": SMOOTH}, halved(0.16)),
    "warm-up and cosine": ("gradient-descent", {"schedule": PIECES}, ETAS[:4]),
    "Nesterov of PyTorch, warm-up and cosine": (NESTEROV, {"schedule": "cosine(1, warmup=0.2)"}, halved(0.05, 5)),
    "momentum that changes": ("heavy-ball", {"schedule": {"eta": SMOOTH, "beta": "1/3 + tau/20"}}, halved(0.0057)),
    "eight batches, momentum and schedule": (
        "heavy-ball",
        {"schedule": SMOOTH, "batching": 8, "beta": "1/2"},
        halved(0.0041),
    ),
    "a smaller last batch": ("gradient-descent", {"batching": {"size": 5, "last": "keep"}}, halved(0.0062)),
    "palindrome": ("gradient-descent", {"batching": {"count": 4, "order": "palindrome"}}, halved(0.014)),
    "Adam with batches": ("adam(inside=yes, corrected=no)", {"batching": 2, **MILD, "epsilon": "1/2"}, halved(0.01)),
}


@pytest.mark.parametrize("case", CASES)
def test_slopes_and_predicted_errors(case):
    """An order's field has all terms before it, and its predicted error the one after: no order is on its own."""
    optimizer, options, etas = CASES[case]
    found = study(optimizer, [1 if "eight" in case else 2], etas=etas, **options)
    assert found.passed, [(record.order, record.slope, record.reason) for record in found.orders]


def test_step_sizes_suggest_themselves():
    assert study(orders=range(2), schedule=SMOOTH).passed


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_every_order(case):
    optimizer, options, etas = CASES[case]
    broken = "warm-up" in case  # no other step sizes end with the pieces
    found = study(optimizer, etas=[*etas, etas[-1] / 2] if broken else None, **options)
    assert found.passed, [(record.order, record.slope, record.reason) for record in found.orders]


PEOPLE_USE = {
    "momentum 9/10": ("heavy-ball", {"beta": "9/10"}, 1.4e-4),
    "momentum 999/1000": ("heavy-ball", {"beta": "999/1000"}, 1.4e-8),
    "Nesterov 99/100, batches": ("torch.SGD(momentum=0.99, nesterov=True)", {"batching": 2}, 2.8e-6),
    "Adam": ("torch.Adam()", {}, 1.8e-5),
    "AdamW, batches": ("torch.AdamW()", {"batching": 2}, 2.1e-5),
}


@pytest.mark.parametrize("case", PEOPLE_USE)
def test_the_values_that_people_use(case):
    """β and ε at the libraries' defaults; bias corrections are states that only fade, and have to be handed on too."""
    optimizer, options, eta = PEOPLE_USE[case]
    found = study(optimizer, [2], schedule="exp(-tau)", etas=halved(eta), **options)
    assert found.passed, [(record.order, record.slope, record.reason) for record in found.orders]


@pytest.mark.slow
@pytest.mark.parametrize("case", PEOPLE_USE)
def test_the_values_that_people_use_at_every_order(case):
    """With more batches, and step sizes that suggest themselves."""
    optimizer, options, _ = PEOPLE_USE[case]
    more = {"batching": 4} if "batching" in options else {}
    found = study(optimizer, range(3), schedule="exp(-tau)", **{**options, **more})
    assert found.passed, [(record.order, record.slope, record.reason) for record in found.orders]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "orders", "options"),
    [
        ("adam(inside=yes, corrected=no)", range(4), {"batching": 4, **MILD, "epsilon": "1/2"}),
        ("heavy-ball", range(3), {"schedule": SMOOTH, "batching": 4, "state": "shadow", "beta": "1/2"}),
        ("gradient-descent", range(3), {"count": 9, "batching": {"count": 3, "order": "reshuffled"}}),
    ],
)
def test_batches_at_every_order(optimizer, orders, options):
    found = study(optimizer, orders, **options)
    assert found.passed, [(record.order, record.slope, record.reason) for record in found.orders]


def test_adam_over_a_break():
    given = {"beta1": "1/2", "beta2": "1/3", "epsilon": "1e-8"}
    assert study("adam", [2], schedule="cosine(4, warmup=0.04)", etas=halved(0.01), **given).passed


def test_without_the_hand_over_at_a_break_it_is_order_two(monkeypatch):
    """Negative control: the velocity knows s′ from η² on, so that a jump of s′ moves the path by η³."""
    monkeypatch.setattr("eomsym.verification.verifying.handed_over", lambda before, after, state, *rest: state)
    second, third = study(NESTEROV, range(2, 4), schedule="cosine(1, warmup=0.2)", etas=halved(0.05, 5)).orders
    assert abs(second.extrapolated_ratio - 1) > 0.2
    assert third.slope == pytest.approx(3, abs=0.1)


def test_a_piece_that_is_short_makes_the_steps_short():
    found = study("gradient-descent", range(2), schedule="warmup(0.001)")
    assert found.passed
    assert found.orders[0].etas[0] <= 0.001 / 4


def test_the_optimisers_own_start():
    found = study("heavy-ball", [2], schedule=SMOOTH, batching=4, state="shadow", beta="1/2")
    assert found.passed, [(record.order, record.slope, record.reason) for record in found.orders]
    assert (found.start, found.batches) == ("shadow", 4)


def test_reshuffled_batches_in_the_mean():
    batching = {"count": 3, "order": "reshuffled"}
    assert study("gradient-descent", [1], 9, batching=batching, etas=halved(0.0325)).passed


def _slopes(found):
    return [round(record.slope, 1) for record in found.orders]


def test_a_frozen_schedule_is_order_one_whatever_the_order(monkeypatch):
    """Negative control: the formula for a constant rate with s(τ) put in misses ½ η s′ g (shared/theory.md §9)."""
    right = Loop.rule_at

    def frozen(loop, tau, terms, pieces=None):
        one = right(loop, tau, 1, pieces)
        return one if loop.schedules else right(loop, tau, terms, pieces)

    monkeypatch.setattr(Loop, "rule_at", frozen)
    for record in study("gradient-descent", [1, 3], schedule=SMOOTH, etas=halved(0.04)).orders:
        assert record.slope == pytest.approx(1, abs=0.15)
        assert not record.passed


def test_the_wrong_place_of_the_rate_is_order_one(monkeypatch):
    """Negative control: PyTorch's rate outside of the buffer, followed by the equation for one inside."""
    right = LoopKernel.counterterms
    inside = loop_of("heavy-ball(rate_inside=yes)", {"rate": SMOOTH}, beta="1/2")

    def wrong(kernel, *arguments, **options):
        return right(LoopKernel(kernel.inner, inside, {"rate": 0}), *arguments, **options)

    monkeypatch.setattr(LoopKernel, "counterterms", wrong)
    for record in study("heavy-ball", range(1, 3), schedule=SMOOTH, etas=halved(0.005), beta="1/2").orders:
        assert record.slope == pytest.approx(1, abs=0.2)
        assert not record.passed


def test_the_terms_of_another_order_of_batches_are_order_one(monkeypatch):
    """Negative control: ξ_0 of the mean over all orders for batches in a fixed one (shared/theory.md §13)."""
    right = LoopKernel.counterterms

    def wrong(kernel, *arguments, **options):
        loop = loop_of("gradient-descent", None, cut(16, 4, order="palindrome"))
        return right(LoopKernel(kernel.inner, loop), *arguments, **options)

    monkeypatch.setattr(LoopKernel, "counterterms", wrong)
    for record in study("gradient-descent", range(1, 3), batching=4, etas=halved(0.005)).orders:
        assert record.slope == pytest.approx(1, abs=0.2)


def test_adagrad_in_slow_time():
    given = {
        "theta": THETA,
        "kernel": SampleQuartic(),
        "state": "whole",
    }
    found = verify("adagrad(slow_time=yes)", None, Samples(8), [1, 3], **given)
    assert found.passed, [(record.order, record.slope, record.reason) for record in found.orders]


@pytest.mark.parametrize(
    ("optimizer", "options", "named"),
    [
        ("gradient-descent", {"schedule": "-tau"}, "schedule of the learning rate: -"),
        ("gradient-descent", {"schedule": "1 - 9*tau"}, "give one of at least 0"),
        ("gradient-descent", {"schedule": "log(tau-1)"}, "is undefined at tau = 0"),
        ("gradient-descent", {"schedule": "sqrt(tau)"}, "is not smooth at tau = 0"),
        (
            "heavy-ball",
            {"schedule": {"beta": "1 + tau"}},
            "beta: 1 at tau = 0; give one of at least 0 and below 1",
        ),
        ("heavy-ball", {"schedule": {"mu": "tau"}}, "choose from eta, beta"),
        ("gradient-descent", {"batching": {"sets": [[0, 1]]}}, "are in none, such as number 2"),
        ("gradient-descent", {"batching": 3, "schedule": "cosine(9, warmup=0.7)", "etas": ETAS}, "within a round"),
        ("gradient-descent", {"batching": {"count": 8, "order": "reshuffled"}}, "a mean of 8! rounds"),
        ("gradient-descent", {"schedule": SMOOTH, "precision": "double-double"}, "leave one of the two out"),
        ("heavy-ball", {"schedule": SMOOTH, "state": "whole"}, "neither schedule nor batches"),
    ],
)
def test_bad_input_is_named_in_one_line(optimizer, options, named):
    count = 15 if options.get("batching") == 3 else 16
    with pytest.raises(InputError) as caught:
        study(optimizer, range(2), count, **options)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_kernel_without_series_is_refused():
    class Plain:
        order, size, gradient = 4, 2, None

    training = Training(Plain(), theta=THETA, schedule="1")
    with pytest.raises(InputError, match="no gradient along a curve"):
        pose_loop(training, [0], None)


def test_the_study_says_what_was_run():
    found = study("heavy-ball", [0], schedule={"eta": SMOOTH, "beta": "1/3"}, batching=2)
    data = found.to_dict()
    assert data["schedules"] == {"eta": SMOOTH, "beta": "1/3"}
    assert data["batches"] == 2
    assert "beta" not in dict(found.parameters)
    assert np.isfinite(found.time)


def test_two_pieces_that_begin_within_one_step():
    """The memory is handed over once, from the piece that was run to the one that is run next."""
    two = {"eta": "1 until 0.081; 1/2", "beta": "1/5 until 0.082; 2/5"}
    found = study("heavy-ball", [2], schedule=two, etas=halved(0.02))
    assert found.passed, [(record.order, record.slope, record.reason) for record in found.orders]


def test_what_is_followed_from_a_break_on_is_handed_over(monkeypatch):
    """At τ = 0.5 the momentum jumps: the memory of the run is still that of before."""
    options = {"optimizer": "heavy-ball", "schedule": {"beta": "1/5 until 0.5; 1/2"}, "orders": [2], "state": "slow"}
    found = follow(SampleQuartic(), THETA, 0.005, 40, samples(6), after=100, **options).errors[2]
    monkeypatch.setattr("eomsym.dynamics.motion.entered_from", lambda *given: None)
    without = follow(SampleQuartic(), THETA, 0.005, 40, samples(6), after=100, **options).errors[2]
    assert found < 0.05 * without


def test_reshuffled_batches_are_followed_in_the_mean():
    options = {"batching": {"count": 3, "order": "reshuffled"}, "orders": (0, 1, 2, 4)}
    found = follow(SampleQuartic(), THETA, 0.02, 20, samples(9), **options)
    mean, slow = ([record.error for record in records] for records in (found.whole, found.slow))
    assert mean[2] < 0.2 * mean[1] < 0.04 * mean[0]
    assert len(slow) == 3
    assert slow[2] < 0.1 * slow[1] < 0.01 * slow[0]


@pytest.mark.parametrize(
    "batching", [{"sets": [[0.5, 1], [2, 3]]}, {"sets": 3}, {"sets": [0, 1]}, {"count": 2, "order": 3}]
)
def test_batches_that_are_no_lists_of_integers(batching):
    with pytest.raises(InputError, match=r"batches|sample"):
        batched(batching, 4)
