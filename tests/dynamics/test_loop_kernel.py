"""Terms of a run with schedules and batches: golden ones, those on trees, and differences of real rounds."""

from __future__ import annotations

import sys
from fractions import Fraction

import numpy as np
import pytest
from sample_quartic import THETA, SampleQuartic, samples

import eomsym
from eomsym import optimizers
from eomsym.dynamics import integrate_equation_of_motion, kernel_counterterms
from eomsym.dynamics.differentials import directional_derivative, elementary_differentials
from eomsym.dynamics.loop_kernel import LoopKernel, loop_kernel
from eomsym.dynamics.reshuffled import reshuffled_counterterms
from eomsym.errors import InputError
from eomsym.notation.coefficients import coefficient_expression
from eomsym.optimizers.batches import cut, of_index_sets
from eomsym.optimizers.descent import MOMENTUM
from eomsym.optimizers.loop import loop_of

KERNEL = SampleQuartic()


def products(data, batches):
    """``g_i'g_j`` (m, m, d) by directional derivatives."""
    parts = [data[field.samples(len(data))] for field in batches.fields]
    slopes = [KERNEL.gradient(THETA, part) for part in parts]
    return np.array([[KERNEL.hessian_vector(THETA, slope, part) for slope in slopes] for part in parts])


@pytest.mark.parametrize("order", ["forward", "palindrome", "reshuffled"])
def test_first_terms_of_batches_are_those_of_the_theory(order):
    """shared/theory.md §13."""
    data, m = samples(15), 5
    batches = cut(15, 15 // m, order=order)
    each = products(data, batches)
    symmetric = sum(each[i, i] for i in range(m)) / (2 * m)
    if order == "forward":
        wanted = symmetric + sum(each[i, j] - each[j, i] for i in range(m) for j in range(i + 1, m)) / (2 * m)
    else:
        wanted = symmetric
    loop = loop_of("gradient-descent", None, batches)
    found = loop_kernel(KERNEL, loop).counterterms(np.append(THETA, 0.0), data, order=1)
    np.testing.assert_allclose(found[0, :2], KERNEL.gradient(THETA, data), rtol=1e-13)
    np.testing.assert_allclose(found[1, :2], wanted, rtol=1e-12)


@pytest.mark.parametrize(("name", "order"), [("mini-batches", "forward"), ("random-reshuffling", "reshuffled")])
@pytest.mark.parametrize("m", [1, 2, 3, 5])
def test_terms_are_those_of_the_rule_that_visits_every_order(name, order, m):
    """Of the rules on trees, whose epoch is a step of their own; five batches have more colours than a tree nodes."""
    data, entry = samples(30), optimizers.get(name)
    rule = entry.rule(batches=m)
    wanted = kernel_counterterms(KERNEL, rule, THETA, 3, (data,), entry.fields(batches=m)) / m
    loop = loop_of("gradient-descent", None, cut(30, 30 // m, order=order))
    found = loop_kernel(KERNEL, loop).counterterms(np.append(THETA, 0.0), data, order=3)
    np.testing.assert_allclose(found[:, :2], wanted, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("schedule", [None, "exp(-tau/2)"])
def test_whole_rounds_as_nodes_give_the_same_terms_as_small_ones(schedule, monkeypatch):
    data = samples(16)
    kernel = LoopKernel(KERNEL, loop_of("gradient-descent", schedule, cut(16, 2, order="palindrome")))
    state = np.append(THETA, 0.3)
    many = kernel.counterterms(state, data, order=3)
    monkeypatch.setattr(sys.modules[LoopKernel.__module__], "MANY_STEPS", 100)
    np.testing.assert_allclose(many, kernel.counterterms(state, data, order=3), rtol=1e-10)


def test_reshuffled_terms_are_there_for_many_batches():
    data, m = samples(60), 20
    found = reshuffled_counterterms(KERNEL, THETA, 2, (data,), cut(60, 60 // m))
    each = products(data, cut(60, 60 // m))
    np.testing.assert_allclose(found[1], sum(each[i, i] for i in range(m)) / (2 * m), rtol=1e-12)
    with pytest.raises(InputError, match="order 4"):
        reshuffled_counterterms(KERNEL, THETA, 4, (data,), cut(60, 60 // m))


PALINDROME = cut(8, 4, order="palindrome")
SETS = of_index_sets([[0, 3, 5], [1, 2, 4, 6, 7]], 8)


@pytest.mark.parametrize("beta", [Fraction(9, 10), Fraction(999, 1000)])
@pytest.mark.parametrize("optimizer", ["heavy-ball", "nesterov(lookahead=yes)"])
def test_terms_to_high_order_are_the_exact_ones_on_trees(optimizer, beta):
    """At the values that people use: coefficients in exact rationals, trees by directional derivatives."""
    tau, order, data = 0.3, 4, samples(5)
    schedule = "exp(-tau/2)"
    exact = eomsym.derive(optimizer, order=order, schedule="eta", beta=beta)
    value = np.exp(-tau / 2)
    symbols = {"s": value} | {f"s_d{m}": value * (-0.5) ** m for m in range(1, order + 1)}
    found = elementary_differentials(KERNEL, THETA, {tree for row in exact.rows for tree in row}, (data,))
    wanted = [
        sum(float(coefficient_expression(value).subs(symbols)) * found[tree] for tree, value in row.items())
        for row in exact.rows
    ]
    kernel = LoopKernel(KERNEL, loop_of(optimizer, schedule, beta=beta))
    got = kernel.counterterms(np.append(THETA, tau), data, order=order)[:, :2]
    for row, right in zip(got, wanted, strict=True):
        assert np.linalg.norm(row - right) <= 1e-9 * np.linalg.norm(right)


def test_weighted_batches_have_the_gradient_of_all_samples():
    data = samples(10)
    loop = loop_of("heavy-ball", None, cut(10, 4, "weight"), beta="9/10")
    found = LoopKernel(KERNEL, loop).counterterms(np.append(THETA, 0.0), data, order=0)[0, :2]
    np.testing.assert_allclose(found, 10 * KERNEL.gradient(THETA, data), rtol=1e-12)
    kept = loop_of("heavy-ball", None, cut(10, 4, "keep"), beta="9/10")
    other = LoopKernel(KERNEL, kept).counterterms(np.append(THETA, 0.0), data, order=0)[0, :2]
    assert np.linalg.norm(other - found) > 1e-3, "a data loader's last batch counts more"


CASES = {
    "descent": ("gradient-descent", {"eta": "(1+cos(pi*tau/3))/2"}, None, {}),
    "heavy ball": ("heavy-ball", {"eta": "exp(-tau/2)", "beta": "1/4 + tau/10"}, None, {}),
    "Nesterov's y": ("torch.SGD(momentum=0.2, nesterov=True)", {"eta": "exp(-tau)"}, cut(8, 2), {}),
    "dampened": ("torch.SGD(momentum=0.2, dampening=0.1)", {"eta": "1/(1+tau)"}, PALINDROME, {}),
    "decay": ("sgdw", {"eta": "1/(1+tau)", "decay": "(1+tau)/10"}, SETS, {"beta": "1/5"}),
    "Adam": (
        "adam(inside=yes, corrected=no)",
        {"eta": "exp(-tau)", "beta1": "1/5+tau/20"},
        None,
        {"beta2": "1/4", "epsilon": "1/2"},
    ),
}


#: Momentum that changes is followed order by order in test_loop.py of the verification, too.
SLOW = ("heavy ball",)


@pytest.mark.parametrize("orders", [(1, 3), pytest.param(range(4), marks=pytest.mark.slow)], ids=["two", "all"])
@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow) if case in SLOW else case for case in CASES]
)
def test_terms_are_the_logarithm_of_real_rounds(case, orders):
    """The flow from (θ, τ), its memory on the slow manifold, over some rounds: order N + 1, and no less."""
    name, schedule, batches, given = CASES[case]
    data, time = samples(8), 0.4
    kernel = loop_kernel(KERNEL, loop_of(name, schedule, batches, **given))
    state = np.append(THETA, 0.0)
    errors = []
    for eta in (time / 16 / kernel.loop.steps, time / 32 / kernel.loop.steps):
        memory = kernel.memory(state, eta, 5, (data,)) if kernel.loop.optimizer.memory else None
        end = kernel.run(state, eta, round(time / eta / kernel.loop.steps), (data,), memory).theta
        flows = [
            integrate_equation_of_motion(kernel, state, eta, time, (data,), order=n, accuracy=1e-11) for n in orders
        ]
        errors.append([np.linalg.norm(flow.theta - end) for flow in flows])
    slopes = np.log2(np.array(errors[0]) / np.array(errors[1]))
    np.testing.assert_allclose(slopes, [order + 1 for order in orders], atol=0.25)


def test_a_run_is_that_of_a_plain_loop():
    """Heavy ball written out, with its rate, momentum and batches taken by hand."""
    data, eta = samples(8), 0.01
    loop = loop_of(
        "heavy-ball",
        {"eta": "cosine(0.2, warmup=0.04)", "beta": "9/10 - tau"},
        of_index_sets([[7, 0, 3], [1, 2, 4, 5, 6]], 8),
    )
    theta, velocity = THETA, np.zeros(2)
    for number in range(16):
        tau = number * eta
        rate = tau / 0.04 if tau < 0.04 else (1 + np.cos(np.pi * (tau - 0.04) / 0.16)) / 2
        velocity = (0.9 - tau) * velocity + KERNEL.gradient(theta, data[[[7, 0, 3], [1, 2, 4, 5, 6]][number % 2]])
        theta = theta - eta * rate * velocity
    end = LoopKernel(KERNEL, loop).run(np.append(THETA, 0.0), eta, 8, (data,)).theta
    np.testing.assert_allclose(end, [*theta, 0.16], rtol=1e-13)


def test_a_number_that_depends_on_time_may_stand_below():
    """Descent at the rate 1/(1 − β(τ)), written as a quotient in a step and as a schedule of the rate."""
    below = optimizers.Optimizer(
        name="descent-with-quotient",
        summary="θ⁺ = θ − η g/(1 − β)",
        source="test",
        parameters=(MOMENTUM,),
        step=lambda gradient, state, eta, beta: (state[0] - eta / (1 - beta) * gradient(state[0]),),
    )
    data, state = samples(5), np.append(THETA, 0.2)
    quotient = loop_of(below, {"beta": "tau/2 + tau**2/3"})
    product = loop_of("gradient-descent", "1/(1 - tau/2 - tau**2/3)")
    found, wanted = (LoopKernel(KERNEL, loop).counterterms(state, data, order=5) for loop in (quotient, product))
    np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-12)


def test_batches_of_what_has_batches_or_players_are_refused():
    with pytest.raises(InputError, match="batches or players of its own"):
        loop_of("simultaneous-players", None, cut(8, 4))
    with pytest.raises(InputError, match="choose from eta, beta"):
        loop_of("heavy-ball", {"gamma": "tau"})
    with pytest.raises(InputError, match="mean over all orders"):
        loop_of("heavy-ball", None, cut(8, 4, order="reshuffled"))


def test_directional_derivatives_are_those_of_the_kernel():
    data = samples(6)

    def taylor(direction, order):
        series = np.zeros((order + 1, 2))
        series[:2] = [THETA, direction][: order + 1]
        return KERNEL.gradient_series(series, data)[order]

    vector = np.array([0.2, 0.7])
    found = directional_derivative(taylor, [(vector, 1)], 2)
    np.testing.assert_allclose(found, KERNEL.hessian_vector(THETA, vector, data), rtol=1e-13)


def test_a_memory_on_the_slow_manifold_is_what_real_rounds_lead_to():
    """Rounds that have forgotten the memory they began with; to η², so that what is left falls like η³."""
    data, left = samples(8), []
    kernel = LoopKernel(KERNEL, loop_of("heavy-ball", "exp(-tau)", cut(8, 2), beta=Fraction(1, 2)))
    loop = kernel.loop

    def gradient(at, field):
        return KERNEL.gradient(at, data[2 * field : 2 * field + 2])

    for eta in (0.02, 0.01):
        whole = (THETA, np.zeros(2))
        for number in range(0, round(1.6 / eta), loop.steps):
            whole = loop.step(gradient, whole, eta, number)
        (found,) = kernel.memory(np.append(whole[0], 1.6), eta, 2, (data,))
        left.append(np.linalg.norm(found - whole[1]))
    assert np.log2(left[0] / left[1]) == pytest.approx(3, abs=0.2)
