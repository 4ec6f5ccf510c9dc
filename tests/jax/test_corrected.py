"""``eomsym.jax.with_counterterm`` in chains: slopes to gradient flow, clipping, a schedule, under jit."""

import numpy as np
import pytest
from sample_quartic import THETA as NEAR
from sample_quartic import SampleQuartic, samples
from scipy.integrate import solve_ivp

jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")
optax = pytest.importorskip("optax", reason="optax is not installed")

import jax.numpy as jnp  # noqa: E402

from eomsym.errors import InputError  # noqa: E402
from eomsym.jax import with_counterterm  # noqa: E402

DATA, THETA = samples(5), 2 * NEAR
KERNEL = SampleQuartic()


def loss(params):
    a, _, c, d = DATA.mean(axis=0)
    x, y = params["x"], params["y"]
    second = 1 + (DATA[:, 1] ** 2).mean()
    return x**4 / 4 + a * x * y**2 / 3 + second * x**2 + 3 * y**2 / 4 + c * x + d * y


GRADIENT = jax.grad(loss)


def train(transform, steps, **options):
    params = {"x": jnp.asarray(THETA[0]), "y": jnp.asarray(THETA[1])}

    @jax.jit
    def step(params, state):
        updates, state = transform.update(GRADIENT(params), state, params, grad_fn=GRADIENT, **options)
        return optax.apply_updates(params, updates), state

    state = transform.init(params)
    for _ in range(steps):
        params, state = step(params, state)
    return np.array([params["x"], params["y"]])


def flow(time, speed=lambda tau: 1.0):
    def field(tau, theta):
        return -speed(tau) * KERNEL.gradient(theta, DATA)

    return solve_ivp(field, (0, time), THETA, method="DOP853", rtol=1e-13, atol=1e-15).y[:, -1]


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_chain_with_clipping_follows_gradient_flow(order):
    found = []
    for steps in (20, 40, 80):
        rate = 0.4 / steps
        clip = optax.clip_by_global_norm(100.0)
        chain = optax.chain(with_counterterm(order, learning_rate=rate), clip, optax.sgd(rate))
        found.append(np.linalg.norm(train(chain, steps) - flow(0.4)))
    assert np.log2(found[-2] / found[-1]) == pytest.approx(order + 1, abs=0.2)


def test_without_the_correction_the_slope_is_one():
    found = [np.linalg.norm(train(optax.sgd(0.4 / n), n) - flow(0.4)) for n in (40, 80)]
    assert np.log2(found[0] / found[1]) == pytest.approx(1, abs=0.1)
    np.testing.assert_allclose(
        train(optax.chain(with_counterterm(2, 0, learning_rate=0.01), optax.sgd(0.01)), 10),
        train(optax.sgd(0.01), 10),
        rtol=1e-15,
    )


def test_clipping_clips_what_comes_out():
    chain = optax.chain(with_counterterm(1, learning_rate=0.1), optax.clip_by_global_norm(1e-3), optax.sgd(0.1))
    moved = train(chain, 1) - THETA
    assert np.linalg.norm(moved) == pytest.approx(1e-4, rel=1e-9)


@pytest.mark.parametrize("where", ["made", "given"])
def test_a_schedule_is_the_rate_of_each_step(where):
    """Steps of 0.04·0.9^k: each follows the flow for its own time; and the rate may be given to ``update``."""
    rate = optax.exponential_decay(0.04, 1, 0.9)
    times = np.array([rate(k) for k in range(10)])
    if where == "made":
        chain = optax.chain(with_counterterm(3, learning_rate=rate), optax.sgd(rate))
        found = train(chain, 10)
    else:
        chain = optax.chain(with_counterterm(3), optax.sgd(0.04))
        found = train(chain, 10, learning_rate=0.04)
        times = np.full(10, 0.04)
    wanted = flow(times.sum())
    assert np.linalg.norm(found - wanted) < 2e-6 * np.linalg.norm(wanted - THETA)
    plain = train(optax.sgd(rate if where == "made" else 0.04), 10)
    assert np.linalg.norm(plain - wanted) > 1e-2 * np.linalg.norm(wanted - THETA)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"grad_fn": None}, "grad_fn None"),
        ({"params": None}, "params None"),
        ({"learning_rate": None}, "learning_rate"),
    ],
)
def test_what_is_missing_is_named(options, named):
    given = {"params": {"x": 1.0}, "grad_fn": lambda params: params, "learning_rate": 0.1} | options
    transform = with_counterterm(1)
    with pytest.raises(InputError, match=named):
        transform.update({"x": 1.0}, transform.init({"x": 1.0}), **given)


def test_bad_orders_and_strengths_are_refused():
    with pytest.raises(InputError, match="order 4"):
        with_counterterm(4)
    with pytest.raises(InputError, match="strength"):
        with_counterterm(1, "much")
