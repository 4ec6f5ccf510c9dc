"""The gradient of a JAX or PyTorch loss along a curve: what makes it answer as generated kernels do."""

import numpy as np
import pytest

from eomsym import Training
from eomsym.dynamics import kernel_counterterms
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
    for name in RULES:
        entry, values = chosen(name, {})
        values = entry.complete(values)
        rows = kernel_counterterms(kernel, entry.rule(**values), training.theta, 2, (), entry.fields(**values))
        others = kernel.counterterms(training.theta, 2, entry, values)
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
