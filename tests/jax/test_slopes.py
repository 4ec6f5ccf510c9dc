"""Errors of the equation of motion along real paths of a convolutional network and a transformer: slopes N + 1."""

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")

import jax.numpy as jnp  # noqa: E402
from jax.flatten_util import ravel_pytree  # noqa: E402

import eomsym.jax  # noqa: E402
from eomsym.dynamics.integration import integrate_vector  # noqa: E402

RANDOM = np.random.default_rng(3)
IMAGES, WORDS = RANDOM.standard_normal((4, 6, 6, 1)), RANDOM.standard_normal((4, 3, 4))
TARGETS = RANDOM.standard_normal((4, 2))


def normal(*shape):
    return RANDOM.standard_normal(shape) * 0.5


CNN = {"kernel": normal(3, 3, 1, 2), "bias": normal(2), "last": normal(8, 2)}
TRANSFORMER = {name: normal(4, 4) for name in ("q", "k", "v", "o", "up", "down")} | {"last": normal(4, 2)}


def convolutional(p):
    layers = ("NHWC", "HWIO", "NHWC")
    x = jnp.tanh(
        jax.lax.conv_general_dilated(IMAGES, p["kernel"], (1, 1), "VALID", dimension_numbers=layers) + p["bias"]
    )
    x = jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID") / 4
    return jnp.mean((x.reshape(4, -1) @ p["last"] - TARGETS) ** 2)


def normalised(x):
    x = x - x.mean(-1, keepdims=True)
    return x / jnp.sqrt((x**2).mean(-1, keepdims=True) + 0.1)


def transformer(p):
    scores = jnp.einsum("nik,njk->nij", WORDS @ p["q"], WORDS @ p["k"]) / 2
    x = normalised(WORDS + jax.nn.softmax(scores) @ (WORDS @ p["v"]) @ p["o"])
    x = normalised(x + jax.nn.gelu(x @ p["up"]) @ p["down"])
    return jnp.mean((x.mean(1) @ p["last"] - TARGETS) ** 2)


CASES = [
    pytest.param(convolutional, CNN, id="cnn"),
    pytest.param(transformer, TRANSFORMER, id="transformer", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("loss", "params"), CASES)
def test_slopes_to_order_three(loss, params):
    start, unravel = ravel_pytree(jax.tree.map(jnp.asarray, params))
    gradient = jax.jit(jax.grad(lambda v: loss(unravel(v))))
    rows = jax.jit(lambda v: jnp.stack(eomsym.jax.counterterms(lambda w: loss(unravel(w)), v, 3)))
    curvature = float(jnp.linalg.eigvalsh(jax.hessian(lambda v: loss(unravel(v)))(start)).max())
    etas = [0.2 / curvature, 0.1 / curvature]
    time = 8 * etas[0]
    errors = np.empty((4, 2))
    for place, eta in enumerate(etas):
        end = start
        for _ in range(round(time / eta)):
            end = end - eta * gradient(end)
        for order in range(4):
            field = lambda v, n=order, h=eta: -np.asarray(rows(v))[: n + 1].T @ h ** np.arange(n + 1.0)  # noqa: E731
            moved = integrate_vector(field, np.asarray(start), time, 1e-12, 2e-16)
            errors[order, place] = np.linalg.norm(moved - end)
    slopes = np.log2(errors[:, 0] / errors[:, 1])
    np.testing.assert_allclose(slopes, [1, 2, 3, 4], atol=0.15)
    assert errors[3, 1] < 1e-2 * errors[0, 1]
