"""What the JAX peers share: the network, ahead-of-time compilation, and rows in the order of θ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases import Case
from benchmarks.timing import once

Layers = list[tuple[Any, Any]]


def unpacked(case: Case, theta: np.ndarray) -> Layers:
    """θ as a list of (W, b)."""
    parts, start = [], 0
    for rows, columns in zip(case.model.layers, case.model.layers[1:], strict=False):
        middle, end = start + rows * columns, start + (rows + 1) * columns
        parts.append((jnp.asarray(theta[start:middle].reshape(rows, columns)), jnp.asarray(theta[middle:end])))
        start = end
    return parts


def encoded_targets(case: Case) -> np.ndarray:
    """Targets as floating-point numbers: labels as rows of an identity matrix."""
    return case.targets if case.model.loss == "mse" else np.eye(case.model.layers[-1])[case.targets]


def loss_function(case: Case, inputs: Any, targets: Any) -> Callable[[Layers], Any]:
    """The loss of the network as a function of its parameters."""

    def loss(parameters: Layers) -> Any:
        value = inputs
        for weights, bias in parameters[:-1]:
            value = jnp.tanh(value @ weights + bias)
        weights, bias = parameters[-1]
        output = value @ weights + bias
        if case.model.loss == "mse":
            return 0.5 * jnp.mean(jnp.sum((output - targets) ** 2, axis=1))
        return -jnp.mean(jnp.sum(targets * jax.nn.log_softmax(output), axis=1))

    return loss


def compiled(
    case: Case, function: Callable[[Layers, Any, Any], list[Layers]]
) -> tuple[float, Callable[[], object], Callable[[], np.ndarray]]:
    """Seconds to trace and compile ``function(parameters, inputs, targets)``; a call of it; its rows (terms, d).

    Inputs and targets are arguments, so that they are not compiled in as constants.
    """
    assert jax.config.jax_enable_x64
    arguments = unpacked(case, case.theta), jnp.asarray(case.inputs), jnp.asarray(encoded_targets(case))
    made: list[Any] = []
    seconds = once(lambda: made.append(jax.jit(function).lower(*arguments).compile()))

    def call() -> Any:
        return jax.block_until_ready(made[0](*arguments))

    def rows() -> np.ndarray:
        return np.array([np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(row)]) for row in call()])

    return seconds, call, rows
