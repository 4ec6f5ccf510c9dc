"""Noise of batches: all sequences of batches of a network with 13 parameters, exact recursions, real runs."""

from __future__ import annotations

import json
from functools import cache
from itertools import combinations, product

import asking
import numpy as np
import pytest
from shared_kernels import kernel

import eomsym
from eomsym.dynamics import noise_equations
from eomsym.dynamics.differentials import elementary_differentials
from eomsym.dynamics.noise_equations import Draw, Spread, moment_rates, noise_factor, stepped_moments
from eomsym.dynamics.noise_prediction import predict_noise
from eomsym.dynamics.noise_record import expectation
from eomsym.dynamics.setting import Setting
from eomsym.errors import InputError, IntegrationError
from eomsym.trees import parse_tree

GENERATOR = np.random.default_rng(11)
INPUTS, TARGETS, THETA = GENERATOR.normal(size=(2, 2)), 2 * GENERATOR.normal(size=(2, 1)), GENERATOR.normal(size=13) / 2
OBSERVABLES = ("loss", "norm2")
TIME, STEPS = 0.3, (7, 14)

OF = Setting("gradient-descent", eta=0.4)


def layers(states):
    return states[:, :6].reshape(-1, 2, 3), states[:, 6:9], states[:, 9:12], states[:, 12]


def outputs(states, sample):
    weights, biases, last, bias = layers(states)
    hidden = np.tanh(np.einsum("i,sij->sj", INPUTS[sample], weights) + biases)
    return hidden, (hidden * last).sum(axis=1) + bias - TARGETS[sample, 0]


def gradients(states, sample):
    """Of one sample's ½(out − y)² for the 2-3-1 tanh network, by hand, at many points."""
    hidden, rest = outputs(states, sample)
    back = rest[:, None] * layers(states)[2] * (1 - hidden**2)
    first = INPUTS[sample][None, :, None] * back[:, None, :]
    return np.hstack([first.reshape(-1, 6), back, rest[:, None] * hidden, rest[:, None]])


@cache
def of_all_sequences(steps):
    """Exact means of θ, θθᵀ, ‖θ‖² and the loss over all 2^steps sequences of single samples."""
    states = THETA[None]
    for _ in range(steps):
        states = np.vstack([states - TIME / steps * gradients(states, sample) for sample in range(2)])
    losses = np.mean([outputs(states, sample)[1] ** 2 / 2 for sample in range(2)])
    return states.mean(axis=0), states.T @ states / len(states), (states**2).sum(axis=1).mean(), losses


def errors(**options):
    """Of θ, θθᵀ, ‖θ‖² and the loss, after 7 and 14 steps."""
    found = []
    for steps in STEPS:
        noise = of_network(steps=steps, eta=TIME / steps, every=steps, **options)
        square = noise.expected(lambda theta: np.outer(theta, theta))
        predicted = noise.mean, square, noise.expected("norm2")[-1], noise.expected("loss")[-1]
        exact = of_all_sequences(steps)
        found.append([np.linalg.norm(one - other) for one, other in zip(predicted, exact, strict=True)])
    return np.array(found)


def of_network(steps=4, eta=0.05, **options):
    return asking.noise(kernel("tiny"), THETA, eta, steps, INPUTS, TARGETS, **{"observables": OBSERVABLES, **options})


def test_weak_slopes_by_all_sequences():
    """The error of steps in θ is a hundredth of the equations' here, and nearly vanishes: hence its slope."""
    equations, steps = errors(), errors(rank=13)
    np.testing.assert_allclose(np.log2(np.divide(*equations)), 2, atol=0.1)
    of_mean, *others = np.log2(np.divide(*steps))
    np.testing.assert_allclose(others, 2, atol=0.1)
    assert of_mean == pytest.approx(2, abs=0.25)
    assert (steps < equations / 1.5).all()


def without_counterterm(loss, draw, eta, mean, covariance):
    drift, growth = moment_rates(loss, draw, eta, mean, covariance)
    _, turned, _ = loss.along(mean, loss.gradient(mean)[:, None])
    return drift + eta / 2 * turned[:, 0], growth


def without_noise(loss, draw, eta, mean, covariance):
    drift, _ = moment_rates(loss, draw, eta, mean, covariance)
    return drift, 0 * covariance


@pytest.mark.parametrize("control", [without_counterterm, without_noise])
def test_each_part_is_needed(control, monkeypatch):
    monkeypatch.setattr(noise_equations, "moment_rates", control)
    np.testing.assert_allclose(np.log2(np.divide(*errors())), 1, atol=0.2)


class Quadratic:
    """½ θᵀAθ with samples that add constant forces: the recursions of mean and covariance are exact."""

    def __init__(self, matrix, forces):
        self.matrix, self.forces = matrix, forces - forces.mean(axis=0)
        self.samples, self.size = forces.shape

    def along(self, theta, columns):
        return self.matrix @ theta, self.matrix @ columns, 0 * columns

    def sample_gradients(self, theta):
        return self.matrix @ theta + self.forces

    def gradient(self, theta, chosen=None):
        return self.matrix @ theta + (0 if chosen is None else self.forces[chosen].mean(axis=0))

    def loss(self, theta):
        return theta @ self.matrix @ theta / 2


def quadratic(size=5, samples=40, seed=3):
    generator = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(generator.normal(size=(size, size)))
    return Quadratic(basis * np.geomspace(0.1, 3, size) @ basis.T, generator.normal(size=(samples, size)))


@pytest.mark.parametrize(("replacement", "ways"), [(True, product), (False, combinations)])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_covariance_of_a_batch_by_all_batches(replacement, ways, size):
    loss, theta = quadratic(samples=5), np.arange(5.0)
    batches = product(range(5), repeat=size) if ways is product else combinations(range(5), size)
    means = [loss.gradient(theta, list(batch)) for batch in batches]
    factor = noise_factor(loss, Draw(5, size, replacement), theta)
    np.testing.assert_allclose(factor @ factor.T, np.cov(np.transpose(means), bias=True), atol=1e-13)


def test_all_samples_without_replacement_make_no_noise():
    found = of_network(batch_size=2, replacement=False, rank=13)
    assert found.traces.tolist() == [0] * len(found.steps)
    np.testing.assert_allclose(found.expected("loss"), found.without["loss"], rtol=1e-14)
    assert of_network(batch_size=2, replacement=False, ensemble=10).ensemble.traces[-1] < 1e-28


@pytest.mark.parametrize("rank", [5, 9])
def test_steps_are_exact_on_quadratics_with_constant_noise(rank):
    loss, eta, draw = quadratic(), 0.5, Draw(40, 4, True)
    each = noise_factor(loss, draw, np.zeros(5))
    shrink, covariance = np.eye(5) - eta * loss.matrix, np.zeros((5, 5))
    for (mean, spread), step in zip(
        stepped_moments(loss, draw, eta, np.ones(5), range(8), rank), range(8), strict=True
    ):
        np.testing.assert_allclose(mean, np.linalg.matrix_power(shrink, step) @ np.ones(5), atol=1e-13)
        np.testing.assert_allclose(spread.matrix, covariance, atol=1e-13)
        covariance = shrink @ covariance @ shrink + eta**2 * each @ each.T


def test_rates_are_those_of_elementary_differentials():
    """g'g and g''(S) by trees, HS by Hessian-vector products: another route to every term."""
    tiny, eta, data = kernel("tiny"), 0.3, (INPUTS, TARGETS)
    factor = np.random.default_rng(0).normal(size=(13, 13))
    covariance = factor @ factor.T
    loss = eomsym.dynamics.noise_prediction.KernelLoss(tiny, data)
    drift, growth = moment_rates(loss, Draw(2, 1, True), eta, THETA, covariance)
    hessian = np.array([tiny.hessian_vector(THETA, unit, *data) for unit in np.eye(13)])
    slope = tiny.gradient(THETA, *data)
    chain = elementary_differentials(tiny, THETA, [parse_tree("[[]]")], data)[parse_tree("[[]]")]
    step = 1e-4
    bent = sum(
        tiny.gradient(THETA + step * c, *data) - 2 * slope + tiny.gradient(THETA - step * c, *data) for c in factor.T
    )
    np.testing.assert_allclose(drift, -slope - eta / 2 * (chain + bent / step**2), rtol=1e-4)
    apart = np.array([gradients(THETA[None], sample)[0] for sample in range(2)])
    sigma = np.cov(apart.T, bias=True)
    np.testing.assert_allclose(growth, sigma - hessian @ covariance - covariance @ hessian, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_what_the_columns_leave_out_keeps_the_trace(rank):
    """Exact at every rank where the curvature is the same in all directions."""
    loss = Quadratic(0.7 * np.eye(6), np.random.default_rng(1).normal(size=(30, 6)))
    traces = [low_rank(loss, columns).trace for columns in (rank, 6)]
    assert traces[0] == pytest.approx(traces[1], rel=1e-12)
    assert low_rank(loss, rank).diagonal.sum() / traces[0] > 0.1


def low_rank(loss, rank, eta=0.4, steps=9):
    return list(stepped_moments(loss, Draw(loss.samples, 3, True), eta, np.ones(loss.size), [0, steps], rank))[-1][1]


def test_low_rank_with_different_curvatures():
    """The diagonal part mixes all directions, noise stays longest in flat ones: its share says what is at stake."""
    loss = quadratic(20, 60)
    exact, found = low_rank(loss, 20).trace, [low_rank(loss, rank) for rank in (2, 5, 10, 15)]
    apart = [abs(spread.trace / exact - 1) for spread in found]
    assert apart == sorted(apart, reverse=True)
    assert apart[-1] < 0.02
    for spread, error in zip(found, apart, strict=True):
        assert error < spread.diagonal.sum() / spread.trace / 2


def test_a_diagonal_with_most_of_the_trace_is_told():
    settings = {"observables": (), "every": None, "ensemble": 0, "seed": 0}
    loss, draw = quadratic(20, 60), Draw(60, 3, True)
    told = [str(predict_noise(loss, draw, np.ones(20), 0.4, 9, OF, rank=rank, **settings)) for rank in (1, 15)]
    assert ["take a larger rank" in text for text in told] == [True, False]


def test_more_columns_come_nearer():
    exact = of_network(steps=20, rank=13).traces[-1]
    apart = [abs(of_network(steps=20, rank=rank).traces[-1] / exact - 1) for rank in (1, 3, 6)]
    assert apart[-1] < 1e-6 < apart[0] < 0.5


def test_expectations_are_exact_for_quadratic_observables():
    generator = np.random.default_rng(4)
    mean, spread = generator.normal(size=4), Spread(generator.normal(size=(4, 2)), np.zeros(4))
    matrix = generator.normal(size=(4, 4))
    wanted = mean @ matrix @ mean + np.trace(matrix @ spread.matrix)
    assert expectation(lambda theta: theta @ matrix @ theta, mean, spread) == pytest.approx(wanted, rel=1e-13)
    with_diagonal = Spread(np.zeros((4, 1)), np.arange(4.0))
    assert expectation(lambda theta: theta @ theta, mean, with_diagonal) == pytest.approx(mean @ mean + 6, rel=1e-13)


def test_an_ensemble_stands_beside_with_its_errors():
    found = of_network(steps=20, eta=0.02, ensemble=300, seed=5)
    beside = found.ensemble
    assert beside.runs == 300
    assert beside.traces[0] == beside.trace_errors[0] == beside.standard_errors["loss"][0] == 0
    for name in OBSERVABLES:
        apart = np.abs(found.expected(name) - beside.expectations[name])[1:]
        assert (apart < 4 * beside.standard_errors[name][1:] + 1e-3 * found.expected(name)[1:]).all()
    assert found.traces[-1] == pytest.approx(beside.traces[-1], rel=0.2)
    assert found.expected("loss")[-1] > 1.002 * found.without["loss"][-1]
    again = of_network(steps=20, eta=0.02, ensemble=300, seed=5).ensemble
    np.testing.assert_array_equal(beside.means, again.means)
    assert (of_network(steps=20, eta=0.02, ensemble=300, seed=6).ensemble.means != beside.means)[1:].any()


def test_the_record(tmp_path):
    found = of_network(steps=10, every=4, ensemble=20, rank=2, observables={"first": lambda theta: theta[0]})
    assert found.steps == (0, 4, 8, 10)
    assert json.loads(json.dumps(found.to_dict()))["ensemble"]["runs"] == 20
    assert found.table().splitlines()[0].split("  ")[-1] == "first, no noise"
    assert len(found.table().splitlines()) == 5
    assert "covariance of rank 2 and a diagonal with " in str(found)
    assert repr(found).startswith("Noise(steps 0 to 10, trace ")
    assert found.expected("first").shape == (4,)
    assert found.expected(lambda theta: theta[:3]).shape == (3,)
    assert 0 < found.outside < 1
    assert np.trace(found.covariance) == pytest.approx(found.traces[-1])
    found.plot().savefig(tmp_path / "noise.png")
    bare = of_network(observables=())
    assert bare.table().splitlines()[0].split() == ["step", "trace"]
    bare.plot().savefig(tmp_path / "bare.png")


BAD = [
    ({"batch_size": 0}, r"batches: size 0: out of range; give an integer of at least 1"),
    ({"batch_size": 3, "replacement": False}, "batches: size 3: .*without replacement there are 2 samples"),
    ({"batch_size": 1.5}, "batches: .*give a size"),
    ({"eta": 0.0}, "eta 0.0: give a finite number above 0"),
    ({"steps": 0}, "steps 0"),
    ({"rank": 14}, "rank 14: out of range; give an integer from 1 to 13"),
    ({"every": 5}, "every 5: out of range"),
    ({"ensemble": 9}, "ensemble 9: too few for a standard error; give 0 or at least 10"),
    ({"seed": -1}, "seed -1"),
    ({"observables": ("accuracy",)}, "observable 'accuracy': unknown; choose from loss, norm2"),
    ({"observables": "accuracy"}, "observable 'accuracy'"),
    ({"observables": {"first": 1}}, "observable 'first': is no function"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[str(options) for options, _ in BAD])
def test_bad_input_is_one_line(options, message):
    with pytest.raises(InputError, match=message) as caught:
        of_network(**options)
    assert "\n" not in str(caught.value)


def test_losses_and_kernels_that_have_no_noise_to_predict(tmp_path):
    tiny = kernel("tiny")
    with pytest.raises(InputError, match="data: none given"):
        asking.noise(tiny, THETA, 0.1, 3)
    with pytest.raises(InputError, match="double-double"):
        asking.noise(kernel("tiny, double-double"), THETA, 0.1, 3, INPUTS, TARGETS)
    with pytest.raises(InputError, match="order 2, needed for the curvature"):
        asking.noise(kernel("iris"), np.zeros(75), 0.1, 3, np.zeros((3, 4)), np.zeros(3, dtype=np.int64))
    batch = kernel("batch")
    inputs, theta = np.random.default_rng(0).normal(size=(6, 2)), batch.model.initial(0)
    labels = np.array([0, 1, 0, 1, 1, 0])
    with pytest.raises(InputError, match="no mean over its samples"):
        asking.noise(batch, theta, 0.1, 3, inputs, labels)
    with pytest.raises(InputError, match="shape"):
        asking.noise(tiny, THETA, 0.1, 3, INPUTS, TARGETS[:1])
    with pytest.raises(InputError, match="was not asked for; there are loss, norm2"):
        of_network().expected("accuracy")


@pytest.mark.parametrize("options", [{"eta": 1e3, "rank": 13}, {"eta": 1e160, "rank": 13, "steps": 1}, {"eta": 1e3}])
def test_a_step_too_large_says_so(options):
    with pytest.raises(IntegrationError, match="take a smaller eta") as caught:
        of_network(**{"steps": 60, **options})
    assert "\n" not in str(caught.value)


def test_a_path_that_leaves_the_numbers_says_so():
    stiff = Quadratic(np.diag([1e3, 1.0]), np.random.default_rng(0).normal(size=(4, 2)))
    settings = {"observables": (), "every": None, "ensemble": 0, "seed": 0}
    with pytest.raises(IntegrationError, match=r"not finite after .* steps; take a smaller eta"):
        predict_noise(stiff, Draw(4, 1, True), np.ones(2), 1.0, 200, OF, rank=2, **settings)


@pytest.mark.slow
def test_digits_with_batches_of_32_for_two_epochs():
    """Trace of the covariance and mean loss within 10 % of 400 runs; what noise adds to the loss too."""
    digits, data = kernel("digits"), eomsym.models.dataset("digits").arrays
    theta = digits.model.initial(0)
    found = asking.noise(digits, theta, 0.1, 112, *data, batch_size=32, every=28, ensemble=400)
    beside = found.ensemble
    assert found.rank == 64
    np.testing.assert_allclose(found.traces[1:], beside.traces[1:], rtol=0.1)
    np.testing.assert_allclose(found.expected("loss"), beside.expectations["loss"], rtol=0.002)
    added = [values[-1] - found.without["loss"][-1] for values in (found.expected("loss"), beside.expectations["loss"])]
    assert added[0] == pytest.approx(added[1], rel=0.1)
