"""Networks of equinox and flax nnx against elementary differentials by nested jvp."""

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")
eqx = pytest.importorskip("equinox")
nnx = pytest.importorskip("flax.nnx")

import jax.numpy as jnp  # noqa: E402
from jax.flatten_util import ravel_pytree  # noqa: E402

import eomsym  # noqa: E402
import eomsym.jax  # noqa: E402

RANDOM = np.random.default_rng(0)
IMAGES, WORDS, LABELS = RANDOM.standard_normal((2, 1, 6, 6)), RANDOM.standard_normal((2, 3, 4)), np.array([0, 1])


def by_trees(loss, params, order):
    """``[g, ξ_0, …]`` of flat parameters, every elementary differential by nested jvp."""
    point, unravel = ravel_pytree(params)
    gradient = jax.grad(lambda vector: loss(unravel(vector)))
    known = {}

    def along(function, direction):
        return lambda y: jax.jvp(function, (y,), (direction,))[1]

    def value(tree):
        if tree not in known:
            function = gradient
            for argument in [value(child) for child in tree.children]:
                function = along(function, argument)
            known[tree] = jax.jit(function)(point)
        return known[tree]

    rows = eomsym.derive(order=order).rows[1:]
    return [gradient(point)] + [sum(float(weight) * value(tree) for tree, weight in row.items()) for row in rows]


def of_equinox(make, x):
    """Parameters in float64 and the loss of a module that maps one sample to scores."""
    arrays, static = eqx.partition(make(jax.random.key(1)), eqx.is_inexact_array)
    arrays = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), arrays)
    return arrays, lambda p: loss_of(jax.vmap(eqx.combine(p, static))(jnp.asarray(x)))


def of_nnx(make, x):
    graph, params, rest = nnx.split(make(nnx.Rngs(1)), nnx.Param, ...)
    double = lambda leaf: leaf.astype(jnp.float64) if leaf.dtype == jnp.float32 else leaf  # noqa: E731
    rest = jax.tree.map(double, rest)
    return params, lambda p: loss_of(nnx.merge(graph, p, rest, copy=True)(jnp.asarray(x)))


def loss_of(scores):
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(scores), LABELS[:, None], 1))


def lenet(pool):
    def make(key):
        one, two, three = jax.random.split(key, 3)
        return eqx.nn.Sequential(
            [
                eqx.nn.Conv2d(1, 2, 3, padding=1, key=one),
                eqx.nn.Lambda(jnp.tanh),
                pool(2, 2),
                eqx.nn.Conv2d(2, 2, 2, key=two),
                eqx.nn.Lambda(jax.nn.gelu),
                eqx.nn.Lambda(jnp.ravel),
                eqx.nn.Linear(8, 2, key=three),
            ]
        )

    return make


class Block(nnx.Module):
    def __init__(self, norm, rngs):
        options = {"param_dtype": jnp.float64, "rngs": rngs}
        self.first, self.second = (nnx.Conv(2, 2, (3, 3), use_bias=False, **options) for _ in range(2))
        self.one, self.two = norm(options), norm(options)
        self.last = nnx.Linear(2, 2, **options)

    def __call__(self, x):
        x = jnp.moveaxis(jnp.concatenate([x, x[..., ::-1]], 1), 1, -1)
        inner = self.two(self.second(jax.nn.silu(self.one(self.first(x)))))
        return self.last(jax.nn.silu(x + inner).mean((1, 2)))


def attend(query, key, value, **_):
    """flax's own takes its softmax in float32, of which eomsym warns."""
    scores = jnp.einsum("...qhd,...khd->...hqk", query, key) / np.sqrt(query.shape[-1])
    return jnp.einsum("...hqk,...khd->...qhd", jax.nn.softmax(scores), value)


class Layer(nnx.Module):
    def __init__(self, rngs):
        options = {"param_dtype": jnp.float64, "rngs": rngs}
        self.attention = nnx.MultiHeadAttention(2, 4, decode=False, attention_fn=attend, **options)
        self.one, self.two = (
            nnx.LayerNorm(4, use_fast_variance=False, **options),
            nnx.LayerNorm(4, use_fast_variance=False, **options),
        )
        self.up, self.down = nnx.Linear(4, 5, **options), nnx.Linear(5, 4, **options)

    def __call__(self, x):
        x = self.one(x + self.attention(x))
        return self.two(x + self.down(jax.nn.gelu(self.up(x))))


class Encoder(nnx.Module):
    def __init__(self, rngs):
        self.layers = nnx.List([Layer(rngs), Layer(rngs)])
        self.head = nnx.Linear(4, 2, param_dtype=jnp.float64, rngs=rngs)

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.head(x.mean(1))


class Patches(nnx.Module):
    def __init__(self, rngs):
        self.patch = nnx.Conv(1, 4, (3, 3), strides=(3, 3), padding="VALID", param_dtype=jnp.float64, rngs=rngs)
        self.places = nnx.Param(0.1 * jax.random.normal(rngs.params(), (4, 4), jnp.float64))
        self.layer = Layer(rngs)
        self.head = nnx.Linear(4, 2, param_dtype=jnp.float64, rngs=rngs)

    def __call__(self, x):
        x = self.patch(jnp.moveaxis(x, 1, -1)).reshape(len(x), 4, 4) + self.places[...]
        return self.head(self.layer(x)[:, 0])


class Recurrent(eqx.Module):
    cell: eqx.nn.LSTMCell
    last: eqx.nn.Linear

    def __init__(self, key):
        one, two = jax.random.split(key)
        self.cell, self.last = eqx.nn.LSTMCell(4, 3, key=one), eqx.nn.Linear(3, 2, key=two)

    def __call__(self, words):
        start = (jnp.zeros(3, words.dtype), jnp.zeros(3, words.dtype))
        (hidden, _), _ = jax.lax.scan(lambda state, word: (self.cell(word, state), None), start, words)
        return self.last(hidden)


def batch_norm(running):
    return lambda rngs: Block(
        lambda o: nnx.BatchNorm(2, use_fast_variance=False, use_running_average=running, dtype=jnp.float64, **o), rngs
    )


NETWORKS = {
    "CNN, average pooling": (of_equinox, lenet(eqx.nn.AvgPool2d), IMAGES),
    "CNN, max pooling": (of_equinox, lenet(eqx.nn.MaxPool2d), IMAGES),
    "LSTM": (of_equinox, Recurrent, WORDS),
    "residual block, group norm": (
        of_nnx,
        lambda rngs: Block(lambda o: nnx.GroupNorm(2, num_groups=1, use_fast_variance=False, **o), rngs),
        IMAGES,
    ),
    "residual block, batch norm": (of_nnx, batch_norm(False), IMAGES),
    "residual block, batch norm in eval mode": (of_nnx, batch_norm(True), IMAGES),
    "transformer encoder": (of_nnx, Encoder, WORDS),
    "vision transformer": (of_nnx, Patches, IMAGES),
}


FAST = ("CNN, max pooling", "residual block, batch norm", "LSTM")  # nested jvp compiles for a minute at order 4
CASES = [(name, 2) for name in FAST] + [pytest.param(name, 4, marks=pytest.mark.slow) for name in NETWORKS]


@pytest.mark.filterwarnings("ignore:loss_fn. not smooth, by reduce_window_max:eomsym.errors.KinkWarning")
@pytest.mark.parametrize(("name", "order"), CASES)
def test_against_elementary_differentials(name, order):
    kind, make, x = NETWORKS[name]
    params, loss = kind(make, x)
    params = jax.tree.map(lambda leaf: leaf + 0.1 * jnp.sin(7.0 * jnp.arange(leaf.size)).reshape(leaf.shape), params)
    run = jax.jit if order == 2 else lambda function: function  # compiled in less time, not checked
    rows = run(lambda p: eomsym.jax.counterterms(loss, p, order))(params)
    for one, other in zip(rows, by_trees(loss, params, order), strict=True):
        assert np.linalg.norm(ravel_pytree(one)[0] - other) <= 1e-9 * np.linalg.norm(other)
