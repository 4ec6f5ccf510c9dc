"""Terms of a run with schedules and batches: golden ones, those on trees, and differences of real rounds."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from sample_quartic import THETA, SampleQuartic, samples

from eomsym import optimizers
from eomsym.dynamics import kernel_counterterms
from eomsym.dynamics.differentials import directional_derivative
from eomsym.dynamics.loop_kernel import LoopKernel, loop_kernel
from eomsym.dynamics.reshuffled import reshuffled_counterterms
from eomsym.errors import InputError
from eomsym.optimizers import cut, loop_of
from eomsym.step_index import map_logarithm

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
    batches = cut(15, m, order=order)
    each = products(data, batches)
    symmetric = sum(each[i, i] for i in range(m)) / (2 * m)
    if order == "forward":
        wanted = symmetric + sum(each[i, j] - each[j, i] for i in range(m) for j in range(i + 1, m)) / (2 * m)
    else:
        wanted = symmetric
    loop = loop_of("gradient-descent", None, batches, 15)
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
    loop = loop_of("gradient-descent", None, {"count": m, "order": order}, 30)
    found = loop_kernel(KERNEL, loop).counterterms(np.append(THETA, 0.0), data, order=3)
    np.testing.assert_allclose(found[:, :2], wanted, rtol=1e-11, atol=1e-13)


def test_reshuffled_terms_are_there_for_many_batches():
    data, m = samples(60), 20
    found = reshuffled_counterterms(KERNEL, THETA, 2, (data,), cut(60, m))
    each = products(data, cut(60, m))
    np.testing.assert_allclose(found[1], sum(each[i, i] for i in range(m)) / (2 * m), rtol=1e-12)
    with pytest.raises(InputError, match="order 4"):
        reshuffled_counterterms(KERNEL, THETA, 4, (data,), cut(60, m))


CASES = {
    "descent": ("gradient-descent", {"eta": "(1+cos(pi*tau/3))/2"}, None, {}),
    "heavy ball": ("heavy-ball", {"eta": "exp(-tau/2)", "beta": "1/4 + tau/10"}, None, {}),
    "Nesterov's y, batches": ("torch.SGD(momentum=0.2, nesterov=True)", {"eta": "exp(-tau)"}, {"count": 4}, {}),
    "dampened": (
        "torch.SGD(momentum=0.2, dampening=0.1)",
        {"eta": "1/(1+tau)"},
        {"count": 2, "order": "palindrome"},
        {},
    ),
    "decay": (
        "sgdw",
        {"eta": "1/(1+tau)", "decay": "(1+tau)/10"},
        {"sets": [[0, 3, 5], [1, 2, 4, 6, 7]]},
        {"beta": "1/5"},
    ),
    "Adam": ("adam-inside", {"eta": "exp(-tau)", "beta1": "1/5+tau/20"}, None, {"beta2": "1/4", "epsilon": "1/2"}),
}


def settled(kernel, state, eta, data, rounds):
    """(θ, τ) and memory after rounds that have forgotten the start: then on the slow manifold to the last bit."""
    loop = kernel.loop
    gradient = lambda point, field=0: KERNEL.gradient(point, data[loop.fields[field].samples(len(data))])  # noqa: E731
    memory = loop.optimizer.initial_state(state[:-1], gradient, **loop.numbers_at(0.0))
    number = round(float(state[-1]) / eta)
    whole = (state[:-1], *memory[1:])
    for _ in range(rounds):
        whole = loop.step(gradient, whole, eta, number)
        number += loop.steps
    return whole, number, gradient


@pytest.mark.parametrize("case", CASES)
def test_terms_are_the_logarithm_of_real_rounds(case):
    """Differences of settled rounds at falling step sizes: a defect of order N + 1 at every N; one term less, N."""
    name, schedule, batching, given = CASES[case]
    data = samples(8)
    kernel = LoopKernel(KERNEL, loop_of(name, schedule, batching, 8, **given))
    defects = []
    for eta in (0.01, 0.005):
        whole, number, gradient = settled(kernel, np.append(THETA, 0.0), eta, data, 60)

        def step(z):
            after = kernel.loop.step(gradient, z[1:], eta, z[0])
            return np.array([z[0] + kernel.loop.steps, *after], dtype=object)

        moved = map_logarithm(step, np.array([number, *whole], dtype=object), 8)[1] / (eta * kernel.loop.steps)
        state = np.append(whole[0], number * eta)
        rows = kernel.counterterms(state, data, order=4)[:, :2]
        partial = [moved + sum(eta**k * row for k, row in enumerate(rows[: n + 1])) for n in range(4)]
        defects.append([np.linalg.norm(part) for part in partial])
    slopes = np.log2(np.array(defects[0]) / np.array(defects[1]))
    np.testing.assert_allclose(slopes, [1, 2, 3, 4], atol=0.25)


def test_batches_of_what_has_batches_or_players_are_refused():
    with pytest.raises(InputError, match="batches or players of its own"):
        loop_of("simultaneous-descent-ascent", None, 2, 8)
    with pytest.raises(InputError, match="has no data"):
        loop_of("gradient-descent", None, 2, 0)
    with pytest.raises(InputError, match="choose from eta, beta"):
        loop_of("heavy-ball", {"gamma": "tau"})
    with pytest.raises(InputError, match="mean over all orders"):
        loop_of("heavy-ball", None, {"count": 2, "order": "reshuffled"}, 8)


def test_directional_derivatives_are_those_of_the_kernel():
    data = samples(6)

    def taylor(direction, order):
        series = np.zeros((order + 1, 2))
        series[:2] = [THETA, direction][: order + 1]
        return KERNEL.gradient_series(series, data)[order]

    vector = np.array([0.2, 0.7])
    found = directional_derivative(taylor, [(vector, 1)], 2)
    np.testing.assert_allclose(found, KERNEL.hessian_vector(THETA, vector, data), rtol=1e-13)


def test_a_memory_on_the_slow_manifold_stays_there():
    data = samples(8)
    kernel = LoopKernel(KERNEL, loop_of("heavy-ball", "exp(-tau)", {"count": 4}, 8, beta=Fraction(1, 2)))
    whole, number, _ = settled(kernel, np.append(THETA, 0.0), 0.002, data, 60)
    (found,) = kernel.memory(np.append(whole[0], number * 0.002), 0.002, 6, (data,))
    np.testing.assert_allclose(found, whole[1], rtol=1e-11)
