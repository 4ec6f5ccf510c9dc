"""The unit of all kernel times: one gradient of a tanh network in plain NumPy.  Nothing here is eomsym's."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np


def gradient_function(
    layers: tuple[int, ...], loss: str, inputs: np.ndarray, targets: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """The gradient of the mean loss as a function of θ (d,), each layer's W (n_in × n_out, row-major) then its bias.

    ``loss`` is ``mse`` (½‖out − y‖², ``targets`` (n, n_out)) or ``cross-entropy`` (``targets`` integer labels (n,)).
    """
    samples = len(inputs)
    picked = np.arange(samples)
    shapes = list(pairwise(layers))

    def unpacked(vector: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        parts, start = [], 0
        for rows, columns in shapes:
            middle, end = start + rows * columns, start + (rows + 1) * columns
            parts.append((vector[start:middle].reshape(rows, columns), vector[middle:end]))
            start = end
        return parts

    def gradient(theta: np.ndarray) -> np.ndarray:
        parameters = unpacked(theta)
        activations = [inputs]
        for depth, (weights, bias) in enumerate(parameters):
            z = activations[-1] @ weights
            z += bias
            activations.append(np.tanh(z, out=z) if depth < len(shapes) - 1 else z)
        delta = activations.pop()
        if loss == "mse":
            delta -= targets
        else:
            delta -= delta.max(axis=1, keepdims=True)
            np.exp(delta, out=delta)
            delta /= delta.sum(axis=1, keepdims=True)
            delta[picked, targets] -= 1.0
        delta /= samples
        result = np.empty_like(theta)
        for (weights, _), (d_weights, d_bias), value in zip(
            reversed(parameters), reversed(unpacked(result)), reversed(activations), strict=True
        ):
            np.matmul(value.T, delta, out=d_weights)
            delta.sum(axis=0, out=d_bias)
            if value is not inputs:
                delta = delta @ weights.T
                delta *= 1.0 - value * value
        return result

    return gradient
