"""The gradient of a JAX or PyTorch loss along a curve: what makes it answer as generated kernels do."""

import importlib

import numpy as np
import pytest

import eomsym
from eomsym import Batches, Training
from eomsym.dynamics import kernel_counterterms
from eomsym.errors import InputError
from eomsym.optimizers import chosen

RANDOM = np.random.default_rng(1)
INPUTS, TARGETS = RANDOM.standard_normal((8, 2)), RANDOM.standard_normal((8, 1))
START = {"W1": 0.5 * RANDOM.standard_normal((2, 3)), "W2": 0.5 * RANDOM.standard_normal((3, 1))}
RULES = (
    "torch.SGD()",
    "torch.SGD(momentum=0.9)",
    "torch.SGD(momentum=0.9, nesterov=True)",
    "torch.RMSprop()",
    "torch.Adam()",
    "torch.AdamW()",
)


def jax_loss(params):
    import jax.numpy as jnp

    return jnp.mean((jnp.tanh(INPUTS @ params["W1"]) @ params["W2"] - TARGETS) ** 2)


def torch_loss(params):
    import torch

    inputs, targets = torch.tensor(INPUTS), torch.tensor(TARGETS)
    return ((torch.tanh(inputs @ params["W1"]) @ params["W2"] - targets) ** 2).mean()


def posed(library, *rule, **options):
    """A training of the same loss in one of the libraries."""
    pytest.importorskip(library)
    if library == "jax":
        return Training(jax_loss, None, *rule, theta=START, **options)
    import torch

    return Training(torch_loss, None, *rule, theta={k: torch.tensor(v) for k, v in START.items()}, **options)


@pytest.mark.parametrize("library", [pytest.param("jax", marks=pytest.mark.slow), "torch"])
def test_the_terms_of_every_rule_are_those_of_the_library(library):
    training = posed(library)
    kernel = training.series_kernel(3, "a test")
    own = importlib.import_module(f"eomsym.{library}")
    for name in RULES:
        entry, values = chosen(name, {})
        values = entry.complete(values)
        rows = kernel_counterterms(kernel, entry.rule(**values), training.theta, 2, (), entry.fields(**values))
        found = own.counterterms(training.own.loss_fn, training.own.params, 2, optimizer=entry, **values)
        others = np.array([np.concatenate([np.ravel(row[key]) for key in sorted(row)]) for row in found])
        sizes = np.linalg.norm(others, axis=1)
        assert (np.linalg.norm(rows - others, axis=1) <= 1e-13 * sizes).all(), name


@pytest.mark.parametrize("library", ["jax", "torch"])
def test_each_coefficient_is_that_of_the_gradient(library):
    """By a polynomial through values of the plain gradient."""
    training = posed(library)
    kernel = training.series_kernel(3, "a test")
    series = np.array([training.theta, *RANDOM.standard_normal((3, training.theta.size))])
    found = kernel.gradient_series(series)
    places = 0.01 * np.arange(-4, 5)
    values = [kernel.gradient(np.polynomial.polynomial.polyval(t, series)) for t in places]
    fitted = np.polynomial.polynomial.polyfit(places, np.array(values), 8)[:4]
    np.testing.assert_allclose(found, fitted, rtol=1e-6, atol=1e-7)


def jax_of_samples(params, data):
    import jax.numpy as jnp

    inputs, targets = data["x"], data["y"]
    return jnp.mean((jnp.tanh(inputs @ params["W1"]) @ params["W2"] - targets) ** 2)


def torch_of_samples(params, data):
    return ((data["x"] @ params["W1"]).tanh() @ params["W2"] - data["y"]).square().mean()


def of_samples(library, *rule, **options):
    """The same of the samples by themselves."""
    like = posed(library).own.params
    loss = jax_of_samples if library == "jax" else torch_of_samples
    return Training(loss, {"x": INPUTS, "y": TARGETS}, *rule, theta=like, **options)


def plain_run(training, batches, rounds, beta, rate=lambda step: 1.0):
    """Heavy ball by a plain loop over samples of the loss."""
    kernel, theta, velocity, run = training.own.kernel, training.theta, 0.0, [training.theta]
    step = 0
    for _ in range(rounds):
        for batch in batches:
            velocity = beta * velocity + kernel.gradient(theta, INPUTS[batch], TARGETS[batch])
            theta = theta - training.eta * rate(step) * velocity
            step += 1
        run.append(theta)
    return np.array(run)


@pytest.mark.parametrize("library", ["jax", "torch"])
def test_batches_in_a_fixed_order_are_followed(library):
    training = of_samples(library, "torch.SGD(momentum=0.5)", 0.02, batches=Batches(4, "fixed"))
    found = eomsym.follow(training, 6, [0, 1, 2], state="slow", after=10)
    run = plain_run(training, [slice(0, 4), slice(4, 8)], 16, 0.5)
    np.testing.assert_allclose(found.iterates, run[10:], rtol=1e-12)
    errors = [record.error for record in found.slow]
    assert errors[0] > 4 * errors[1] > 16 * errors[2]


def test_a_schedule_is_followed():
    training = of_samples("torch", "torch.SGD(momentum=0.5)", 0.02, schedule="cosine(4)")
    found = eomsym.follow(training, 20, [0, 1, 2], state="slow", after=20)
    run = plain_run(training, [slice(None)], 40, 0.5, lambda step: (1 + np.cos(np.pi * step * 0.02 / 4)) / 2)
    np.testing.assert_allclose(found.iterates, run[20:], rtol=1e-12)
    errors = [record.error for record in found.slow]
    assert errors[0] > 4 * errors[1] > 16 * errors[2]


def test_shuffled_batches_have_the_terms_of_kernels():
    """The mean over the two orders of two batches, to order 1, by hand."""
    training = of_samples("torch", batches=Batches(4), eta=0.02)
    kernel, theta = training.own.kernel, training.theta
    parts = [(INPUTS[cut], TARGETS[cut]) for cut in (slice(0, 4), slice(4, 8))]
    slopes = [kernel.gradient(theta, *part) for part in parts]
    found = eomsym.follow(training, 2, [0, 1], state="slow")
    ends = []
    for first, second in ((0, 1), (1, 0)):
        middle = theta - 0.02 * slopes[first]
        ends.append(middle - 0.02 * kernel.gradient(middle, *parts[second]))
    np.testing.assert_allclose(found.iterates[1], np.mean(ends, axis=0), rtol=1e-13)
    assert found.slow[0].error > 4 * found.slow[1].error


def test_batches_of_data_without_samples_are_refused():
    with pytest.raises(InputError, match=r"^data: arrays of 4, 8 samples"):
        Training(
            lambda p, data: data["x"].mean() * data["y"].mean() * p["W1"].square().sum(),
            {"x": INPUTS, "y": TARGETS[:4]},
            theta=posed("torch").own.params,
            batches=4,
        )
