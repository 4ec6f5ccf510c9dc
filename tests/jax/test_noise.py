"""Noise of batches on JAX losses: the same numbers as on kernels, on any pytree, in any precision."""

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")

import asking  # noqa: E402
import jax.numpy as jnp  # noqa: E402
from shared_kernels import kernel  # noqa: E402

import eomsym  # noqa: E402
from eomsym.errors import InputError  # noqa: E402

GENERATOR = np.random.default_rng(2)
INPUTS, TARGETS, THETA = GENERATOR.normal(size=(6, 2)), GENERATOR.normal(size=(6, 1)), GENERATOR.normal(size=13) / 2
PARAMS = {"first": [THETA[:6].reshape(2, 3), THETA[6:9]], "last": (THETA[9:12].reshape(3, 1), THETA[12:])}


def loss(params, data):
    inputs, targets = data
    (weights, biases), (last, bias) = params["first"], params["last"]
    return jnp.mean((jnp.tanh(inputs @ weights + biases) @ last + bias - targets) ** 2) / 2


def noise(loss_fn, params, steps, data, batch_size=1, replacement=True, **options):
    batches = eomsym.Batches(batch_size, "replacement" if replacement else "independent")
    return eomsym.noise(eomsym.Training(loss_fn, data, eta=0.1, theta=params, batches=batches), steps, **options)


@pytest.mark.parametrize("options", [{}, {"rank": 4}, {"replacement": False, "batch_size": 3}])
def test_the_same_as_on_a_kernel(options):
    options = {"batch_size": 2, "every": 3, "ensemble": 10, "observables": ("loss", "norm2"), **options}
    wanted = asking.noise(kernel("tiny"), THETA, 0.1, 7, INPUTS, TARGETS, **options)
    found = noise(loss, PARAMS, 7, (INPUTS, TARGETS), **options)
    np.testing.assert_allclose(found.means, wanted.means, rtol=1e-12)
    np.testing.assert_allclose(found.covariance, wanted.covariance, rtol=1e-8, atol=1e-14)
    np.testing.assert_allclose(found.ensemble.means, wanted.ensemble.means, rtol=1e-12)
    for name in ("loss", "norm2"):
        np.testing.assert_allclose(found.expected(name), wanted.expected(name), rtol=1e-11)


def test_parameters_come_back_as_they_were_given():
    single = {"first": [jnp.asarray(part, jnp.float32) for part in PARAMS["first"]], "last": PARAMS["last"]}
    found = noise(loss, single, 4, (INPUTS, TARGETS), observables={"bias": lambda params: params["last"][1][0]})
    assert found.mean["first"][0].shape == (2, 3)
    assert found.mean["first"][0].dtype == np.float64
    assert found.expected("bias")[-1] == pytest.approx(found.mean["last"][1][0], rel=1e-12)
    assert found.expected(lambda params: params["first"][1]).shape == (3,)


def test_bad_input_is_one_line():
    data = (INPUTS, TARGETS)
    for wrong, message in [
        (None, "data: noise is of samples"),
        ((INPUTS, TARGETS[:2]), "2, 6 samples"),
    ]:
        with pytest.raises(InputError, match=message):
            noise(loss, PARAMS, 3, wrong)
    with pytest.raises(InputError, match=r"batches: size 7: .*without replacement there are 6 samples"):
        noise(loss, PARAMS, 3, data, batch_size=7, replacement=False)
    with pytest.raises(InputError, match="no mean over its samples"):
        noise(lambda params, data: 6 * loss(params, data) ** 2, PARAMS, 3, data)
    with pytest.raises(InputError, match="theta: entry 9 is not finite"):
        noise(loss, {**PARAMS, "last": (np.full((3, 1), np.nan), THETA[12:])}, 3, data)
    with pytest.raises(InputError, match="floating-point arrays only"):
        noise(loss, {"first": np.arange(3)}, 3, data)


@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("optimizer", ["heavy-ball", "torch.Adam()"])
def test_a_single_parameter_has_a_memory_too(optimizer, shape):
    slope = np.full(shape, 0.4)

    def fit(params, data):
        return jnp.mean((jnp.tanh(jnp.reshape(params, ()) * data[0]) - data[1]) ** 2)

    data = GENERATOR.normal(size=12), GENERATOR.normal(size=12)
    found = eomsym.noise(eomsym.Training(fit, data, optimizer, 0.01, theta=slope, batches=3), 4, ensemble=200)
    np.testing.assert_allclose(found.traces[-1], found.ensemble.traces[-1], rtol=0.3)
