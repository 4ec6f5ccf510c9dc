"""A loss of an array library as a kernel: θ is one float64 vector of NumPy, in the order of the leaves of params."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np

from eomsym.arrays.frontend import MAX_ARRAY_ORDER, Frontend
from eomsym.errors import InputError

#: A function of vectors of the library's.
Function = Callable[..., Any]


class FlatModel(ABC):
    """What paths and observables ask of a kernel, of ``loss_fn(params)``; ``theta`` is where ``params`` stand, (d,).

    ``params`` are in float64, in which all is computed; what of them is held is no part of θ.
    """

    order = MAX_ARRAY_ORDER
    frontend: Frontend
    #: A vector of the library's, what compiles a function of such, and ``grad``, ``jvp`` and ``vmap``.
    array: Callable[[np.ndarray], Any]
    compiled: Callable[[Function], Function]
    functions: Any
    #: In it the library computes in float64.
    precisely: Callable[[], AbstractContextManager[Any]] = nullcontext

    def __init__(self, loss_fn: Callable[[Any], Any], params: Any) -> None:
        library = self.frontend.library
        self._moving = library.moving(params)
        vector, self._shaped = library.ravel(self._moving.leaves)
        self.theta = np.array(library.numpy(vector))
        self.size = self.theta.size
        self._flat = self.compiled(lambda flat: loss_fn(self.parameters(flat)))
        self._slope = self.compiled(self.functions.grad(self._flat))

    def check(self) -> None:  # noqa: B027 - nothing of JAX's is refused
        """Raises ``InputError`` where what steps are made of is no gradient of the loss."""

    @abstractmethod
    def _along(self, function: Function, flat: Any, vector: Any) -> Any:
        """The derivative of a function of a vector along another."""

    @abstractmethod
    def _rows(self, flat: Any, order: int, optimizer: Any, values: Mapping[str, Any]) -> list[Any]:
        """Counter terms at a vector, each a tree of what moves."""

    def parameters(self, flat: Any) -> Any:
        """``params`` of a vector of the library's."""
        return self._moving.whole(self._shaped(flat))

    def _of(self, function: Function, *vectors: np.ndarray) -> np.ndarray:
        with self.precisely():
            return np.array(self.frontend.library.numpy(function(*map(self.array, vectors))))

    def restored(self, theta: np.ndarray) -> Any:
        """``params`` of a vector of NumPy, in float64, their leaves as arrays of NumPy."""
        library = self.frontend.library
        with self.precisely():
            return library.map(library.numpy, self.parameters(self.array(theta)))

    def loss(self, theta: np.ndarray) -> float:
        """The loss."""
        return float(self._of(self._flat, theta))

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        """g, (d,)."""
        return self._of(self._slope, theta)

    def hessian_vector(self, theta: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """Hv, (d,)."""
        return self._of(partial(self._along, self._slope), theta, vector)

    def counterterms(self, theta: np.ndarray, order: int, optimizer: Any, values: Mapping[str, Any]) -> np.ndarray:
        """``counterterms`` of the library as rows, (order + 1, d)."""
        library = self.frontend.library
        with self.precisely():
            rows = self._rows(self.array(theta), order, optimizer, values)
            return np.array([library.vector(library.flatten(row)[0]) for row in rows])

    def observed(self, function: Callable[[Any], Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """A function of ``params`` as one of θ, and its derivative along a vector."""
        backend = self.frontend.library.backend

        def flat(theta: Any) -> Any:
            found = function(self.parameters(theta))
            kind = getattr(found, "dtype", type(found).__name__)
            if not str(kind).endswith("float64") or not backend.floating(found):
                raise InputError(f"observable: gave {kind}; params are float64, give an array of float64 made of them")
            return found

        return partial(self._of, flat), partial(self._of, partial(self._along, flat))
