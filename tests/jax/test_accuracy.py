"""How many digits of the counter terms of a network are right in JAX, against plain descent in many digits."""

import numpy as np
import pytest

gmpy2 = pytest.importorskip("gmpy2", reason="many digits need gmpy2")
jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")

import high_precision  # noqa: E402
import jax.numpy as jnp  # noqa: E402

import eomsym.jax  # noqa: E402
from eomsym.models import MLP  # noqa: E402


def test_twelve_digits_of_nine_rows():
    model = MLP([3, 5, 2], "softplus", "cross-entropy")
    theta, inputs, targets = high_precision.problem(model)
    exact = high_precision.counterterms(model, theta, inputs, targets, 8, bits=1500, spacing=-30)

    def loss(parameters):
        first, last = parameters[:20].reshape(4, 5), parameters[20:].reshape(6, 2)
        scores = jax.nn.softplus(inputs @ first[:-1] + first[-1]) @ last[:-1] + last[-1]
        return -jnp.mean(jax.nn.log_softmax(scores)[jnp.arange(6), targets])

    found = np.array(jax.jit(lambda t: eomsym.jax.counterterms(loss, t, 8))(jnp.asarray(theta)))
    errors = np.linalg.norm(found - exact, axis=1) / np.linalg.norm(exact, axis=1)
    assert errors.max() <= 1e-12
