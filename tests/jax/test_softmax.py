"""Softmax and logsumexp in JAX, in the forms in which they are written: against sums of exponentials taken pairwise."""

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")

import jax.numpy as jnp  # noqa: E402

import eomsym.jax  # noqa: E402

RANDOM = np.random.default_rng(0)
X, Z = RANDOM.standard_normal((5, 3)), RANDOM.standard_normal((5, 3))
LABELS = np.array([0, 2, 1, 1, 0])
SHARES = np.exp(X) / np.exp(X).sum(1, keepdims=True)
ALLOWED = np.array([[1, 0, 1], [1, 1, 1], [0, 1, 1], [1, 1, 0], [1, 1, 1]], bool)


def pairwise(z, axis=1):
    """log Σ exp without exponentials of series that are summed."""
    first, *others = jnp.split(z, z.shape[axis], axis)
    for other in others:
        first = jnp.logaddexp(first, other)
    return first


def log_shares(z, axis=1):
    return z - pairwise(z, axis)


def squares(log_softmax):
    return jnp.sum(jnp.exp(2 * log_softmax) * X)


PAIRS = {
    "softmax of two axes": (
        lambda z: jnp.sum(jax.nn.softmax(z[:2, :2], axis=(0, 1)) ** 3),
        lambda z: jnp.sum(jnp.exp(3 * log_shares(z[:2, :2].reshape(1, -1)))),
    ),
    "log_softmax of the first axis": (
        lambda z: jnp.sum(jax.nn.log_softmax(z, axis=0) ** 2),
        lambda z: jnp.sum(log_shares(z, 0) ** 2),
    ),
    "logsumexp": (lambda z: jnp.sum(jax.nn.logsumexp(z, axis=1) ** 2), lambda z: jnp.sum(pairwise(z) ** 2)),
    "entropy": (
        lambda z: jnp.sum(jax.nn.softmax(z) * jax.nn.log_softmax(z)),
        lambda z: jnp.sum(jnp.exp(log_shares(z)) * log_shares(z)),
    ),
    "without a shift": (
        lambda z: jnp.sum((jnp.exp(z) / jnp.exp(z).sum(1, keepdims=True)) ** 2 * X),
        lambda z: squares(log_shares(z)),
    ),
    "masked": (
        lambda z: jnp.sum(jax.nn.softmax(jnp.where(ALLOWED, z, -jnp.inf)) ** 2 * X),
        lambda z: squares(log_shares(jnp.where(ALLOWED, z, -1e3))),
    ),
    "not invariant": (
        lambda z: jnp.sum(jnp.exp(z - z.max(1, keepdims=True)).sum(1) ** 2),
        lambda z: jnp.sum(jnp.exp(2 * pairwise(z - z.max(1, keepdims=True)))),
    ),
}


def same(loss, other, order):
    """The rows of the first loss, which must be those of the other."""
    rows = jax.jit(lambda z: [eomsym.jax.counterterms(f, z, order, smooth="ignore") for f in (loss, other)])(
        jnp.asarray(Z)
    )
    for one, two in zip(*rows, strict=True):
        assert np.abs(one - two).max() <= 1e-12 * np.abs(two).max()
    return rows[0]


@pytest.mark.parametrize("name", PAIRS)
def test_against_pairwise_sums(name):
    rows = np.array(same(*PAIRS[name], 3))
    assert name != "masked" or not rows[:, ~ALLOWED].any()


@pytest.mark.parametrize("labels", [LABELS, SHARES], ids=["integers", "shares"])
def test_losses_of_optax(labels):
    optax = pytest.importorskip("optax")
    name = "softmax_cross_entropy" + ("_with_integer_labels" if labels is LABELS else "")
    target = np.eye(3)[LABELS] if labels is LABELS else SHARES
    same(
        lambda z: getattr(optax, name)(z, jnp.asarray(labels)).mean(),
        lambda z: -(target * log_shares(z)).sum(1).mean(),
        2,
    )
