"""JAX: sound losses raise no alarm; a derivative of one's own that is wrong, and a wrong rule, are blamed and named."""

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")

import jax.numpy as jnp  # noqa: E402

import eomsym  # noqa: E402
from eomsym.errors import InputError  # noqa: E402
from eomsym.jax.rules import RULES  # noqa: E402

RANDOM = np.random.default_rng(0)
W, X, IMAGES = (RANDOM.standard_normal(shape) for shape in ((4, 4), (5, 4), (2, 6, 6, 1)))


def normalised(h):
    h = h - h.mean(-1, keepdims=True)
    return h / jnp.sqrt((h**2).mean(-1, keepdims=True) + 1e-5)


def attention(w):
    words = X[None] @ w
    return jnp.sum(jax.nn.softmax(words @ words.transpose(0, 2, 1) / 2) @ words)


def recurrent(w):
    step = lambda h, x: (jnp.tanh(x + h @ w), h)  # noqa: E731
    return jnp.sum(jax.lax.scan(step, jnp.zeros(4), X)[0] ** 2)


SOUND = {
    "perceptron": lambda w: jnp.sum(jnp.tanh(X @ w) @ w),
    "layer norm": lambda w: jnp.sum(jnp.tanh(normalised(X @ w))),
    "cross-entropy": lambda w: -jnp.mean(jax.nn.log_softmax(X @ w)[:, 0]),
    "logsumexp and gelu": lambda w: jnp.sum(jax.nn.logsumexp(jax.nn.gelu(X @ w), axis=1)),
    "convolution": lambda w: jnp.sum(
        jnp.sin(jax.lax.conv_general_dilated(IMAGES, w[..., None, None], (1, 1), "SAME", dimension_numbers=DIMENSIONS))
    ),
    "attention": attention,
    "recurrent": recurrent,
    "softplus, of relu's kind": lambda w: jnp.sum(jax.nn.softplus(X @ w) ** 2),
}
DIMENSIONS = ("NHWC", "HWIO", "NHWC")


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_loss_raises_no_alarm(name):
    audit = eomsym.audit(SOUND[name], jnp.asarray(W))
    assert audit.passed, str(audit)
    assert all(len(row.apart) == 3 and row.error < 1e-5 for row in audit.rows), str(audit)


def test_trees_and_data():
    loss = lambda p, data: jnp.mean((jnp.tanh(data[0] @ p["w"]) @ p["v"] - data[1]) ** 2)  # noqa: E731
    audit = eomsym.audit(loss, {"w": W, "v": W[:, :1]}, (X, X[:, :1]), order=2)
    assert audit.passed
    assert (audit.size, audit.order, audit.framework) == (20, 2, f"JAX {jax.__version__}")


@jax.custom_jvp
def slope(x):
    return jnp.cos(x)


slope.defjvp(lambda primals, tangents: (jnp.cos(primals[0]), -1.01 * jnp.sin(primals[0]) * tangents[0]))


@jax.custom_jvp
def wave(x):
    """A sine whose second derivative is wrong by a hundredth."""
    return jnp.sin(x)


wave.defjvp(lambda primals, tangents: (jnp.sin(primals[0]), slope(primals[0]) * tangents[0]))


def test_a_wrong_derivative_of_a_derivative_is_blamed_on_the_framework():
    audit = eomsym.audit(lambda w: jnp.sum(wave(jnp.exp(X @ w) * 0.1) ** 2), jnp.asarray(W))
    assert (audit.blame, audit.operation) == ("framework", "wave")
    assert [row.verdict for row in audit.rows] == ["", "nested", "nested", "nested"]


def test_a_wrong_rule_is_blamed_on_eomsym(monkeypatch):
    maker = RULES["tanh"]

    def planted(instruction, series, backend):
        rule = maker(instruction, series, backend)
        return lambda level: jax.tree.map(lambda row: row * (1.001 if level == 2 else 1), rule(level))

    monkeypatch.setitem(RULES, "tanh", planted)
    audit = eomsym.audit(SOUND["perceptron"], jnp.asarray(W))
    assert (audit.blame, audit.operation) == ("eomsym", "tanh")
    assert [bool(row.verdict) for row in audit.rows] == [False, False, True, True]


def test_single_precision_raises_no_alarm():
    with jax.enable_x64(False):
        for name in ("perceptron", "layer norm", "cross-entropy"):
            assert eomsym.audit(SOUND[name], jnp.asarray(W, jnp.float32)).passed


LOSSES = {
    "several numbers": (lambda w: w[0], W, r"returned \(4,\); return one real number"),
    "no number": (lambda w: None, W, "returned NoneType"),
    "flat": (lambda w: jnp.sum(w) * 0, W, "g is 0 there"),
    "random": (lambda w: jnp.sum(jnp.exp(w * RANDOM.random())), W, "another gradient each time"),
    "integers": (jnp.sum, np.arange(3), "a leaf has type int"),
    "nothing": (lambda w: 1.0, {}, "no arrays are in there"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_refused(name):
    loss, params, message = LOSSES[name]
    with pytest.raises(InputError, match=message):
        eomsym.audit(loss, params)
