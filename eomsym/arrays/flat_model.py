"""A loss of an array library as a kernel: θ is one float64 vector of NumPy, in the order of the leaves of params."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from eomsym.arrays.check import Watch, check_gradient
from eomsym.arrays.frontend import MAX_ARRAY_ORDER, Frontend
from eomsym.arrays.library import Traced, blocks_of
from eomsym.arrays.line import curve_of
from eomsym.errors import InputError

#: A function of vectors of the library's.
Function = Callable[..., Any]


class FlatModel(ABC):
    """A kernel of ``loss_fn(params)``, or of ``loss_fn(params, data)`` for a tree ``data``, as generated ones are.

    ``theta`` is where ``params`` stand, (d,); ``data`` are the arrays of the tree, all of which are taken where none
    are given.  All is computed in float64; what of ``params`` is held is no part of θ, and what of the tree is no
    array, no part of the data.  ``blocks`` are the arrays that θ is made of.
    """

    order = MAX_ARRAY_ORDER
    frontend: Frontend
    #: A vector of the library's, what compiles a function of such, and ``grad``, ``jvp`` and ``vmap``.
    array: Callable[[np.ndarray], Any]
    compiled: Callable[[Function], Function]
    functions: Any
    #: In it the library computes in float64.
    precisely: Callable[[], AbstractContextManager[Any]] = nullcontext

    def __init__(self, loss_fn: Callable[..., Any], params: Any, data: Any = None) -> None:
        library = self.frontend.library
        self._moving = library.moving(params)
        self.blocks = blocks_of(library, params, self._moving)
        vector, self._shaped = library.ravel(self._moving.leaves)
        self.theta = np.array(library.numpy(vector))
        self.size = self.theta.size
        self._tree = None if data is None else library.flatten(data)
        self.data = tuple(map(self._samples, filter(_is_array, self._tree[0]))) if self._tree else ()
        self._loss_fn = loss_fn
        self._flat = self.compiled(self.at)
        self._slope = self.compiled(self.functions.grad(self._flat))
        self._traced = Traced(lambda moving, data=(): self._at(self._moving.whole(moving), data), None)
        self._series = self.compiled(self._along_curve)
        self._looked_at: set[int] = set()

    def check(self) -> None:  # noqa: B027 - nothing of JAX's is refused
        """Raises ``InputError`` where what steps are made of is no gradient of the loss."""

    def on_all(self, params: Any) -> Any:
        """The loss of all data, as the library's number."""
        return self._at(params, list(map(self.array, self.data)))

    def _at(self, params: Any, data: Sequence[Any]) -> Any:
        if self._tree is None:
            return self._loss_fn(params)
        leaves, structure = self._tree
        arrays = iter(data)
        whole = [next(arrays) if _is_array(leaf) else leaf for leaf in leaves]
        return self._loss_fn(params, self.frontend.library.unflatten(structure, whole))

    def _samples(self, array: Any) -> np.ndarray:
        if isinstance(array, np.ndarray):
            return array.astype(np.float64) if np.issubdtype(array.dtype, np.floating) else array
        backend = self.frontend.library.backend
        return self.frontend.library.numpy(array) if backend.floating(array) else np.asarray(array)

    @abstractmethod
    def _along(self, function: Function, flat: Any, vector: Any) -> Any:
        """The derivative of a function of a vector along another."""

    def at(self, flat: Any, *data: Any) -> Any:
        """The loss at a vector of the library's, of arrays of its own."""
        return self._at(self._params(flat), data)

    def _params(self, flat: Any) -> Any:
        return self._moving.whole(self._parts(flat))

    def _parts(self, flat: Any) -> Any:
        return self._shaped(flat)

    def restored(self, theta: np.ndarray) -> Any:
        """``params`` of a vector of NumPy, in float64, their leaves as arrays of NumPy."""
        library = self.frontend.library
        with self.precisely():
            return library.map(library.numpy, self._params(self.array(theta)))

    def _along_curve(self, curve: Any, *data: Any, watch: Watch | None = None) -> list[Any]:
        """The coefficients of g along a curve (terms, d), each a list of arrays; ``watch`` looks at them."""
        library = self.frontend.library
        with library.quiet():
            parts = [library.flatten(self._parts(row)) for row in curve]
            kind = library.flatten(list(data))[1] if data else None
            piece = tuple(array[None] for array in data), 1, 1.0
            (gradient,) = self._traced.gradients(library, parts[0], (list(data), kind), [piece])
            machine = curve_of(gradient.program, [leaves for leaves, _ in parts], library.backend, data)
            if watch is not None:
                watch.begun(machine)
                check_gradient(machine, lambda values: gradient.at(list(data), values))
            return [list(level) for level in zip(*map(machine.curve, gradient.program.results), strict=True)]

    def _of(self, function: Function, *vectors: np.ndarray, data: Sequence[np.ndarray] = ()) -> np.ndarray:
        with self.precisely():
            arrays = map(self.array, (*vectors, *(data or self.data)))
            return np.array(self.frontend.library.numpy(function(*arrays)))

    def loss(self, theta: np.ndarray, *data: np.ndarray) -> float:
        """The loss."""
        return float(self._of(self._flat, theta, data=data))

    def gradient(self, theta: np.ndarray, *data: np.ndarray) -> np.ndarray:
        """g, (d,)."""
        return self._of(self._slope, theta, data=data)

    def hessian_vector(self, theta: np.ndarray, vector: np.ndarray, *data: np.ndarray) -> np.ndarray:
        """Hv, (d,)."""
        return self._of(
            lambda flat, by, *arrays: self._along(lambda at: self._slope(at, *arrays), flat, by),
            theta,
            vector,
            data=data,
        )

    def gradient_series(self, series: np.ndarray, *data: np.ndarray) -> np.ndarray:
        """The coefficients of g along ``Σ_k η^k series[k]``, both (terms, d).

        The first of each number of terms are compared with the library's own gradient.  Raises ``InputError`` for an
        operation without a rule, ``SeriesMismatchError`` where the check fails; warns of kinks.
        """
        vector, terms = self.frontend.library.vector, len(series)
        with self.precisely():
            curve, *arrays = map(self.array, (series, *(data or self.data)))
            if terms in self._looked_at or terms == 1:
                return np.array([vector(level) for level in self._series(curve, *arrays)])
            watch = Watch(True, "warn", terms - 1)
            found = np.array([vector(level) for level in self._along_curve(curve, *arrays, watch=watch)])
        self._looked_at.add(terms)
        watch.tell()
        return found

    def observed(self, function: Callable[[Any], Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """A function of ``params`` as one of θ, and its derivative along a vector."""
        backend = self.frontend.library.backend

        def flat(theta: Any) -> Any:
            found = function(self._params(theta))
            kind = getattr(found, "dtype", type(found).__name__)
            if not str(kind).endswith("float64") or not backend.floating(found):
                raise InputError(f"observable: gave {kind}; params are float64, give an array of float64 made of them")
            return found

        def value(theta: np.ndarray) -> np.ndarray:
            return self._of(lambda at, *_: flat(at), theta)

        return value, lambda theta, vector: self._of(lambda at, by, *_: self._along(flat, at, by), theta, vector)


def _is_array(leaf: Any) -> bool:
    return hasattr(leaf, "shape") and hasattr(leaf, "dtype")
