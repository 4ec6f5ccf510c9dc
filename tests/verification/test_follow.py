"""``eomsym.follow``: the equation of the whole state is the run to many digits, the slow manifold is not; bad input."""

import json
import math
from dataclasses import replace

import asking
import iris
import numpy as np
import pytest
import shared_kernels

import eomsym
from eomsym.dynamics import motion
from eomsym.errors import InputError

#: Optimiser, learning rate, start, steps, and what orders 2 and 4 are off by at most, measured and rounded up.
FIGURES = {
    "torch.Adam()": (1e-3, 5, 60, 2e-5, 1e-6),
    "torch.NAdam()": (1e-3, 5, 60, 2e-5, 1e-6),
    "torch.RMSprop()": (1e-3, 20, 60, 2e-5, 1e-6),
}
LONG = {name: (1e-3, start, 200, 2e-5, 1e-6) for name, (_, start, *_) in FIGURES.items()}
LONG |= dict.fromkeys(("torch.AdamW()", "optax.adam()"), LONG["torch.Adam()"])


def follow(optimizer, eta, steps, theta=None, **options):
    return asking.follow(
        iris.kernel(),
        iris.fresh() if theta is None else theta,
        eta,
        steps,
        *iris.data(),
        optimizer=optimizer,
        **options,
    )


@pytest.mark.parametrize(
    ("optimizer", "figures"),
    [*FIGURES.items(), *(pytest.param(*each, marks=pytest.mark.slow) for each in LONG.items())],
)
def test_an_adaptive_method_is_followed_from_its_first_steps_on(optimizer, figures):
    eta, start, steps, of_two, of_four = figures
    found = follow(optimizer, eta, steps, after=start, orders=(2, 4))
    assert found.errors[2] <= of_two
    assert found.errors[4] <= of_four
    assert all(record.floor <= 0.01 * record.error for record in found.whole)


@pytest.mark.parametrize(
    ("fraction", "nesterov"),
    [(0.1, False), (0.3, True), *(pytest.param(*each, marks=pytest.mark.slow) for each in ((0.1, True), (0.3, False)))],
)
def test_momentum_is_followed_from_rest_where_the_slow_manifold_is_far_off(fraction, nesterov):
    theta, curvature = iris.trained()
    found = follow(f"torch.SGD(momentum=0.9, nesterov={nesterov})", fraction / curvature, 40, theta)
    assert list(found.errors) == [0, 1, 2, 4]
    assert found.errors[4] <= 1e-6
    assert found.errors[2] <= 2e-5
    assert list(found.slow_errors) == [0, 1], "what the kernel has"
    assert found.slow_errors[0] > 0.03
    assert not found.slow_errors[1] <= 0.03
    assert "the slow manifold explains" in found.sentence


def test_every_step_is_compared():
    theta, curvature = iris.trained()
    found = follow("heavy-ball", 0.1 / curvature, 30, theta, orders=(1, 4), after=3)
    assert found.iterates.shape == found.paths[4].shape == (31, 75)
    run = eomsym.dynamics.optimizer_path(iris.kernel(), theta, 0.1 / curvature, 33, iris.data(), optimizer="heavy-ball")
    np.testing.assert_allclose(found.iterates, run[3:], rtol=1e-13)
    assert found.distances(found.paths[4])[0] == 0
    assert found.distances(found.paths[4])[1:].max() < 1e-6
    assert found.distances(found.paths[1])[-1] == pytest.approx(found.errors[1], rel=1e-12)
    assert found.moved == np.linalg.norm(run[-1] - run[3])


def test_gradients_are_counted():
    found = follow("heavy-ball", 0.01, 20, orders=(0, 2), after=7)
    assert found.run_gradients == 27
    assert found.gradients[2] % 3 == 0
    assert 20 < found.gradients[0] < found.gradients[2]


def test_gradient_descent_has_no_other_state():
    found = follow("gradient-descent", 0.1, 20, orders=[3])
    assert found.slow == ()
    assert "no memory" in found.no_slow
    assert found.errors[3] < 1e-4


def test_the_slow_manifold_alone():
    found = follow("heavy-ball", 1e-4, 400, after=300, orders=(0, 1), state="slow", beta=0.5)
    assert found.whole == ()
    assert found.errors == found.slow_errors
    assert found.errors[1] < 0.1 * found.errors[0]
    assert "slow manifold" in found.sentence
    assert found.table().splitlines()[0].split() == ["order", "error", "integrator"]


def test_terms_that_do_not_fall_are_told_of():
    theta, curvature = iris.trained()
    assert follow("gradient-descent", 0.3 / curvature, 20, theta, orders=(0, 2)).warnings == ()
    found = follow("gradient-descent", 1.9 / curvature, 40, theta + 0.1, orders=(0, 2))
    assert any("stop falling" in warning and "|r - 1| < 1" in warning for warning in found.warnings)


def test_orders_that_leave_the_numbers_are_none_and_say_so():
    found = follow("torch.RMSprop()", 1e-2, 20, orders=[2])
    assert math.isnan(found.errors[2]) or found.errors[2] < 1
    lost = replace(found, whole=(replace(found.whole[0], path=None, error=math.nan, reason="path: lost"),))
    assert lost.paths == {}
    assert "none" in lost.table()
    assert lost.sentence.startswith("No order")
    assert json.loads(lost.to_json())["orders"][0]["error"] is None
    assert any("begin later" in warning for warning in lost.warnings)
    assert lost.plot().axes


def test_what_is_told():
    found = follow("torch.Adam()", 1e-3, 20, after=5, orders=(0, 1, 2))
    record = json.loads(found.to_json())
    assert (record["optimizer"], record["steps"], record["after"], record["state"]) == ("torch.Adam()", 20, 5, "whole")
    assert [entry["order"] for entry in record["orders"]] == [0, 1, 2]
    assert record["orders"][1]["error"] == found.errors[1]
    assert record["parameters"]["beta2"] == "999/1000"
    lines = found.table().splitlines()
    assert lines[0].split()[:2] == ["order", "error"]
    assert lines[3].split()[-1] == "none", "the kernel has the slow manifold to order 1"
    assert str(found).endswith(found.sentence)
    assert repr(found).startswith("Follow(torch.Adam(), steps 5 to 25, errors {0: ")
    assert found.needed(0.5) == 0
    assert found.needed(0) is None
    lowest = found.needed()
    assert found.sentence.startswith(f"Order {lowest} explains 99.9")
    axes = found.plot().axes[0]
    assert axes.get_yscale() == "log"
    assert axes.get_xlim() == (5, 25)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"theta": np.zeros(5)}, r"theta: shape \(5,\).*length 75"),
        ({"eta": 0}, "eta 0: .*above 0"),
        ({"steps": 0}, "steps 0: out of range"),
        ({"steps": 2.5}, "steps 2.5: not an integer"),
        ({"after": -1}, "after -1: out of range"),
        ({"after": 10**9}, "after 1000000000: out of range.*0 to 1000000"),
        ({"orders": (0, 21)}, "order 21: out of range.*0 to 20"),
        ({"orders": ()}, "at least one"),
        ({"state": "half"}, "state 'half'.*slow, whole"),
        ({"beta": 1}, "beta = 1: out of range.*beta < 1"),
        ({"optimizer": "torch.Adam()", "beta1": 0.5}, "beta1.*gives all parameters itself"),
        ({"optimizer": "torch.Adam(betas=(1, 0.9))"}, "beta1 = 1"),
        ({"optimizer": "adamant"}, "optimizer 'adamant': unknown"),
        ({"optimizer": 3}, "optimizer 3: give a name"),
        ({"optimizer": "torch.NAdam()", "state": "slow"}, "state 'slow'.*'whole'"),
        (
            {"optimizer": "adam(inside=yes, corrected=no)", "beta1": "0.99999999999999999999", "steps": 3},
            "nothing moves",
        ),
        ({"kernel": 3}, "model 3: give an MLP, a kernel"),
    ],
)
def test_bad_input_is_one_line_at_once(change, message):
    asked = {
        "kernel": iris.kernel(),
        "theta": iris.fresh(),
        "eta": 0.1,
        "steps": 10,
        "optimizer": "heavy-ball",
        **change,
    }
    asked |= {} if asked["optimizer"] == "heavy-ball" else {"eta": 1e-3}
    kernel, theta, eta, steps = (asked.pop(name) for name in ("kernel", "theta", "eta", "steps"))
    with pytest.raises(InputError, match=message) as caught:
        asking.follow(kernel, theta, eta, steps, *iris.data(), **asked)
    assert "\n" not in str(caught.value)


TO_ZERO = ("1 - tau", "(1+cos(pi*tau))/2", "cosine(1, warmup=0.2)")


def slow_of(schedule, eta, begin=0, optimizer="gradient-descent", **values):
    """Errors of the slow manifold, of a run until tau = 1."""
    kernel, random = shared_kernels.kernel("tiny"), np.random.default_rng(0)
    data = random.normal(size=(8, 2)), random.normal(size=(8, 1))
    training = eomsym.Training(kernel, data, optimizer, eta, theta=kernel.model.initial(0), schedule=schedule, **values)
    found = eomsym.follow(training, round(1 / eta) - begin, range(4), state="slow", after=begin)
    return [found.slow_errors.get(order, np.nan) for order in range(4)]


@pytest.mark.parametrize("schedule", TO_ZERO)
def test_where_the_rate_ends_at_0_each_order_is_followed_to_the_end(schedule):
    """The first term vanishes there before those with derivatives of the rate, and errors fall with η^{N+1} yet."""
    errors = np.array([slow_of(schedule, eta) for eta in (0.1, 0.05, 0.025)])
    np.testing.assert_allclose(np.log2(errors[1] / errors[2]), [1, 2, 3, 4], atol=0.1)
    assert (errors[-1] < [0.1, 1e-2, 1e-3, 1e-4]).all()


def test_terms_that_grow_are_given_up_whatever_the_schedule():
    """Momentum 9/10 at this rate, whose errors on the slow manifold grow with the order: no path of order 2."""
    errors = slow_of("1 - tau", 0.1, 5, "heavy-ball", beta="9/10")
    assert np.isfinite(errors[:2]).all()
    assert np.isnan(errors[2:]).all()


def test_without_a_share_for_the_rate_a_schedule_to_zero_is_given_up(monkeypatch):
    """The control: judged by the first term alone, as without a schedule, order 2 has no path to the end."""
    right = motion._check_fall
    monkeypatch.setattr(motion, "_check_fall", lambda sizes, usual: right(sizes, 0.0))
    assert np.isnan(slow_of("(1+cos(pi*tau))/2", 0.05)[2:]).all()
