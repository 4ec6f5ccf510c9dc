"""Iris, standardised, with a small network: the run that theory §16 measures, on a kernel, in PyTorch and in JAX."""

from functools import cache

import numpy as np
import shared_kernels
from sklearn.datasets import load_iris

from eomsym.dynamics.spectrum import largest_eigenvalue

SIZES = {"first": (4, 9), "first_bias": (9,), "last": (9, 3), "last_bias": (3,)}


@cache
def data():
    """Inputs (150, 4) and labels."""
    inputs, labels = load_iris(return_X_y=True)
    return np.ascontiguousarray((inputs - inputs.mean(0)) / inputs.std(0)), labels.astype(np.int64)


def kernel():
    return shared_kernels.kernel("iris")


def fresh():
    """Where training begins, (75,)."""
    return kernel().model.initial(0)


@cache
def trained():
    """After 2000 steps of gradient descent, and the largest eigenvalue of the Hessian there."""
    theta = fresh()
    for _ in range(2000):
        theta = theta - 0.3 * kernel().gradient(theta, *data())
    return theta, largest_eigenvalue(kernel(), theta, data())


def named(theta):
    """The vector as a dict of arrays."""
    ends = np.cumsum([np.prod(shape) for shape in SIZES.values()])[:-1]
    parts = zip(np.split(theta, ends), SIZES.items(), strict=True)
    return {name: part.reshape(shape).copy() for part, (name, shape) in parts}
