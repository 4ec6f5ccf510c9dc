"""Maps of blocks on models of JAX: rows, optax's objects step for step, trees by nested derivatives."""

from itertools import pairwise

import numpy as np
import pytest
import shared_kernels

import eomsym
from eomsym import optimizers
from eomsym.blocks import Blocks
from eomsym.dynamics.kernel_series import kernel_counterterms
from eomsym.errors import InputError
from eomsym.optimizers import Map, Optimizer

jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")
optax = pytest.importorskip("optax", reason="optax is not installed")
jnp = jax.numpy

RANDOM = np.random.default_rng(0)
INPUTS, TARGETS = RANDOM.normal(size=(6, 2)), RANDOM.normal(size=(6, 2))
PARAMS = {"a": 0.7 * RANDOM.normal(size=(2, 3)), "b": 0.7 * RANDOM.normal(size=(3, 2))}
TOKENS = RANDOM.normal(size=(5, 4))
ATTENTION = {name: 0.6 * RANDOM.normal(size=(4, 4)) for name in ("q", "k", "v")}
WITH_BIAS = {**PARAMS, "c": np.array([0.4, -0.3, 0.2])}


def network(params):
    """Its matrices are n_in × n_out."""
    return 0.5 * ((jnp.tanh(INPUTS @ params["a"]) @ params["b"] - TARGETS) ** 2).sum(axis=1).mean()


def attention(params):
    scores = (TOKENS @ params["q"]) @ (TOKENS @ params["k"]).T / 2.0
    return (jnp.tanh(jax.nn.softmax(scores, axis=-1) @ (TOKENS @ params["v"])) ** 2).mean() + jnp.sin(scores).mean()


def with_bias(params):
    return network(params) + jnp.sin(params["c"]).sum() + (params["c"] * params["a"][0]).sum()


def rows_of(loss, params, order, name, **values):
    params = jax.tree.map(jnp.asarray, params)
    rows = eomsym.jax.counterterms(loss, params, order, optimizer=name, **values)
    return np.array([np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(row)]) for row in rows])


def stepped(entry, loss, eta, numbers):
    """One step of a rule, compiled."""
    slope = jax.grad(loss)
    return jax.jit(lambda state: entry.run(lambda point, field=0: slope(point), state, eta, **numbers))


def differences(loss, params, name, count, eta, **values):
    """``F(η)`` of the slow manifold at β = 0: a few differences of the rule's own steps, in float64."""
    entry, exact = optimizers.chosen(name, values)
    numbers = {key: float(value) for key, value in entry.complete(exact).items()}
    theta, shaped = jax.flatten_util.ravel_pytree(jax.tree.map(jnp.asarray, params))
    entry = entry.on(Blocks(tuple(leaf.shape for leaf in jax.tree.leaves(params))))
    step = stepped(entry, lambda flat: loss(shaped(flat)), eta, numbers)
    row, state = [theta], (theta, *(0 * theta for _ in entry.memory))
    for _ in range(count):
        state = step(state)
        row.append(state[0])
    total, n = 0 * theta, 1
    while len(row) > 1:
        row = [after - before for before, after in pairwise(row)]
        total, n = total + row[0] * ((-1) ** (n + 1) / n), n + 1
    return np.asarray(total / eta)


@pytest.mark.parametrize("beta", [0, "19/20"])
def test_rows_are_those_of_the_kernel(beta):
    kernel = shared_kernels.kernel("no bias")
    theta = np.concatenate([np.ravel(PARAMS["a"]), np.ravel(PARAMS["b"])])
    entry, values = optimizers.chosen("muon(columns_out=yes)", {"beta": beta})
    rows = rows_of(network, PARAMS, 3, "muon(columns_out=yes)", beta=beta)
    # the kernel's matrices are turned, n_out × n_in, so that rows are outputs there
    own, _ = optimizers.chosen("muon", {"beta": beta})
    expected = kernel_counterterms(kernel, own.rule(**own.complete(values)), theta, 3, (INPUTS, TARGETS))
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-11 * np.abs(expected).max())
    assert entry is not own


@pytest.mark.parametrize("name", ["muon", "sam", "gradient-descent(clipped=yes)"])
@pytest.mark.parametrize("loss", [network, attention], ids=lambda loss: loss.__name__)
def test_sums_of_rows_are_the_logarithm_of_a_step(name, loss):
    """At two step sizes what is left falls with η^(N + 1); of Muon order 2 is seen in more digits alone."""
    params = PARAMS if loss is network else ATTENTION
    values = {"muon": {"beta": 0}, "sam": {}, "gradient-descent(clipped=yes)": {"clip_norm": "1/20"}}[name]
    rows = -rows_of(loss, params, 3, name, smooth="ignore", **values)
    etas = {"muon": (2.5e-4, 1.25e-4), "sam": (1e-2, 5e-3)}.get(name, (0.2, 0.1))
    for order in range(2 if name == "muon" else 3):
        rests = []
        for eta in etas:
            field = sum(eta**k * row for k, row in enumerate(rows[: order + 1]))
            rests.append(np.linalg.norm(differences(loss, params, name, 9, eta, **values) - field))
        assert np.log2(rests[0] / rests[1]) == pytest.approx(order + 1, abs=0.25)


def test_terms_of_trees_are_the_numbers():
    """Every tree of Muon to order 3, by nested ``jax.jvp`` of g and of the map, against ``counterterms``."""
    name, values = "muon(nesterov=no, columns_out=yes)", {"beta": "1/3"}
    equation = eomsym.derive(name, 3, **values)
    theta, shaped = jax.flatten_util.ravel_pytree(jax.tree.map(jnp.asarray, PARAMS))
    blocks = Blocks(tuple(leaf.shape for leaf in jax.tree.leaves(PARAMS)))
    entry, exact = optimizers.chosen(name, values)
    (image,) = entry.rule(**entry.complete(exact)).images
    slope = jax.grad(lambda flat: network(shaped(flat)))
    functions = {1: (slope, theta), 2: (lambda vector: image.map.of_vectors([vector], blocks), slope(theta))}

    def derivative(function, point, arguments):
        for direction in arguments:
            function = lambda at, inner=function, along=direction: jax.jvp(inner, (at,), (along,))[1]  # noqa: E731
        return function(point)

    def differential(tree):
        return derivative(*functions[tree.colour], [differential(child) for child in tree.children])

    rows = rows_of(network, PARAMS, 3, name, **values)
    for row, terms in zip(rows, equation.rows, strict=True):
        total = sum(float(coefficient) * differential(tree) for tree, coefficient in terms.items())
        np.testing.assert_allclose(row, total, rtol=0, atol=1e-10 * np.abs(row).max())
    assert len(equation.rows[3]) > 5


#: The same by our names and as optax makes them.
OBJECTS = {
    "optax.lamb()": lambda: optax.lamb(0.01),
    "optax.lamb(weight_decay=0.1)": lambda: optax.lamb(0.01, weight_decay=0.1),
    "optax.lars()": lambda: optax.lars(0.01),
    "optax.lars(weight_decay=0.1, nesterov=True)": lambda: optax.lars(0.01, weight_decay=0.1, nesterov=True),
    "optax.contrib.muon()": lambda: optax.contrib.muon(0.01),
    "optax.contrib.muon(nesterov=False, beta=0.9)": lambda: optax.contrib.muon(0.01, nesterov=False, beta=0.9),
    "optax.contrib.muon(consistent_rms=0.2)": lambda: optax.contrib.muon(0.01, consistent_rms=0.2),
    "adamw(clipped=yes, clip_norm=1/20, decay=1e-4)": lambda: optax.chain(
        optax.clip_by_global_norm(0.05), optax.adamw(0.01, weight_decay=1e-4)
    ),
}


def run_of_optax(transformation, params, steps, loss):
    @jax.jit
    def step(params, state):
        updates, state = transformation.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    state = transformation.init(params)
    for _ in range(steps):
        params, state = step(params, state)
    return params


@pytest.mark.parametrize("name", OBJECTS)
def test_runs_are_those_of_optax_step_for_step(name):
    params = jax.tree.map(jnp.asarray, WITH_BIAS)
    end = run_of_optax(OBJECTS[name](), params, 20, with_bias)
    entry, values = optimizers.chosen(name)
    numbers = {key: float(value) for key, value in entry.complete(values).items()}
    theta, shaped = jax.flatten_util.ravel_pytree(params)
    entry = entry.on(Blocks(tuple(leaf.shape for leaf in jax.tree.leaves(params))))
    step = stepped(entry, lambda flat: with_bias(shaped(flat)), 0.01, numbers)
    state = entry.initial_state(theta, None, **numbers)
    for _ in range(20):
        state = step(state)
    found, expected = state[0], jax.flatten_util.ravel_pytree(end)[0]
    assert np.abs(expected - theta).max() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


#: Of those with a root of a mean of g² its β and ε are such that its kink at 0 is not near.
SMOOTH = {
    "lars": OBJECTS["optax.lars()"],
    "muon": OBJECTS["optax.contrib.muon()"],
    "lamb": lambda: optax.lamb(0.01, b1=0.5, b2=0.6, eps=0.05, weight_decay=0.1),
    "schedule_free_sgd": lambda: optax.contrib.schedule_free_sgd(0.05),
    "schedule_free_adamw": lambda: optax.contrib.schedule_free_adamw(0.01, b2=0.6, eps=0.05),
    "MultiSteps": lambda: optax.MultiSteps(optax.lamb(0.01, b1=0.5, b2=0.6, eps=0.05), 2),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_errors_of_real_objects_fall_with_the_order(name):
    after = 3 if name in ("lars", "muon") else 5

    def followed(loss):
        params = jax.tree.map(jnp.asarray, WITH_BIAS)
        return eomsym.follow(eomsym.Training(loss, None, SMOOTH[name](), theta=params), 8, after=after)

    found = followed(with_bias)
    errors, run = found.errors, found.iterates
    assert errors[0] > 3 * errors[1] > 9 * errors[2]
    path = followed(lambda params: with_bias(params) + 0.3 * jnp.sin(params["a"]).sum()).paths[2]
    moved = (run[-1] - run[0], path[-1] - path[0])
    assert np.linalg.norm(moved[0] - moved[1]) > 10 * errors[1] * np.linalg.norm(moved[0])


def test_a_map_that_reads_a_number_is_refused():
    reads = Map("reads", lambda array: array * float(array.sum()))
    rule = Optimizer("own-reads", lambda gradient, state, eta: (state[0] - eta * reads(gradient(state[0])),))
    with pytest.raises((InputError, jax.errors.JAXTypeError), match=r"cannot be taken of|Abstract tracer|concrete"):
        rows_of(network, PARAMS, 1, rule)


def test_accumulated_gradients_are_a_step_of_the_inner_transformation():
    """``optax.MultiSteps``: its calls with the gradients of parts of a batch make the step on their mean."""
    params = jax.tree.map(jnp.asarray, PARAMS)
    inner, parts = optax.sgd(0.05, 0.9), optax.MultiSteps(optax.sgd(0.05, 0.9), 2)
    state, halves, whole, given = inner.init(params), parts.init(params), params, params
    for _ in range(5):
        slopes = jax.grad(network)(given)
        for factor in (0.5, 1.5):
            updates, halves = parts.update(jax.tree.map(lambda g, f=factor: f * g, slopes), halves, given)
            given = optax.apply_updates(given, updates)
        updates, state = inner.update(jax.grad(network)(whole), state, whole)
        whole = optax.apply_updates(whole, updates)
    for one, other in zip(jax.tree.leaves(given), jax.tree.leaves(whole), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-8)  # optax adds them up in float32
    found, expected = (
        eomsym.follow(eomsym.Training(network, None, one, theta=params), 6, after=5).errors
        for one in (optax.MultiSteps(optax.adamw(0.01), 2), optax.adamw(0.01))
    )
    assert found == pytest.approx(expected, rel=1e-9)
    assert found[0] > 3 * found[1]
