"""Counter terms of JAX models, against the numba kernel and against elementary differentials by nested jvp."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")

import jax.numpy as jnp  # noqa: E402
from jax.flatten_util import ravel_pytree  # noqa: E402

import eomsym  # noqa: E402
import eomsym.jax  # noqa: E402
from eomsym.codegen import KernelSpec, kernel_for  # noqa: E402
from eomsym.errors import InputError  # noqa: E402
from eomsym.jax.checked import UNFUSED  # noqa: E402
from eomsym.models import MLP, dataset  # noqa: E402


def along(function, direction):
    """The derivative of a function along a direction."""
    return lambda point: jax.jvp(function, (point,), (direction,))[1]


def by_trees(loss, params, order):
    """``[g, ξ_0, …]`` with every elementary differential by nested jvp, as flat vectors."""
    point, unravel = ravel_pytree(params)
    gradient = jax.grad(lambda vector: loss(unravel(vector)))

    def value(tree):
        function = gradient
        for argument in [value(child) for child in tree.children]:
            function = along(function, argument)
        return function(point)

    rows = eomsym.derive(order=order).rows[1:]
    return [gradient(point)] + [sum(float(weight) * value(tree) for tree, weight in row.items()) for row in rows]


def vectors(rows):
    return [ravel_pytree(row)[0] for row in rows]


RANDOM = np.random.default_rng(0)
X, Y = RANDOM.standard_normal((5, 3)), RANDOM.standard_normal((5, 3))
LABELS = np.array([0, 2, 1, 1, 0])
W = {"w": RANDOM.standard_normal((3, 3)) / 2, "b": RANDOM.standard_normal(3) / 5}


def layer(p, x):
    return x @ p["w"] + p["b"]


def recurrent(p):
    def step(state, x):
        state = jnp.tanh(layer(p, state) + x)
        return state, jnp.sum(state**2)

    state, outputs = jax.lax.scan(step, jnp.zeros(3), X[:2])
    return jnp.sum(outputs) + jnp.sum(jnp.cos(state))


def normalised(p):
    z = layer(p, X)
    return jnp.mean(((z - z.mean(1, keepdims=True)) * jax.lax.rsqrt(z.var(1, keepdims=True) + 0.1) - Y) ** 2)


def attention(p):
    keys = layer(p, X)
    scores = jax.nn.softmax(jnp.einsum("ik,jk->ij", keys, X) / jnp.sqrt(3.0))
    return jnp.sum((scores @ keys - Y) ** 2)


def convolution(p):
    image = (X @ Y.T).reshape(1, 1, 5, 5)
    out = jax.lax.conv_general_dilated(image, p["w"].reshape(1, 1, 3, 3), (1, 1), "SAME")
    return jnp.sum(jnp.sin(out) * image) + jnp.sum(p["b"] ** 3)


LOSSES = {
    "cross-entropy": lambda p: (
        -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(layer(p, jnp.tanh(layer(p, X)))), LABELS[:, None], 1))
    ),
    "softplus at zero": lambda p: jnp.sum(jax.nn.softplus(layer({**p, "b": p["b"] - W["b"]}, 0 * X)) ** 2),
    "gelu": lambda p: jnp.sum(jax.nn.gelu(layer(p, X), approximate=False) * Y),
    "approximate gelu": lambda p: jnp.sum(jax.nn.gelu(layer(p, X)) * Y),
    "silu and sigmoid": lambda p: jnp.sum(jax.nn.silu(layer(p, X)) * jax.nn.sigmoid(layer(p, Y))),
    "logsumexp": lambda p: jnp.sum(jax.nn.logsumexp(layer(p, X), axis=1) ** 2),
    "norm and quotient": lambda p: jnp.linalg.norm(layer(p, X)) / (1 + jnp.sum(p["w"] ** 2)) - 1 / (2 + p["b"][0]),
    "powers": lambda p: (
        jnp.sum(jnp.exp(p["b"]) ** 2.5 + (2.0 + p["b"]) ** p["w"] + p["w"] ** 5 + (2 + p["w"]) ** -2)
        + jnp.sum(2.0 ** p["b"] + jnp.exp2(p["w"]))
    ),
    "elementary": lambda p: (
        jnp.sum(jnp.sin(p["w"]) + jnp.cosh(p["w"]) * jnp.sinh(p["b"]) + jnp.tan(p["w"] / 3) + jnp.arctan(p["w"]))
        + jnp.sum(jnp.log1p(p["b"] ** 2) + jnp.expm1(p["b"]) + jax.scipy.special.erfc(p["w"]) + jnp.cbrt(3 + p["b"]))
    ),
    "choices": lambda p: (
        jnp.sum(
            jnp.where(p["w"] > 0, jnp.sin(p["w"]), p["w"] ** 2)
            + jnp.abs(p["w"]) ** 3
            + jnp.maximum(p["w"], p["b"]) ** 2
        )
        + jnp.max(p["w"]) ** 2 * jnp.clip(p["b"][0], -1, 1)
    ),
    "recurrent": recurrent,
    "normalised": normalised,
    "attention": attention,
    "convolution": convolution,
    "checkpoint and cond": lambda p: (
        jax.checkpoint(lambda q: jnp.sum(jnp.sin(layer(q, X))))(p)
        * jax.lax.cond(p["b"][0] > 0, lambda q: q["b"][1] ** 2, lambda q: jnp.exp(q["b"][2]), p)
    ),
    "cumulative": lambda p: (
        jnp.sum(jnp.cumsum(p["w"], 0)[1:] ** 3) + jnp.sum(jnp.concatenate([p["b"], p["b"]])[::2] ** 4)
    ),
    "linear": lambda p: jnp.sum(p["w"]),
    "of one leaf only": lambda p: jnp.sum(p["w"] ** 4),
}


@pytest.mark.parametrize("name", LOSSES)
def test_against_elementary_differentials(name):
    loss = LOSSES[name]
    params = jax.tree.map(jnp.asarray, W)
    exact = jax.jit(lambda p: by_trees(loss, p, 2))(params)
    found = jax.jit(lambda p: vectors(eomsym.jax.counterterms(loss, p, 2, smooth="ignore")))(params)
    assert len(found) == 3
    for one, other in zip(found, exact, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12 * np.linalg.norm(other) + 1e-15)


@pytest.fixture(scope="module")
def digits():
    """An MLP on digits: data, parameters as a pytree, loss in JAX, and rows of the numba kernel of order 5."""
    model = MLP([64, 32, 10], "tanh", "cross-entropy")
    inputs, targets = dataset("digits").arrays
    theta = model.initial(0)
    rows = kernel_for(KernelSpec(model, 5)).counterterms(theta, inputs, targets)

    def unflatten(vector):
        ends = np.cumsum([64 * 32, 32, 32 * 10])
        w, b, v, c = np.split(vector, ends)
        return {"first": (w.reshape(64, 32), b), "second": (v.reshape(32, 10), c)}

    def loss(params):
        (w, b), (v, c) = params["first"], params["second"]
        scores = jnp.tanh(jnp.asarray(inputs, w.dtype) @ w + b) @ v + c
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(scores), targets[:, None], 1))

    return unflatten(theta), loss, rows


def test_an_mlp_on_digits_agrees_with_the_numba_kernel(digits):
    params, loss, rows = digits
    found = jax.jit(lambda p: eomsym.jax.counterterms(loss, p, 5))(jax.tree.map(jnp.asarray, params))
    assert jax.tree.structure(found[5]) == jax.tree.structure(params)
    for one, other in zip(vectors(found), rows, strict=True):
        assert np.linalg.norm(one - other) <= 1e-10 * np.linalg.norm(other)
        assert one.dtype == np.float64


def test_single_precision(digits):
    params, loss, rows = digits
    single = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), params)
    found = jax.jit(lambda p: eomsym.jax.counterterms(loss, p, 2))(single)
    for one, other in zip(vectors(found), rows, strict=False):
        assert one.dtype == np.float32
        assert np.linalg.norm(one - other) <= 2e-5 * np.linalg.norm(other)


def test_high_order_against_the_kernel_of_the_expression(tmp_path):
    """Order 8, where nested jvp does not compile in minutes."""
    kernel = eomsym.load(eomsym.generate("tanh(a*b) + exp(a-b)/(1+a**2)", 8, variables=["a", "b"], output=tmp_path))
    theta = np.array([0.4, -0.3])
    loss = lambda p: jnp.tanh(p[0] * p[1]) + jnp.exp(p[0] - p[1]) / (1 + p[0] ** 2)  # noqa: E731
    found = np.array(jax.jit(lambda p: eomsym.jax.counterterms(loss, p, 8))(jnp.asarray(theta)))
    errors = np.linalg.norm(found - kernel.counterterms(theta), axis=1) / np.linalg.norm(found, axis=1)
    assert errors.max() < 1e-11


def test_data_may_be_traced_too():
    params = jax.tree.map(jnp.asarray, W)
    loss = lambda p, x: jnp.sum(jnp.tanh(layer(p, x)) ** 2)  # noqa: E731
    found = jax.jit(lambda p, x: eomsym.jax.counterterms(lambda q: loss(q, x), p, 2))(params, jnp.asarray(X))
    exact = by_trees(lambda p: loss(p, X), params, 2)
    for one, other in zip(vectors(found), exact, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)


def test_the_program_grows_linearly_with_the_order():
    """Its operations, for nested jvp they grow by a constant factor each order."""

    def operations(order):
        traced = jax.make_jaxpr(lambda p: eomsym.jax.counterterms(LOSSES["cross-entropy"], p, order))(W)
        return len(str(traced).splitlines())

    first, second, third = operations(4), operations(8), operations(12)
    assert third - second < 2.5 * (second - first)


def test_the_field_is_the_sum():
    params = jax.tree.map(jnp.asarray, W)
    rows = vectors(eomsym.jax.counterterms(LOSSES["gelu"], params, 2))
    field = ravel_pytree(eomsym.jax.equation_of_motion(LOSSES["gelu"], params, 0.1, 2))[0]
    np.testing.assert_allclose(field, -(rows[0] + 0.1 * rows[1] + 0.01 * rows[2]), rtol=1e-13)


def test_what_has_no_series_is_refused_in_one_line():
    def looping(p):
        return jax.lax.while_loop(lambda s: s < 3, lambda s: s + 1, 0) * jnp.sum(p)

    params = jnp.ones(3)
    for loss, point, order, what in (
        (lambda p: jnp.sum(jax.scipy.special.gammaln(p)), params, 1, "'digamma'"),
        (looping, params, 1, "while"),
        (jnp.sum, jnp.arange(3), 1, "int64"),
        (jnp.sum, params, 17, "0 to 16"),
        (jnp.sum, params, -1, "0 to 16"),
    ):
        with pytest.raises(InputError, match=what) as caught:
            eomsym.jax.counterterms(loss, point, order)
        assert "\n" not in str(caught.value)


def test_quick_compilation_gives_the_same_rows():
    """The options that docs/own_network.md recommends for many operations on few numbers."""
    page = (Path(__file__).parents[2] / "docs" / "own_network.md").read_text(encoding="utf-8")
    options = ast.literal_eval(re.search(r"^quickly = (\{.*?^\})", page, re.S | re.M)[1])
    assert options == UNFUSED
    weights = jnp.linspace(-1, 1, 12).reshape(3, 4)

    def rows(w):
        return eomsym.jax.counterterms(lambda w: jnp.tanh(w @ w.T).sum() + (w**4).mean(), w, 3)

    usual, quick = jax.jit(rows)(weights), jax.jit(rows, compiler_options=options)(weights)
    np.testing.assert_allclose(quick, usual, rtol=1e-12, atol=1e-12)
