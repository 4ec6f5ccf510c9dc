"""A loss of an array library as a kernel: θ is one float64 vector of NumPy, in the order of the leaves of params."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np

from eomsym.arrays.batches import WHOLE
from eomsym.arrays.check import Watch, check_gradient
from eomsym.arrays.frontend import MAX_ARRAY_ORDER, Frontend
from eomsym.arrays.library import Traced
from eomsym.arrays.line import curve_of
from eomsym.errors import InputError

#: A function of vectors of the library's.
Function = Callable[..., Any]


class FlatModel(ABC):
    """What paths and observables ask of a kernel, of ``loss_fn(params)``; ``theta`` is where ``params`` stand, (d,).

    ``params`` are in float64, in which all is computed; what of them is held is no part of θ.
    """

    order = MAX_ARRAY_ORDER
    frontend: Frontend
    #: A vector of the library's, what compiles a function of such, and what makes g of one.
    array: Callable[[np.ndarray], Any]
    compiled: Callable[[Function], Function]
    gradient_of: Callable[[Function], Function]
    #: In it the library computes in float64.
    precisely: Callable[[], AbstractContextManager[Any]] = nullcontext

    def __init__(self, loss_fn: Callable[[Any], Any], params: Any) -> None:
        library = self.frontend.library
        self._moving = library.moving(params)
        vector, self._shaped = library.ravel(self._moving.leaves)
        self.theta = np.array(library.numpy(vector))
        self.size = self.theta.size
        self._flat = self.compiled(lambda flat: loss_fn(self._params(flat)))
        self._slope = self.compiled(self.gradient_of(self._flat))
        self._traced = Traced(lambda moving: loss_fn(self._moving.whole(moving)), None)
        self._series = self.compiled(self._along_curve)
        self._looked_at: set[int] = set()

    def check(self) -> None:  # noqa: B027 - nothing of JAX's is refused
        """Raises ``InputError`` where what steps are made of is no gradient of the loss."""

    @abstractmethod
    def _along(self, function: Function, flat: Any, vector: Any) -> Any:
        """The derivative of a function of a vector along another."""

    @abstractmethod
    def _rows(self, flat: Any, order: int, optimizer: Any, values: Mapping[str, Any]) -> list[Any]:
        """Counter terms at a vector, each a tree of what moves."""

    def _params(self, flat: Any) -> Any:
        return self._moving.whole(self._parts(flat))

    def _parts(self, flat: Any) -> Any:
        return self._shaped(flat)

    def _along_curve(self, curve: Any, watch: Watch | None = None) -> list[Any]:
        """The coefficients of g along a curve (terms, d), each a list of arrays; ``watch`` looks at them."""
        library = self.frontend.library
        with library.quiet():
            parts = [library.flatten(self._parts(row)) for row in curve]
            (gradient,) = self._traced.gradients(library, parts[0], ([], None), [WHOLE])
            machine = curve_of(gradient.program, [leaves for leaves, _ in parts], library.backend)
            if watch is not None:
                watch.begun(machine)
                check_gradient(machine, lambda values: gradient.at([], values))
            return [list(level) for level in zip(*map(machine.curve, gradient.program.results), strict=True)]

    def _of(self, function: Function, *vectors: np.ndarray) -> np.ndarray:
        with self.precisely():
            return np.array(self.frontend.library.numpy(function(*map(self.array, vectors))))

    def loss(self, theta: np.ndarray) -> float:
        """The loss."""
        return float(self._of(self._flat, theta))

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        """g, (d,)."""
        return self._of(self._slope, theta)

    def hessian_vector(self, theta: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """Hv, (d,)."""
        return self._of(partial(self._along, self._slope), theta, vector)

    def gradient_series(self, series: np.ndarray) -> np.ndarray:
        """The coefficients of g along ``Σ_k η^k series[k]``, both (terms, d).

        The first of each number of terms are compared with the library's own gradient.  Raises ``InputError`` for an
        operation without a rule, ``SeriesMismatchError`` where the check fails; warns of kinks.
        """
        vector, terms = self.frontend.library.vector, len(series)
        with self.precisely():
            curve = self.array(series)
            if terms in self._looked_at or terms == 1:
                return np.array([vector(level) for level in self._series(curve)])
            watch = Watch(True, "warn", terms - 1)
            found = np.array([vector(level) for level in self._along_curve(curve, watch)])
        self._looked_at.add(terms)
        watch.tell()
        return found

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
            found = function(self._params(theta))
            kind = getattr(found, "dtype", type(found).__name__)
            if not str(kind).endswith("float64") or not backend.floating(found):
                raise InputError(f"observable: gave {kind}; params are float64, give an array of float64 made of them")
            return found

        return partial(self._of, flat), partial(self._of, partial(self._along, flat))
