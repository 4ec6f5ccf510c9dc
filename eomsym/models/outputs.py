"""What a network puts out, and its derivative along a direction of θ: plain NumPy on a whole data set."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit, ndtr

from eomsym.errors import InputError
from eomsym.models.mlp import MLP

_GAUSS = 1 / np.sqrt(2 * np.pi)
#: Each activation with its derivative.
ACTIVATED: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]] = {
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "sigmoid": (expit, lambda x: expit(x) * expit(-x)),
    "softplus": (lambda x: np.logaddexp(0, x), expit),
    "gelu": (lambda x: x * ndtr(x), lambda x: ndtr(x) + x * _GAUSS * np.exp(-x * x / 2)),
    "silu": (lambda x: x * expit(x), lambda x: expit(x) * (1 + x * expit(-x))),
    "sin": (np.sin, np.cos),
    "identity": (lambda x: x, np.ones_like),
}


def outputs_along(
    model: MLP, theta: np.ndarray, direction: np.ndarray, inputs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The last layer's values (n, n_out) and their derivative where θ (d,) moves along ``direction`` (d,).

    Raises ``InputError`` for a network with normalisation.
    """
    if model.normalization != "none":
        raise InputError(f"normalization {model.normalization!r}: outputs are of networks without; take none")
    function, derivative = ACTIVATED[model.activation]
    layers = zip(model.split(theta), model.split(direction), strict=True)
    values, slopes = inputs, np.zeros_like(inputs)
    for number, ((matrix, bias), (matrix_slope, bias_slope)) in enumerate(layers):
        if number:
            values, slopes = function(values), derivative(values) * slopes
        values, slopes = values @ matrix, values @ matrix_slope + slopes @ matrix
        if model.bias:
            values, slopes = values + bias, slopes + bias_slope
    return values, slopes
