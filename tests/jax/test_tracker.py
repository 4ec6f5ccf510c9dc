"""The tracker as a function in an optax loop, with buffers that are given away."""

import pytest

jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")
optax = pytest.importorskip("optax", reason="optax is not installed")

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

import eomsym  # noqa: E402


def test_an_optax_loop_that_donates_its_parameters():
    generator = np.random.default_rng(0)
    inputs = jnp.asarray(generator.normal(size=(40, 4)))
    targets = jnp.asarray(generator.normal(size=40))
    params = {"w": jnp.asarray(generator.normal(size=(4, 6))), "last": [jnp.asarray(generator.normal(size=6))]}
    transform = optax.chain(optax.clip_by_global_norm(10.0), optax.sgd(0.01, momentum=0.9))

    def loss(params):
        return jnp.mean((jnp.tanh(inputs @ params["w"]) @ params["last"][0] - targets) ** 2)

    @jax.jit
    def step(params, state):
        updates, state = transform.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    state, run = transform.init(params), eomsym.Tracker(2, 20, forgets=88)
    for number in range(1, 101):
        before = params
        params, state = step(params, state)
        for leaf in jax.tree.leaves(before):
            leaf.delete()
        run(number, params)
    assert [one.step for one in run.measurements] == [20, 40, 60, 80, 100]
    assert [one.verdict for one in run.measurements] == ["transient"] * 4 + ["series"]
    assert not run.problems
    assert [part.shape for part in run.field()] == [(6,), (4, 6)], "in the order of the mapping: JAX sorts names"
