"""Noise of batches: all sequences of batches of a network with 13 parameters, exact recursions, real runs."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import combinations, islice, permutations, product

import asking
import numpy as np
import pytest
from shared_kernels import kernel

import eomsym
from eomsym.dynamics import noise_equations, noise_prediction
from eomsym.dynamics.loader import Loader
from eomsym.dynamics.noise_equations import NoisyRun, Spread
from eomsym.dynamics.noise_prediction import predict_noise
from eomsym.dynamics.noise_record import expectation
from eomsym.dynamics.setting import Setting
from eomsym.errors import InputError, IntegrationError
from eomsym.optimizers import chosen, registry

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
    """The error of steps in θ nearly vanishes: hence its slope."""
    of_mean, *others = np.log2(np.divide(*errors()))
    np.testing.assert_allclose(others, 2, atol=0.1)
    assert of_mean == pytest.approx(2, abs=0.25)


@pytest.mark.parametrize("part", ["bent", "fresh"])
def test_each_part_is_needed(part, monkeypatch):
    """Without what noise adds to the drift, or without noise, the weak order is 0."""
    if part == "bent":
        plain = noise_equations.curvature
        monkeypatch.setattr(noise_equations, "curvature", lambda *given: (*plain(*given)[:2], 0 * given[1]))
    else:
        step = noise_equations.MomentStep
        monkeypatch.setattr(step, "fresh", lambda self: (np.zeros((13, 0)), np.zeros(0)))
    slopes = np.log2(np.divide(*errors()))
    np.testing.assert_allclose(slopes[0] if part == "bent" else slopes, 1, atol=0.2)


class Quadratic:
    """½ θᵀAθ with samples that add constant forces: the recursions of mean and covariance are exact."""

    def __init__(self, matrix, forces):
        self.matrix, self.forces = matrix, forces - forces.mean(axis=0)
        self.samples, self.size = forces.shape
        self.pieces = [np.array([number]) for number in range(self.samples)]

    def piece_turned(self, theta, columns):
        return columns @ self.matrix

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


def of_quadratic(loss, loader, eta, theta, steps, rank=None):
    """Means, and covariances of θ, before each step and after the last."""
    run = NoisyRun(loss, loader, registry.get("gradient-descent"), lambda step: (eta, {}), rank)
    generator = np.random.default_rng(0)
    for moments, _ in zip(run.moments((theta,)), range(steps + 1), strict=False):
        yield moments.state[0], run.covariance(moments, generator)


@pytest.mark.parametrize("order", ["independent", "replacement"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_covariance_of_a_batch_by_all_batches(order, size):
    loss, theta = quadratic(samples=5), np.arange(5.0)
    batches = product(range(5), repeat=size) if order == "replacement" else combinations(range(5), size)
    means = [loss.gradient(theta, list(batch)) for batch in batches]
    (_, _), (_, spread) = of_quadratic(loss, Loader(5, size, order), 0.1, theta, 1)
    np.testing.assert_allclose(spread.matrix, 0.01 * np.cov(np.transpose(means), bias=True), atol=1e-14)


def test_all_samples_without_replacement_make_no_noise():
    found = of_network(batch_size=2, replacement=False, rank=13)
    assert max(found.traces) < 1e-28
    np.testing.assert_allclose(found.expected("loss"), found.without["loss"], rtol=1e-14)
    assert of_network(batch_size=2, replacement=False, ensemble=10).ensemble.traces[-1] < 1e-28


@pytest.mark.parametrize("rank", [None, 5])
def test_steps_are_exact_on_quadratics_with_constant_noise(rank):
    loss, eta, size = quadratic(), 0.5, 4
    each = loss.forces.T / np.sqrt(40 * size)
    shrink, covariance = np.eye(5) - eta * loss.matrix, np.zeros((5, 5))
    moments = of_quadratic(loss, Loader(40, size, "replacement"), eta, np.ones(5), 7, rank)
    for step, (mean, spread) in enumerate(moments):
        np.testing.assert_allclose(mean, np.linalg.matrix_power(shrink, step) @ np.ones(5), atol=1e-13)
        np.testing.assert_allclose(spread.matrix, covariance, atol=1e-13)
        covariance = shrink @ covariance @ shrink + eta**2 * each @ each.T


@pytest.mark.parametrize("rank", [None, 8])
@pytest.mark.parametrize("name", ["gradient-descent", "heavy-ball"])
def test_gaussian_noise_is_exact_on_quadratics(name, rank):
    """A kick of σ at one step is what later steps make of it: the covariance sums over the steps at which it came."""
    loss, eta, beta, sigma, steps = quadratic(20), 0.1, 0.9 * (name == "heavy-ball"), 0.3, 6
    values = {"beta": beta} if beta else {}
    start = (np.ones(20), np.zeros(20)) if beta else (np.ones(20),)
    run = NoisyRun(loss, Loader(40, 40), registry.get(name), lambda step: (eta, values), rank, gaussian=sigma)
    *_, last = (moments for moments, _ in zip(run.moments(start), range(steps + 1), strict=False))
    kicks = []
    for _ in range(steps):
        theta, velocity = np.zeros((20, 20)), np.zeros((20, 20))
        kicks = [
            (place + eta * -(beta * speed + loss.matrix @ place), beta * speed + loss.matrix @ place)
            for place, speed in kicks
        ]
        kicks.append((theta - eta * sigma * np.eye(20), velocity + sigma * np.eye(20)))
    truth = sum(place @ place.T for place, _ in kicks)
    found = run.covariance(last, np.random.default_rng(0)).matrix
    if rank is None:
        np.testing.assert_allclose(found, truth, atol=1e-14)
        assert np.abs(found - 1.1 * truth).max() > 1e-4
    else:
        np.testing.assert_allclose(np.trace(found), np.trace(truth), rtol=0.1)


class Quartic:
    """Samples with random polynomials of degree four in three variables, ``sigma`` times apart from their mean."""

    size = 3

    def __init__(self, samples, sigma):
        random = np.random.default_rng(0)
        self.samples, self.pieces = samples, [np.array([number]) for number in range(samples)]
        self.parts = []
        for degree, size in ((1, 1.0), (2, 1.0), (3, 1.0), (4, 0.5)):
            part = random.normal(size=(samples, *(3,) * degree))
            orders = list(permutations(range(1, degree + 1)))
            part = size * sum(part.transpose(0, *order) for order in orders) / len(orders)
            part = part + (1.5 * np.eye(3) if degree == 2 else 0)
            self.parts.append(part.mean(axis=0) + sigma * (part - part.mean(axis=0)))

    def sample_gradients(self, theta):
        a, b, c, e = self.parts
        once = np.einsum("nijkl,l->nijk", e, theta)
        return a + b @ theta + (c @ theta) @ theta / 2 + ((once @ theta) @ theta) / 6

    def hessians(self, theta):
        _, b, c, e = self.parts
        return b + c @ theta + (e @ theta) @ theta / 2

    def along(self, theta, columns):
        _, _, c, e = self.parts
        bent = np.einsum("ijk,jr,kr->ir", (c + e @ theta).mean(axis=0), columns, columns)
        return self.gradient(theta), self.hessians(theta).mean(axis=0) @ columns, bent

    def piece_turned(self, theta, columns):
        return np.einsum("mij,mrj->mri", self.hessians(theta), columns)

    def gradient(self, theta, chosen=None):
        each = self.sample_gradients(theta)
        return each.mean(axis=0) if chosen is None else each[list(chosen)].mean(axis=0)


def epochs(loader):
    """All that an epoch may be, with how often it is."""
    ends = np.cumsum(loader.sizes)
    found = Counter()
    for order in permutations(range(loader.samples)):
        found[tuple(tuple(sorted(part)) for part in np.split(np.array(order), ends)[: len(ends)])] += 1
    return [(batches, count / sum(found.values())) for batches, count in found.items()]


def of_all_orders(loss, loader, entry, values, eta, count):
    """Mean and covariance of the whole state over all orders of ``count`` epochs, by the rule's own steps."""
    states = [(1.0, entry.initial_state(PLACE, None, **values))]
    for _ in range(count):
        following = []
        for weight, state in states:
            for batches, share in epochs(loader):
                after = state
                for chosen_samples, factor in zip(batches, loader.weights, strict=True):
                    gradient = lambda at, field=0, b=chosen_samples, f=factor: f * loss.gradient(at, b)  # noqa: E731
                    after = entry.run(gradient, after, eta, **values)
                following.append((weight * share, after))
        states = following
    whole = np.array([np.concatenate([part for part in state if len(part) == 3]) for _, state in states])
    weights = np.array([weight for weight, _ in states])
    mean = weights @ whole
    return mean, (whole - mean).T @ ((whole - mean) * weights[:, None])


PLACE = np.array([0.4, -0.3, 0.5])
RULES = {
    "gradient-descent": (0.1, {}),
    "heavy-ball": (0.05, {"beta": "9/10"}),
    "nesterov": (0.05, {"beta": "9/10"}),
    "rmsprop": (0.05, {"beta2": "9/10", "epsilon": "1/10"}),
    "adam": (0.05, {"beta1": "9/10", "beta2": "99/100", "epsilon": "1/10"}),
}
LOADERS = [(4, 1, "keep"), (5, 2, "keep"), (5, 2, "drop"), (5, 2, "weight")]


def errors_in_the_noise(name, loader, sigmas, nonlinear=False, **changed):
    """Errors of mean and covariance after two epochs, one row a size of the noise."""
    eta, given = RULES[name]
    entry, exact = chosen(name, given)
    values = {key: float(value) for key, value in exact.items()}
    errors = []
    for sigma in sigmas:
        loss = Quartic(loader.samples, sigma)
        mean, covariance = of_all_orders(loss, loader, entry, values, eta, 2)
        run = NoisyRun(loss, replace(loader, **changed), entry, lambda step: (eta, values), None, nonlinear)
        moments = run.moments(entry.initial_state(PLACE, None, **values))
        *_, last = islice(moments, 2 * len(loader.sizes) + 1)
        predicted = np.concatenate([part for part in last.state if len(part) == 3])
        errors.append([np.linalg.norm(predicted - mean), np.linalg.norm(last.spread.matrix - covariance)])
    return np.array(errors)


def slopes_in_the_noise(name, loader, sigmas, **options):
    errors = errors_in_the_noise(name, loader, sigmas, **options)
    return np.log2(errors[:-1] / errors[1:])[-1]


@pytest.mark.parametrize("parts", LOADERS, ids=str)
@pytest.mark.parametrize("name", ["gradient-descent", "heavy-ball", "nesterov"])
def test_errors_fall_with_the_cube_of_the_noise(name, parts):
    """The test that decides (theory §19): fixed η, the noise scaled, all orders of two epochs enumerated."""
    samples, size, last = parts
    slopes = slopes_in_the_noise(name, Loader(samples, size, "shuffled", last), (0.04, 0.02))
    np.testing.assert_allclose(slopes, 3, atol=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("parts", LOADERS, ids=str)
@pytest.mark.parametrize("name", ["rmsprop", "adam"])
def test_errors_of_adaptive_rules_fall_as_fast(name, parts):
    """The slope of the mean passes through cancellations, where error/σ³ is least: it is bounded by the largest."""
    samples, size, last = parts
    sigmas = np.array([0.04, 0.02, 0.01, 0.005])
    errors = errors_in_the_noise(name, Loader(samples, size, "shuffled", last), sigmas, nonlinear=True)
    np.testing.assert_allclose(np.log2(errors[-2, 1] / errors[-1, 1]), 3, atol=0.15)
    coefficients = errors[:, 0] / sigmas**3
    assert coefficients[-1] < 1.25 * coefficients[:-1].max()  # twice it, if errors fell with the square


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rmsprop", "adam"])
def test_errors_of_adaptive_rules_without_the_memory_of_an_epoch(name):
    sigmas = np.array([0.04, 0.02, 0.01, 0.005])
    errors = errors_in_the_noise(name, Loader(4, 1), sigmas, nonlinear=True, order="replacement")
    assert (np.log2(errors[-2] / errors[-1]) < 2.2).all()


def test_without_the_memory_of_an_epoch_it_falls_with_the_square_alone():
    slopes = slopes_in_the_noise("heavy-ball", Loader(4, 1), (0.04, 0.02), order="replacement")
    np.testing.assert_allclose(slopes, 2, atol=0.1)


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_what_the_columns_leave_out_keeps_the_trace(rank, monkeypatch):
    """Exact at every rank where the curvature is the same in all directions."""
    monkeypatch.setattr(noise_equations, "MIXED", 2)
    loss = Quadratic(0.7 * np.eye(6), np.random.default_rng(1).normal(size=(30, 6)))
    traces = [low_rank(loss, columns).trace for columns in (rank, 6)]
    assert traces[0] == pytest.approx(traces[1], rel=1e-12)
    assert low_rank(loss, rank).outside > 0.1


def low_rank(loss, rank, eta=0.4, steps=9):
    return list(of_quadratic(loss, Loader(loss.samples, 3, "replacement"), eta, np.ones(loss.size), steps, rank))[-1][1]


def test_what_is_mixed_is_without_bias(monkeypatch):
    """The mean of 300 predictions with other signs is the covariance; a single one is off."""
    monkeypatch.setattr(noise_equations, "MIXED", 2)
    loss, exact, seeds = quadratic(6, 30), low_rank(quadratic(6, 30), None).matrix, iter(range(300))
    draw = np.random.default_rng
    monkeypatch.setattr(noise_equations.np.random, "default_rng", lambda seed: draw(next(seeds)))
    monkeypatch.setattr(np.random, "default_rng", noise_equations.np.random.default_rng)
    run = NoisyRun(loss, Loader(30, 3, "replacement"), registry.get("gradient-descent"), lambda step: (0.4, {}), 1)
    found = []
    for _ in range(300):
        *_, last = islice(run.moments((np.ones(6),)), 10)
        found.append(last.spread.matrix)
    errors = np.std(found, axis=0) / np.sqrt(300)
    assert (np.abs(np.mean(found, axis=0) - exact) < 4.5 * errors + 1e-12).all()
    assert np.linalg.norm(found[0] - exact) > 0.1 * np.linalg.norm(exact)


def predicted(loss, loader, eta, theta, steps, rank):
    run = NoisyRun(loss, loader, registry.get("gradient-descent"), lambda step: (eta, {}), rank)
    return predict_noise(run, (theta,), steps, OF, observables=(), every=None, ensemble=0, seed=0)


def test_mixed_columns_with_most_of_the_trace_are_told():
    loss, loader = quadratic(20, 60), Loader(60, 3, "replacement")
    told = [str(predicted(loss, loader, 0.4, np.ones(20), 9, rank)) for rank in (1, 15)]
    assert ["take a larger rank" in text for text in told] == [True, False]


def test_low_rank_with_different_curvatures(monkeypatch):
    """Without what is mixed the trace is too small by far."""
    monkeypatch.setattr(noise_equations, "MIXED", 2)
    loss = quadratic(20, 60)
    exact, found = low_rank(loss, None).trace, [low_rank(loss, rank) for rank in (2, 5, 10, 15)]
    np.testing.assert_allclose([spread.trace for spread in found], exact, rtol=0.03)
    assert found[-1].trace == pytest.approx(exact, rel=0.005)
    monkeypatch.setattr(noise_equations, "_mixed", lambda columns, generator: 0 * columns[:, :2])
    assert low_rank(loss, 2).trace < 0.6 * exact


def test_expectations_are_exact_for_quadratic_observables():
    generator = np.random.default_rng(4)
    mean, spread = generator.normal(size=4), Spread(generator.normal(size=(4, 2)), np.zeros((4, 0)))
    matrix = generator.normal(size=(4, 4))
    wanted = mean @ matrix @ mean + np.trace(matrix @ spread.matrix)
    assert expectation(lambda theta: theta @ matrix @ theta, mean, spread) == pytest.approx(wanted, rel=1e-13)
    mixed = Spread(np.zeros((4, 1)), np.diag(np.sqrt(np.arange(4.0))))
    assert expectation(lambda theta: theta @ theta, mean, mixed) == pytest.approx(mean @ mean + 6, rel=1e-13)


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
    assert "covariance of rank 2 and mixed columns with " in str(found)
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


@pytest.mark.parametrize(("most", "message"), [(20, "2 gradients of 13"), (80, "7 columns of 13"), (91, None)])
def test_what_does_not_fit_is_said_beforehand(most, message, monkeypatch):
    monkeypatch.setattr(noise_prediction, "MOST_NUMBERS", most)
    if message is None:
        assert of_network(rank=5).traces[-1] > 0
        return
    with pytest.raises(InputError, match=message):
        of_network(rank=5)


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
    with pytest.raises(InputError, match="data: arrays of 1, 2 samples"):
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
    with pytest.raises(IntegrationError, match=r"not finite after .* steps; take a smaller eta"):
        predicted(stiff, Loader(4, 1, "replacement"), 1.0, np.ones(2), 200, 2)


@pytest.mark.slow
def test_digits_with_batches_of_32_for_two_epochs():
    """Trace of the covariance and mean loss within 10 % of 400 runs; what noise adds to the loss too."""
    digits, data = kernel("digits"), eomsym.models.dataset("digits").arrays
    theta = digits.model.initial(0)
    found = asking.noise(digits, theta, 0.1, 112, *data, batch_size=32, every=28, ensemble=400)
    beside = found.ensemble
    assert found.rank == 128
    np.testing.assert_allclose(found.traces[1:], beside.traces[1:], rtol=0.1)
    np.testing.assert_allclose(found.expected("loss"), beside.expectations["loss"], rtol=0.002)
    added = [values[-1] - found.without["loss"][-1] for values in (found.expected("loss"), beside.expectations["loss"])]
    assert added[0] == pytest.approx(added[1], rel=0.1)
