"""Softmax and logsumexp by their own equation in JAX: found in every form in which they are written, and exact."""

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")

import jax.numpy as jnp  # noqa: E402
from eomsym.array_series.descend import descend  # noqa: E402

import eomsym.jax  # noqa: E402
from eomsym.array_series.normaliser import SHIFT, with_normalisers  # noqa: E402
from eomsym.jax.rules import BACKEND  # noqa: E402
from eomsym.jax.tracing import flatten  # noqa: E402

RANDOM = np.random.default_rng(0)
X, Z = RANDOM.standard_normal((5, 3)), RANDOM.standard_normal((5, 3))
LABELS = np.array([0, 2, 1, 1, 0])
SHARES = np.exp(X) / np.exp(X).sum(1, keepdims=True)
ALLOWED = np.array([[1, 0, 1], [1, 1, 1], [0, 1, 1], [1, 1, 0], [1, 1, 1]], bool)


def hand_written(z):
    largest = z.max(1, keepdims=True)
    return jnp.sum(jnp.log(jnp.exp(z - largest).sum(1, keepdims=True)) + largest) ** 2


def of_other_rows(z):
    powers = jnp.exp(z[:3])
    return jnp.sum((powers / powers.sum(1)[None, :]) ** 2)


def masked(z):
    return jnp.sum(jax.nn.softmax(jnp.where(ALLOWED, z, -jnp.inf)) ** 2 * X)


LOSSES = {
    "softmax": (lambda z: jnp.sum(jax.nn.softmax(z) ** 2 * X), 1),
    "softmax of two axes": (lambda z: jnp.sum(jax.nn.softmax(z, axis=(0, 1)) ** 2 * X), 1),
    "log_softmax of the first axis": (lambda z: jnp.sum(jax.nn.log_softmax(z, axis=0) ** 2), 1),
    "logsumexp": (lambda z: jnp.sum(jax.nn.logsumexp(z, axis=1) ** 2), 1),
    "logsumexp of all": (jax.nn.logsumexp, 1),
    "entropy": (lambda z: jnp.sum(jax.nn.softmax(z) * jax.nn.log_softmax(z)), 2),
    "hand-written": (hand_written, 1),
    "without a shift": (lambda z: jnp.sum((jnp.exp(z) / jnp.exp(z).sum(1, keepdims=True)) ** 2 * X), 1),
    "masked": (masked, 1),
    "not invariant": (lambda z: jnp.sum(jnp.exp(z - z.max(1, keepdims=True)).sum(1) ** 2), 0),
    "of other rows": (of_other_rows, 0),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_same_as_by_plain_rules(name):
    loss, count = LOSSES[name]
    plain = flatten(lambda z: [jax.grad(loss)(z)], [jnp.asarray(Z)])
    program = with_normalisers(plain, BACKEND)
    assert sum(instruction.name == SHIFT for instruction in program.instructions) == count
    expected, found = jax.jit(lambda z: (descend(plain, [z], 4, BACKEND), descend(program, [z], 4, BACKEND)))(
        jnp.asarray(Z)
    )
    for (one,), (other,) in zip(found, expected, strict=True):
        assert np.isfinite(one).all()
        assert np.abs(one - other).max() <= 1e-12 * np.abs(other).max()


def test_what_is_masked_does_not_move():
    for row in eomsym.jax.counterterms(masked, jnp.asarray(Z), 3):
        assert (np.asarray(row)[~ALLOWED] == 0).all()


@pytest.mark.parametrize("labels", [LABELS, SHARES])
def test_losses_of_optax(labels):
    optax = pytest.importorskip("optax")
    name = "softmax_cross_entropy" + ("_with_integer_labels" if labels is LABELS else "")
    ours = eomsym.jax.counterterms(lambda z: getattr(optax, name)(z, jnp.asarray(labels)).mean(), jnp.asarray(Z), 2)
    target = np.eye(3)[LABELS] if labels is LABELS else SHARES
    theirs = eomsym.jax.counterterms(lambda z: (hand_free(z) - (target * z).sum(1)).mean(), jnp.asarray(Z), 2)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-16)


def hand_free(z):
    """log Σ exp of three scores without exponentials of series that are summed."""
    return jnp.logaddexp(jnp.logaddexp(z[:, 0], z[:, 1]), z[:, 2])
