"""Noise of every rule of the registry at the values that people use, with a blank input, beside real runs."""

import numpy as np
import pytest
from shared_kernels import kernel

import eomsym
from eomsym.dynamics import local_jet, noise_equations
from eomsym.errors import InputError
from eomsym.optimizers import REGISTRY

GENERATOR = np.random.default_rng(3)
INPUTS = np.column_stack([GENERATOR.normal(size=12), np.zeros(12)])  # the second is blank, as pixels are
TARGETS, THETA = GENERATOR.normal(size=(12, 1)), GENERATOR.normal(size=13) / 2
#: Rules with several gradients a step, or one that is solved for; batches and players.
REFUSED = {
    **dict.fromkeys(("implicit-euler", "implicit-midpoint", "extragradient"), "takes several gradients"),
    **dict.fromkeys(("explicit-midpoint", "runge-kutta-4"), "takes several gradients"),
    **dict.fromkeys(("mini-batches", "random-reshuffling"), "takes the gradients of batches"),
    **dict.fromkeys(("simultaneous-players", "alternating-players"), "takes the gradients of batches or players"),
}
#: Relative distance of the trace that is known of rules that are nonlinear in their gradient, and of weak order 1.
ADAPTIVE, LINEAR = 0.3, 0.1


def noise(name, eta=0.003, **options):
    training = eomsym.Training(kernel("tiny"), (INPUTS, TARGETS), name, eta, theta=THETA, batches=3)
    return eomsym.noise(training, 8, every=4, **options)


@pytest.mark.parametrize("name", list(REGISTRY))
def test_each_rule_has_the_noise_of_its_runs_or_says_why_not(name):
    if name in REFUSED:
        with pytest.raises(InputError, match=REFUSED[name]) as caught:
            noise(name)
        assert "\n" not in str(caught.value)
        return
    found = noise(name, ensemble=300)
    runs = found.ensemble
    slack = LINEAR if eomsym.optimizers.get(name).rule(**_values(name)).linear else ADAPTIVE
    assert (found.traces[1:] > 0).all()
    np.testing.assert_array_less(
        np.abs(found.traces - runs.traces)[1:], (4 * runs.trace_errors + slack * runs.traces)[1:]
    )
    errors = 4 * runs.standard_errors["loss"] + 1e-9
    np.testing.assert_array_less(np.abs(found.expected("loss") - runs.expectations["loss"]), errors)
    blank = np.arange(6).reshape(2, 3)[1]
    # weights of what is blank stay where they are, but for rounding over epsilon
    assert np.abs(found.covariance[blank]).max() < 1e-20 * found.traces[-1]
    assert not found.warnings


def _values(name):
    return eomsym.optimizers.get(name).complete({})


@pytest.mark.parametrize("name", ["gradient-descent", "heavy-ball", "torch.Adam()"])
def test_gaussian_noise_beside_plain_runs(name):
    """Runs of a loop of its own, in which the gradient of all samples gets the noise."""
    tiny, sigma, steps, runs = kernel("tiny"), 0.05, 6, 400
    training = eomsym.Training(tiny, (INPUTS, TARGETS), name, 0.003, theta=THETA)
    found, without = (eomsym.noise(training, steps, gaussian=sigma * on, every=steps) for on in (1, 1e-3))
    generator, ends = np.random.default_rng(0), []
    beta = 0.9 * (name != "gradient-descent")
    for _ in range(runs):
        theta, memory, squares = THETA, np.zeros(13), np.zeros(13)
        for step in range(1, steps + 1):
            gradient = tiny.gradient(theta, INPUTS, TARGETS) + sigma * generator.normal(size=13)
            if name == "torch.Adam()":
                memory, squares = 0.9 * memory + 0.1 * gradient, 0.999 * squares + 0.001 * gradient**2
                mean, root = memory / (1 - 0.9**step), np.sqrt(squares / (1 - 0.999**step))
                theta = theta - 0.003 * mean / (root + 1e-8)
            else:
                memory = beta * memory + gradient
                theta = theta - 0.003 * memory
        ends.append(theta)
    ends = np.array(ends)
    distances = ((ends - ends.mean(axis=0)) ** 2).sum(axis=1)
    bar = 4 * distances.std() / np.sqrt(runs) + (0.05 if name == "torch.Adam()" else 0) * distances.mean()
    assert abs(found.traces[-1] - distances.mean()) < bar
    assert abs(without.traces[-1] - distances.mean()) > bar
    apart = np.abs(found.mean - ends.mean(axis=0))
    np.testing.assert_array_less(apart, 5 * ends.std(axis=0) / np.sqrt(runs) + 1e-12)


def test_gaussian_noise_that_cannot_be_is_refused():
    training = eomsym.Training(kernel("tiny"), (INPUTS, TARGETS), "heavy-ball", 0.003, theta=THETA)
    for options, message in (
        ({"gaussian": -1.0}, "gaussian -1.0: a standard deviation"),
        ({"gaussian": float("nan")}, "gaussian nan"),
        ({}, "batches: noise is of batches that are drawn"),
    ):
        with pytest.raises(InputError, match=message):
            eomsym.noise(training, 3, **options)


@pytest.mark.parametrize("name", ["torch.AdamW(weight_decay=0.01)", "rmsprop"])
def test_columns_of_adaptive_rules_have_the_whole_covariance(name, monkeypatch):
    """By what drawn batches leave over of a step in mixed columns, and in parts: without it the trace is too small."""
    training = eomsym.Training(kernel("tiny"), (INPUTS, TARGETS), name, 0.001, theta=THETA)
    training = training.with_(batches=eomsym.Batches(3, "independent"))
    whole = eomsym.noise(training, 8, every=4)
    monkeypatch.setattr(local_jet, "TOGETHER", 200)
    found = eomsym.noise(training, 8, every=4, rank=13)
    np.testing.assert_allclose(found.traces, whole.traces, rtol=0.05)
    np.testing.assert_allclose(found.means, whole.means, rtol=1e-3)
    step = noise_equations.MomentStep
    monkeypatch.setattr(step, "_beside", lambda self: (np.zeros((len(self.local.values), 13, 0)), np.zeros(0)))
    assert eomsym.noise(training, 8, every=4, rank=13).traces[-1] < 0.95 * whole.traces[-1]


def test_what_is_known_without_the_epoch_is_wrong():
    """A negative control of the bounds above: independent batches have several times the trace."""
    training = eomsym.Training(kernel("tiny"), (INPUTS, TARGETS), "heavy-ball", 0.01, theta=THETA, batches=3)
    apart = eomsym.noise(training.with_(batches=eomsym.Batches(3, "independent")), 8, every=4).traces[-1]
    assert apart > 1.5 * eomsym.noise(training, 8, every=4).traces[-1]


def test_a_scatter_that_is_too_large_is_told():
    """RMSprop's first steps at 0.01 are ten times as long: the trace is several times the runs', and it says so."""
    found, small = noise("rmsprop", 0.01, ensemble=100), noise("torch.Adam()", 0.001)
    assert found.traces[-1] > 2 * found.ensemble.traces[-1]
    assert "a trace may be off by a factor of two" in found.sentence
    assert found.to_dict()["warnings"] == list(found.warnings)
    assert small.reach < 0.01
    assert not small.warnings
