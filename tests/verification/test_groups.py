"""Questions asked of a training with groups of parameters; the control everywhere is the same without groups."""

import dataclasses

import grouped_adamw as by_hand
import numpy as np
import pytest

import eomsym
from eomsym.dynamics import optimizer_path
from eomsym.dynamics.kernel_series import kernel_counterterms
from eomsym.errors import InputError

SAMPLES = (by_hand.INPUTS, by_hand.TARGETS)


def training(optimizer="adamw", groups=by_hand.GROUPS, **more):
    values = by_hand.COMMON if optimizer == "adamw" else {}
    return eomsym.Training(by_hand.MODEL, SAMPLES, optimizer, theta=by_hand.THETA, groups=groups, **{**values, **more})


def rows_of(asked, order=2):
    entry, values = asked.rule
    kernel = asked.kernel(order)
    return kernel_counterterms(kernel, entry.rule(**values), asked.theta, order, asked.data)


def test_rows_of_a_kernel_against_iterates_in_many_digits():
    wanted = by_hand.rows_by_iterates()
    found = rows_of(training())
    for row, truth in zip(found, wanted, strict=True):
        assert np.linalg.norm(row - truth) < 1e-11 * np.linalg.norm(truth)
    ignored = rows_of(training(groups=None))
    assert np.linalg.norm(ignored[0] - wanted[0]) > 0.1 * np.linalg.norm(wanted[0])


def test_rates_by_group_are_descent_of_a_field_that_is_scaled():
    """By hand: f̃ = −Rg − (η/2) R H R g, R the diagonal matrix of the factors."""
    asked = training("gradient-descent", {"*.bias": {"eta_factor": 3}, "0.weight": {"eta_factor": "1/2"}})
    kernel, factors = (
        asked.kernel(1),
        np.concatenate([np.full(size, value) for size, value in zip(by_hand.SIZES, (0.5, 3, 1, 3), strict=True)]),
    )
    slope = factors * kernel.gradient(asked.theta, *SAMPLES)
    found = rows_of(asked, 1)
    np.testing.assert_allclose(found[0], slope, rtol=1e-13, atol=1e-16)
    turned = 0.5 * factors * kernel.hessian_vector(asked.theta, slope, *SAMPLES)
    np.testing.assert_allclose(found[1], turned, rtol=1e-11, atol=1e-14)


def test_frozen_parameters_do_not_move_and_have_zero_rows():
    asked = training(groups={"0.*": {"eta_factor": 0}}, eta=0.05)
    rows = rows_of(asked)
    frozen = slice(0, by_hand.SIZES[0] + by_hand.SIZES[1])
    assert not rows[:, frozen].any()
    assert rows[:, frozen.stop :].all()
    followed = eomsym.follow(asked, 6, (0, 1))
    assert (followed.iterates[:, frozen] == asked.theta[frozen]).all()
    for path in followed.paths.values():
        np.testing.assert_allclose(path[:, frozen], np.broadcast_to(asked.theta[frozen], (7, frozen.stop)), atol=1e-15)


BALL = {"*.bias": {"beta": "1/3", "decay": 0}, "0.weight": {"eta_factor": 0}}
SLOW_MEMORY = {"*.bias": {"decay": 0, "eta_factor": 2, "beta1": "2/5"}}


@pytest.mark.parametrize(
    ("optimizer", "state", "groups", "values"),
    [
        ("adamw", "slow", by_hand.GROUPS, {}),
        ("adamw", "whole", SLOW_MEMORY, {"beta2": "3/5"}),
        ("heavy-ball", "slow", BALL, {"beta": "1/2", "decay": "1/5"}),
        ("heavy-ball", "whole", BALL, {"beta": "1/2", "decay": "1/5"}),
        ("nesterov", "slow", {"*.bias": {"beta": "1/3", "eta_factor": "1/2"}}, {"beta": "1/2"}),
    ],
)
def test_errors_fall_with_the_order(optimizer, state, groups, values):
    asked = training(optimizer, groups, **values)
    found = eomsym.verify(asked, range(3), state=state)
    assert found.passed
    for record in found.orders:
        assert abs(record.slope - (record.order + 1)) < 0.1


def test_descent_with_rates_of_its_own_and_fixed_batches_and_a_schedule():
    groups = {"*.bias": {"eta_factor": 2}}
    loops = {"batches": eomsym.Batches(3, order="fixed")}, {"schedule": "exp(-tau)"}, {}
    for loop in loops:
        found = eomsym.verify(training("gradient-descent", groups, **loop), range(3))
        assert found.passed
    found = eomsym.verify(training(schedule={"decay[*.bias]": "exp(-tau)/10"}, groups=by_hand.GROUPS), range(2))
    assert found.passed


def test_terms_without_the_groups_lose_the_order():
    """The control: the run has groups, and the equation of motion none."""
    asked = training()
    plain = training(groups=None)

    def slopes(rows_from):
        errors = []
        for eta in (0.02, 0.01, 0.005):
            errors.append(_error(asked.at(eta), rows_from.at(eta), 2))
        return np.log2(np.array(errors[:-1]) / errors[1:])

    assert abs(slopes(asked)[-1] - 3) < 0.2
    assert abs(slopes(plain)[-1]) < 0.2


def _error(run, terms, order):
    """From the memory on the slow manifold of the run, to a fixed time."""
    from eomsym.dynamics.runs import run_states
    from eomsym.verification.compare import map_of, on_manifold, slow_motion

    whole = on_manifold(run, map_of(run, "a test", order), order + 1, "a test")
    steps = round(0.16 / run.eta)
    states = run_states(whole, steps)
    path = slow_motion(terms, order, "a test").path(order, states, 1e-12)
    size = run.theta.size
    return np.linalg.norm(path.states[-1][:size] - states[-1][:size])


def test_follow_noise_and_recommend_have_the_groups():
    asked = training(eta=0.02)
    followed = eomsym.follow(asked, 12, range(3))
    assert followed.errors[0] > 4 * followed.errors[1] > 8 * followed.errors[2]
    assert followed.slow_errors[1] < followed.slow_errors[0]
    path, other = (eomsym.follow(one, 12, (0,)).iterates for one in (asked, training(groups=None, eta=0.02)))
    assert np.abs(path - other).max() > 1e-2  # the groups matter
    entry, values = asked.rule
    direct = optimizer_path(asked.kernel(0), asked.theta, 0.02, 12, SAMPLES, optimizer=entry, **values)
    np.testing.assert_allclose(path, direct, rtol=1e-14)
    recommended = eomsym.recommend(asked, 1e-2, 0.2)
    assert recommended.training.optimizer == "adamw by group"


def test_an_ensemble_of_runs_has_the_spread_that_is_predicted():
    asked = training("heavy-ball", {"*.bias": {"eta_factor": 0}}, beta="1/2", eta=0.05, batches=2)
    found = eomsym.noise(asked, 6, ensemble=300)
    spread = np.diag(np.atleast_2d(found.covariance))[: asked.theta.size]
    biases = np.repeat([name.endswith("bias") for name in by_hand.MODEL.blocks.names], by_hand.SIZES)
    assert (spread[biases] < 1e-28).all()
    assert (spread[~biases] > 1e-10).all()
    record = found.records()[-1]
    assert abs(record["trace"] - record["ensemble"]) < 5 * record["ensemble_error"]


def test_the_variables_of_a_written_loss():
    asked = eomsym.Training(
        "x**2*y**2 + y**4 + x**2/3 + x", variables=["x", "y"], theta=[0.3, 0.5], optimizer="heavy-ball",
        groups={"y": {"beta": "1/5"}}, beta="1/2",
    )  # fmt: skip
    assert eomsym.verify(asked, range(3)).passed


def test_what_is_refused():
    for change, said in (
        ({"groups": {"*scale": {"decay": 0}}}, "matches no parameter; they are 0.weight, 0.bias, 2.weight, 2.bias"),
        ({"groups": {"*": {"gamma": 0}}}, "has no number 'gamma' to differ"),
    ):
        with pytest.raises(InputError, match=said):
            training(**change)
    with pytest.raises(InputError, match="groups of parameters"):
        eomsym.terms(training(eta=0.1), 3)
    with pytest.raises(InputError, match="groups or maps"):
        eomsym.verify(training("gradient-descent", {"*bias": {"eta_factor": 2}}), range(2), resum=True)
    with pytest.raises(InputError, match="which terms vanish is not known"):
        eomsym.verify(training("runge-kutta-4", {"*bias": {"eta_factor": 2}}), range(2))
    with pytest.raises(InputError, match="double-double"):
        training("gradient-descent", {"*bias": {"eta_factor": 2}}, precision="double-double").kernel(1, of_rule=True)


def test_with_another_rate_keeps_the_groups():
    asked = training(eta=0.1).at(0.05)
    assert asked.eta == 0.05
    assert asked.values["decay[*.bias]"] == 0
    assert dataclasses.asdict(asked.setting)["optimizer"] == "adamw by group"
