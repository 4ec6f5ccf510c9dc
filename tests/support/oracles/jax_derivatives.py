"""JAX: the recursion of Lie derivatives by nested jvp of ``jax.grad``, on losses written in jnp, against kernels."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np

import eomsym
from benchmarks import lie_recursion
from eomsym.models import ACTIVATIONS, LOSSES, MLP
from oracles.agreement import Agreement

ORDER = 3
ROUND_OFF = 1e-12
SAMPLES = 7
#: A net and its loss each: every activation with one of the losses, and every normalisation.
MODELS = (
    *(
        MLP([2, 4, 3, 2], activation, LOSSES[index % 2], weight_decay=0.1)
        for index, activation in enumerate(ACTIVATIONS)
    ),
    *(MLP([2, 4, 3, 2], "tanh", "mse", normalization=name) for name in ("weight", "layer", "batch")),
    MLP([2, 4, 3, 2], "tanh", "mse", bias=False),
)
_FUNCTIONS: dict[str, Callable] = {
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
    "gelu": lambda z: jax.nn.gelu(z, approximate=False),
    "silu": jax.nn.silu,
    "sin": jnp.sin,
    "identity": lambda z: z,
}


def agreements() -> Iterator[Agreement]:
    """g, ξ_0, ξ_1, ξ_2 of networks that differ in everything; the largest relative error of a row."""
    jax.config.update("jax_enable_x64", True)
    with tempfile.TemporaryDirectory() as folder:
        for model in MODELS:
            yield _network(model, folder)


def _network(model: MLP, folder: str) -> Agreement:
    random = np.random.default_rng(4)
    inputs = random.standard_normal((SAMPLES, model.layers[0]))
    outputs = model.layers[-1]
    labels = random.integers(0, outputs, SAMPLES)
    targets = random.standard_normal((SAMPLES, outputs)) if model.loss == "mse" else labels
    theta = model.initial(2)
    kernel = eomsym.load(eomsym.generate(model, ORDER, output=folder))
    rows = kernel.counterterms(theta, inputs, targets)
    fields = lie_recursion.fields(
        jax.grad(lambda place: _loss(model, place, inputs, targets)),
        lambda function, place, direction: jax.jvp(function, (place,), (direction,))[1],
        lambda parts: sum(weight * value for weight, value in parts),
        ORDER + 1,
    )
    truth = -np.array(jax.jit(lambda place: jnp.stack([field(place) for field in fields]))(theta))
    apart = np.linalg.norm(rows - truth, axis=1) / np.linalg.norm(truth, axis=1)
    what = f"kernel of {model.activation}, {model.loss}"
    what += "" if model.normalization == "none" else f", {model.normalization} normalization"
    return Agreement(f"{what}, order {ORDER}", truth.size, "relative", float(apart.max()), ROUND_OFF)


def _loss(model: MLP, theta, inputs, targets):
    value, place = inputs, 0
    for layer, (rows, columns) in enumerate(pairwise(model.layers)):
        weight = theta[place : place + rows * columns].reshape(rows, columns)
        place += rows * columns
        bias = theta[place : place + columns] if model.bias else 0
        place += columns * model.bias
        hidden = layer < len(model.layers) - 2
        value = _layer(model, value, weight, bias) if hidden else value @ weight + bias
    if model.loss == "mse":
        data = 0.5 * jnp.mean(jnp.sum((value - targets) ** 2, axis=1))
    else:
        data = -jnp.mean(jax.nn.log_softmax(value)[jnp.arange(len(targets)), targets])
    return data + 0.5 * model.weight_decay * jnp.sum(theta**2)


def _layer(model: MLP, value, weight, bias):
    if model.normalization == "weight":
        weight = weight / jnp.sqrt(jnp.sum(weight**2, axis=0))
    argument = value @ weight + bias
    if model.normalization in ("layer", "batch"):
        axis = 1 if model.normalization == "layer" else 0
        argument = argument - jnp.mean(argument, axis=axis, keepdims=True)
        argument = argument / jnp.sqrt(jnp.mean(argument**2, axis=axis, keepdims=True))
    return _FUNCTIONS[model.activation](argument)
