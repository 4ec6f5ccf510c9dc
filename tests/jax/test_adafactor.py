"""The factored second moment beside ``optax.scale_by_factored_rms`` with a constant share, step for step."""

import inspect

import numpy as np
import pytest

from eomsym import optimizers
from eomsym.blocks import Blocks

jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")
optax = pytest.importorskip("optax", reason="optax is not installed")
jnp = jax.numpy

SHAPES = {"a": (4, 3), "b": (3, 5), "c": (3,), "d": (2, 3, 4), "e": ()}
RATE, STEPS = 0.01, 20


def start():
    random = np.random.default_rng(0)
    return {name: jnp.asarray(random.normal(size=shape)) for name, shape in SHAPES.items()}


def loss(params):
    a, b, c, d, e = (params[name] for name in SHAPES)
    return (jnp.tanh(a @ b) ** 2).sum() + jnp.sin(c + a[0]).sum() + (d**3 + e * d).sum() + jnp.cos(e)


def run_of_optax(threshold=None, **options):
    constant = {"decay_rate": 0.9, "decay_rate_fn": lambda step, share: share, "epsilon": 1e-3, **options}
    clip = [] if threshold is None else [optax.clip_by_block_rms(threshold)]
    transformation = optax.chain(optax.scale_by_factored_rms(**constant), *clip, optax.scale(-RATE))
    params, state = start(), transformation.init(start())
    for _ in range(STEPS):
        updates, state = transformation.update(jax.grad(loss)(params), state, params)
        params = optax.apply_updates(params, updates)
    return np.asarray(jax.flatten_util.ravel_pytree(params)[0])


def run_of_rule(**values):
    entry, exact = optimizers.chosen("adafactor", {"beta2": "9/10", "epsilon": "1/1000", **values})
    numbers = {name: float(value) for name, value in entry.complete(exact).items()}
    theta, shaped = jax.flatten_util.ravel_pytree(start())
    slope, entry = jax.grad(lambda flat: loss(shaped(flat))), entry.on(Blocks(tuple(SHAPES.values())))
    state = entry.initial_state(theta, None, **numbers)
    for _ in range(STEPS):
        state = entry.run(lambda point, field=0: slope(point), state, RATE, **numbers)
    return np.asarray(state[0]), [part.size for part in state]


@pytest.mark.parametrize("threshold", [None, 1.0, 0.5])
@pytest.mark.parametrize(("shortest", "sizes"), [(1, [55, 16, 19]), (3, [55, 16, 19]), (4, [55, 55, 5])])
def test_runs_are_those_of_optax_with_a_constant_share(shortest, sizes, threshold):
    expected = run_of_optax(threshold, min_dim_size_to_factor=shortest)
    clip = {} if threshold is None else {"threshold": threshold}
    found, kept = run_of_rule(shortest=shortest, **clip)
    assert kept == sizes
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_optax_s_own_share_of_step_n_and_another_threshold_are_other_runs():
    found, _ = run_of_rule()
    default = inspect.signature(optax.scale_by_factored_rms).parameters["decay_rate_fn"].default
    own = run_of_optax(min_dim_size_to_factor=1, decay_rate=0.8, decay_rate_fn=default)
    assert np.abs(found - own).max() > 1e-3
    assert np.abs(found - run_of_optax(min_dim_size_to_factor=1, epsilon=2e-3)).max() > 1e-6
    assert np.abs(run_of_rule(threshold=1)[0] - run_of_optax(0.9, min_dim_size_to_factor=1)).max() > 1e-3
