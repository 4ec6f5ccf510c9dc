"""The three networks of all comparisons of kernels, with their data: tanh, float64."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from eomsym.models import MLP, dataset

#: Numbers of terms g, ξ_0, …, ξ_{K−2}; an eomsym kernel of order K − 1 has K.
TERMS = (2, 3, 4, 5, 6, 8, 10)
NETS = ("tiny", "digits", "wide")


@dataclass(frozen=True, eq=False)
class Case:
    """A network, its data and a place θ.  ``inputs`` float64 (n, n_in), ``targets`` as the loss takes them."""

    name: str
    model: MLP
    inputs: np.ndarray
    targets: np.ndarray
    theta: np.ndarray

    @property
    def title(self) -> str:
        """What the table says of it."""
        widths = "-".join(map(str, self.model.layers))
        return (
            f"{self.name}: {widths}, tanh, {self.model.loss}, {len(self.inputs)} samples, {self.model.size} parameters"
        )


@cache
def case(name: str) -> Case:
    """The case called ``name``, one of ``NETS`` or ``million``.  Raises ``KeyError`` for another."""
    model, inputs, targets = _MAKERS[name]()
    return Case(name, model, inputs, targets, model.initial(1))


def _tiny() -> tuple[MLP, np.ndarray, np.ndarray]:
    return MLP([2, 16, 16, 1], "tanh", "mse"), *dataset("teacher").arrays


def _digits() -> tuple[MLP, np.ndarray, np.ndarray]:
    return MLP([64, 32, 10], "tanh", "cross-entropy"), *dataset("digits").arrays


def _wide() -> tuple[MLP, np.ndarray, np.ndarray]:
    """Of the size of MNIST's images; what is in them does not change the time."""
    random = np.random.default_rng(0)
    return MLP([784, 256, 10], "tanh", "cross-entropy"), random.random((1024, 784)), random.integers(0, 10, 1024)


def _million() -> tuple[MLP, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return MLP([784, 1024, 192, 10], "tanh", "cross-entropy"), random.random((256, 784)), random.integers(0, 10, 256)


_MAKERS = {"tiny": _tiny, "digits": _digits, "wide": _wide, "million": _million}
