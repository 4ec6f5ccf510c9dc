"""Noise beside means over *all* orders of batches of a network with 13 parameters, nothing drawn (theory §19).

At a fixed time, where epochs are repeated as η falls, errors of weak order 1 fall like η²; that can be enumerated for a
rule that forgets at once.  A memory of 0.9 is forgotten after 88 steps only: at a fixed number of steps errors fall
with one power more, that of the time.
"""

from itertools import permutations

import numpy as np
import pytest
from shared_kernels import kernel

import eomsym
from eomsym.dynamics import noise_equations
from eomsym.optimizers import chosen

SIZE, SLACK = 13, 0.15


def problem(count):
    generator = np.random.default_rng(11)
    return (
        generator.normal(size=(count, 2)),
        2 * generator.normal(size=(count, 1)),
        generator.normal(size=SIZE) / 2,
    )


class Network:
    """The 2-3-1 tanh network by hand, at many points: ½(out − y)² of one sample."""

    def __init__(self, count):
        self.inputs, self.targets, self.theta = problem(count)
        self.count = count

    def outputs(self, states, sample):
        weights, biases = states[:, :6].reshape(-1, 2, 3), states[:, 6:9]
        hidden = np.tanh(np.einsum("i,sij->sj", self.inputs[sample], weights) + biases)
        return hidden, (hidden * states[:, 9:12]).sum(axis=1) + states[:, 12] - self.targets[sample, 0]

    def gradients(self, states, sample):
        hidden, rest = self.outputs(states, sample)
        back = rest[:, None] * states[:, 9:12] * (1 - hidden**2)
        first = self.inputs[sample][None, :, None] * back[:, None, :]
        return np.hstack([first.reshape(-1, 6), back, rest[:, None] * hidden, rest[:, None]])

    def moments(self, states):
        """θ, θθᵀ, ‖θ‖² and the loss, in the mean."""
        losses = np.mean([self.outputs(states, sample)[1] ** 2 / 2 for sample in range(self.count)])
        return states.mean(axis=0), states.T @ states / len(states), (states**2).sum(axis=1).mean(), losses


def of_all_orders(network, name, eta, order, rounds):
    """Means over all permutations of each epoch, or over all sequences of steps, by the rule's own steps."""
    entry, given = chosen(name, {})
    values = {key: float(value) for key, value in entry.complete(given).items()}
    start = entry.initial_state(network.theta, None, eta=eta, **values)
    start = tuple(part[None] if np.size(part) == SIZE else part for part in map(np.asarray, start))

    def step(state, sample):
        return entry.run(lambda at, field=0: network.gradients(at, sample), state, eta, **values)

    def together(states):
        return tuple(
            np.concatenate(parts) if np.ndim(parts[0]) > 1 else parts[0] for parts in zip(*states, strict=True)
        )

    state, length = start, network.count if order == "shuffled" else 1
    for _ in range(rounds):
        ends = []
        for visits in permutations(range(network.count), length):
            after = state
            for sample in visits:
                after = step(after, sample)
            ends.append(after)
        state = together(ends)
    return network.moments(state[0])


def predicted(network, name, eta, order, steps):
    data = network.inputs, network.targets
    batches = eomsym.Batches(1, order)
    training = eomsym.Training(kernel("tiny"), data, name, eta, theta=network.theta, batches=batches)
    noise = eomsym.noise(training, steps, every=steps, observables=("loss", "norm2"))
    square = noise.expected(lambda theta: np.outer(theta, theta))
    return noise.mean, square, noise.expected("norm2")[-1], noise.expected("loss")[-1]


def errors(name, count, eta, order, rounds):
    network, steps = Network(count), rounds * (count if order == "shuffled" else 1)
    pairs = zip(
        predicted(network, name, eta, order, steps), of_all_orders(network, name, eta, order, rounds), strict=True
    )
    return np.array([np.linalg.norm(np.subtract(one, other)) for one, other in pairs])


def check(slopes, slope):
    """Those of θ and θθᵀ; ‖θ‖² and the loss are sums in which leading errors nearly cancel: they fall as fast."""
    np.testing.assert_allclose(slopes[:2], slope, atol=SLACK)
    assert (slopes[2:] > slope - SLACK).all(), slopes


@pytest.mark.parametrize(("count", "epochs"), [(3, (2, 4)), (4, (1, 2))])
def test_errors_of_shuffled_descent_at_a_fixed_time(count, epochs):
    rows = [errors("gradient-descent", count, 0.15 / count / rounds, "shuffled", rounds) for rounds in epochs]
    check(np.log2(np.divide(*rows)), 2)


LINEAR = pytest.mark.parametrize("name", ["gradient-descent", "heavy-ball", "nesterov"])


@LINEAR
@pytest.mark.parametrize("count", [3, 4])
def test_errors_of_epochs_at_a_fixed_number_of_steps(name, count):
    check(np.log2(np.divide(*[errors(name, count, eta, "shuffled", 2) for eta in (0.002, 0.001)])), 3)


@LINEAR
def test_errors_of_independent_batches_at_a_fixed_number_of_steps(name):
    """No drift of an epoch, whose next order leads the error: a power is gained, but for the loss: it sees skewness."""
    slopes = np.log2(np.divide(*[errors(name, 3, eta, "independent", 8) for eta in (0.002, 0.001)]))
    np.testing.assert_allclose(slopes[:2], 4, atol=SLACK)
    assert slopes[2] > 4 - 2 * SLACK
    of_loss = np.log2(np.divide(*[errors(name, 3, eta, "independent", 8)[3] for eta in (2.5e-4, 1.25e-4)]))
    assert of_loss == pytest.approx(3, abs=SLACK)


@LINEAR
def test_without_the_drift_of_an_epoch_a_power_is_lost(name, monkeypatch):
    monkeypatch.setattr(noise_equations.MomentStep, "_apart_turned", lambda self, columns, turned: 0 * columns)
    rows = [errors(name, 3, eta, "shuffled", 2) for eta in (0.002, 0.001)]
    np.testing.assert_allclose(np.log2(np.divide(*rows))[:2], 2, atol=SLACK)


def test_without_the_drift_at_a_fixed_time(monkeypatch):
    monkeypatch.setattr(noise_equations.MomentStep, "_apart_turned", lambda self, columns, turned: 0 * columns)
    rows = [errors("gradient-descent", 3, 0.15 / 3 / rounds, "shuffled", rounds) for rounds in (2, 4)]
    np.testing.assert_allclose(np.log2(np.divide(*rows))[:2], 1, atol=SLACK)


@pytest.mark.parametrize("name", ["torch.Adam()", "torch.Adam(eps=1e-3)"])
def test_what_is_small_in_adam_is_no_rate(name):
    """Its memory has noise of the size of its mean, whatever η is: θ has an error in proportion to η, no higher power.

    With the noise scaled errors fall with its cube (test_noise.py).
    """
    rows = np.array([errors(name, 3, eta, "shuffled", 2) for eta in (1e-3, 5e-4)])
    np.testing.assert_allclose(np.log2(np.divide(*rows))[:2], 1, atol=SLACK)
    assert (rows[:, 0] < 0.2 * 6 * SIZE**0.5 * np.array([1e-3, 5e-4])).all()
