"""A loaded kernel: the checks that stand before the compiled functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

from eomsym.checks import check_array
from eomsym.codegen.parameters import packed, unpacked
from eomsym.codegen.spec import KernelSpec, Model
from eomsym.errors import InputError, OverflowInKernelError
from eomsym.models import LOSS_TABLE, MLP
from eomsym.step_index.frozen import check_frozen, takes_roots
from eomsym.step_index.resummation import check_summable, resummed_rows, tell_growth


class LoadedKernel:
    """What the kernels of all models share: the specification, and the checks of θ and of the order."""

    def __init__(self, spec: KernelSpec, module: ModuleType, threads: int = 1) -> None:
        self.spec = spec
        self.threads = threads
        self._module = module
        self._told = False

    def __repr__(self) -> str:
        return f"Kernel({self.spec.name})"

    @property
    def model(self) -> Model:
        """The model that the kernel was generated for."""
        return self.spec.model

    @property
    def order(self) -> int:
        """Highest power of η in the field."""
        return self.spec.order

    @property
    def precision(self) -> str:
        """The arithmetic: ``single``, ``double`` or ``double-double``."""
        return self.spec.precision

    @cached_property
    def size(self) -> int:
        """Number of parameters d."""
        return self.spec.model.size

    @cached_property
    def _real(self) -> type[np.floating]:
        """Type of the numbers that the compiled functions take."""
        return np.float32 if self.precision == "single" else np.float64

    def _order(self, order: int | None) -> int:
        if order is None:
            return self.order
        if isinstance(order, bool) or not isinstance(order, (int, np.integer)) or not 0 <= order <= self.order:
            raise InputError(f"order {order!r}: this kernel has orders 0 to {self.order}; generate one of higher order")
        return int(order)

    @cached_property
    def _takes_roots(self) -> bool:
        return takes_roots(self.spec.rule)

    def _check_frozen(self, order: int, theta: np.ndarray, gradient: Callable[[np.ndarray], np.ndarray]) -> None:
        """Raises ``InputError`` where a root of the rule has no derivative."""
        if order and self._takes_roots:
            check_frozen(gradient, theta, self.spec.optimizer)

    def _summed(self, rows: np.ndarray, eta: float, resum: bool) -> np.ndarray:
        """The field of rows of terms, (d,).  Warns once for each kernel where they grow too fast to be resummed.

        Raises ``InputError`` where those of its rule are not to be.
        """
        if not resum:
            return modified_field(rows, eta)
        check_summable(self.spec.rule, self.spec.optimizer)
        found = resummed_rows([[row] for row in rows], _finite_number("eta", eta))
        self._told = self._told or tell_growth(float(found.growth))
        return np.asarray(found.value[0])

    def _vector(self, name: str, vector: np.ndarray) -> np.ndarray:
        array = float_array(name, vector, f"({self.size},)", self._real)
        if array.shape != (self.size,):
            raise InputError(f"{name}: shape {array.shape}; this model has {self.size} parameters, give ({self.size},)")
        return array


class Kernel(LoadedKernel):
    """The compiled functions of one generated file, with arguments checked before any of them runs.

    ``theta`` is float64 (d,); ``inputs`` float64 (n, n_in); ``targets`` float64 (n, n_out), or (n,) for one output, for
    ``mse``, and integer labels (n,) for ``cross-entropy``.  Arrays of any library are taken, read-only and
    memory-mapped ones too.  Where the kernel's precision is single, float32 takes the place of float64, in results too.
    Every method raises ``InputError`` for a wrong type, shape or label, for a masked array, and for a value that is not
    finite.  ``order`` arguments run from 0 to the kernel's order, the default; lower ones cost less.
    """

    @property
    def model(self) -> MLP:
        """The network that the kernel was generated for."""
        assert isinstance(self.spec.model, MLP)
        return self.spec.model

    def pack(self, parameters: Mapping[str, Any]) -> np.ndarray:
        """θ, (d,), of a ``state_dict`` of PyTorch's, matrices n_out × n_in, or flax's ``{name: {"kernel", "bias"}}``.

        Layers stand in the order of the numbers in their names, or as they are given where one has none.
        """
        return packed(self.model, parameters, self._real)

    def unpack(self, theta: np.ndarray, like: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The parameters by name, those of ``like``, tensors where it has tensors; all are copies.

        Without it NumPy arrays by the names ``0.weight``, ``0.bias``, ``2.weight``, … of a Sequential that has an
        activation between each two Linear.
        """
        return unpacked(self.model, self._vector("theta", theta), like)

    def loss(self, theta: np.ndarray, inputs: np.ndarray, targets: np.ndarray) -> float:
        """The loss, weight decay included."""
        return float(self._defined(self._call("loss", self._vector("theta", theta), *self._data(inputs, targets))))

    def gradient(self, theta: np.ndarray, inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The gradient g of the loss, (d,)."""
        row = self._vector("theta", theta).reshape(1, -1)
        return self._defined(self._call("gradient_series", row, *self._data(inputs, targets)))[0]

    def hessian_vector(
        self, theta: np.ndarray, vector: np.ndarray, inputs: np.ndarray, targets: np.ndarray
    ) -> np.ndarray:
        """The Hessian of the loss times a vector, (d,).  Raises ``InputError`` for a kernel of order 0."""
        if self.order < 1:
            raise InputError("hessian_vector: a kernel of order 0 has only gradients; generate one of order 1 or more")
        series = np.stack([self._vector("theta", theta), self._vector("vector", vector)])
        return self.gradient_series(series, inputs, targets)[1]

    def gradient_series(self, series: np.ndarray, inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The gradient along the curve ``Σ_k series[k] η^k`` as a power series, (terms, d), terms ≤ order + 1."""
        if not (isinstance(series, np.ndarray) and series.ndim == 2 and 1 <= len(series) <= self.order + 1):
            raise InputError(f"series: give a float64 array of shape (1 to {self.order + 1}, {self.size})")
        rows = np.stack([self._vector(f"series[{k}]", row) for k, row in enumerate(series)])
        return self._defined(self._call("gradient_series", rows, *self._data(inputs, targets)))

    def gradient_along(self, inputs: np.ndarray, targets: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """``gradient_series`` with these data, checked once: for many short calls.  A series is float64, in C order."""
        arrays = self._data(inputs, targets)
        return lambda series: np.asarray(self._defined(self._call("gradient_series", series, *arrays)))

    def counterterms(
        self, theta: np.ndarray, inputs: np.ndarray, targets: np.ndarray, order: int | None = None
    ) -> np.ndarray:
        """``(order + 1, d)``: row k is −f̃_k; for gradient descent row 0 is g, and row 1 + k is always ξ_k.

        For mini-batches the samples are cut into batches in their order, so their number must be a multiple.
        """
        place, highest = self._vector("theta", theta), self._order(order)
        arrays = self._data(inputs, targets)
        self._check_batches(arrays[0])
        self._check_frozen(highest, place, lambda at: self.gradient(at, *arrays))
        return self._defined(self._call("counterterms", place, highest, *arrays))

    def field(
        self,
        theta: np.ndarray,
        eta: float,
        inputs: np.ndarray,
        targets: np.ndarray,
        order: int | None = None,
        resum: bool = False,
    ) -> np.ndarray:
        """The modified vector field ``−g − Σ_k η^{k+1} ξ_k``, (d,).

        ``resum`` accelerates the sum by reduced rank extrapolation: nearer up to ηλ = 1 (``step_index.resummation``).
        """
        return self._summed(self.counterterms(theta, inputs, targets, order), eta, resum)

    def _call(self, function: str, *arguments: Any) -> Any:
        """A compiled function; its samples in parts, one a thread, where there are several."""
        call = getattr(self._module, function)
        with np.errstate(all="ignore"):  # what overflows is an error of its own
            if self.threads == 1:
                return call(*arguments)
            with ThreadPoolExecutor(self.threads) as pool:
                return call(*arguments, parts=self.threads, each=pool.map)

    def _check_batches(self, inputs: np.ndarray) -> None:
        field = self.spec.fields[0]
        if field.kind == "batch" and len(inputs) % field.count:
            raise InputError(f"inputs: {len(inputs)} samples do not make {field.count} equal batches; leave some out")

    def _defined(self, values: Any) -> Any:
        """``values``, unless some are no numbers: they overflowed, or a normalisation has divided by zero."""
        if all_finite(values):
            return values
        if self.model.normalization != "none":
            raise OverflowInKernelError(
                f"theta: {self.model.normalization} normalization divides by zero or overflows here; every hidden unit "
                "needs weights that are not all zero and inputs that differ"
            )
        order = next((k for k, row in enumerate(np.atleast_2d(values)) if not np.isfinite(row).all()), 0)
        raise OverflowInKernelError(
            f"theta: what belongs to order {order} leaves the range of floating-point numbers here; give smaller "
            "parameters and inputs, or a lower order"
        )

    def _data(self, inputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        width, outputs = self.model.layers[0], self.model.layers[-1]
        array = float_array("inputs", inputs, f"(n, {width})", self._real)
        if array.ndim != 2 or array.shape[1] != width or not len(array):
            raise InputError(f"inputs: shape {array.shape}; this model takes (n, {width}) with n at least 1")
        if LOSS_TABLE[self.model.loss].labels:
            return array, _labels(targets, len(array), outputs)
        values = float_array("targets", targets, f"({len(array)}, {outputs})", self._real)
        values = values[:, np.newaxis] if values.ndim == outputs == 1 else values
        if values.shape != (len(array), outputs):
            raise InputError(f"targets: shape {values.shape}; give ({len(array)}, {outputs}) for these inputs")
        return array, values


def modified_field(rows: np.ndarray, eta: float) -> np.ndarray:
    """``−Σ_k η^k rows[k]``, (d,).  Raises ``InputError`` unless η is a finite number."""
    step = _finite_number("eta", eta)
    total = rows[-1]
    for row in rows[-2::-1]:
        total = row + step * total
    return -total


def float_array(name: str, value: np.ndarray, shape: str, real: Any = np.float64) -> np.ndarray:
    """``value`` as NumPy's, in C order.  Raises ``InputError`` unless it is an array of finite numbers of ``real``."""
    value = check_array(name, value)
    if not isinstance(value, np.ndarray) or value.dtype != real:
        kind = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
        want = np.dtype(real).name
        raise InputError(f"{name}: {kind} is not a {want} array; give a NumPy array of shape {shape}, dtype {want}")
    if not all_finite(value):
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(value))[0])
        raise InputError(f"{name}: entry {place} is {value[place]}; every entry has to be finite")
    return _plain(value)


def all_finite(values: Any) -> bool:
    """Whether all are finite.  Then the sum of squares is, but for overflow, which costs less than to look at each."""
    return math.isfinite(np.vdot(values, values)) or bool(np.isfinite(values).all())


def _plain(array: np.ndarray) -> np.ndarray:
    """In C order and writeable: compiled functions take no array that is read only, as JAX's are."""
    if array.flags.c_contiguous and array.flags.writeable:
        return array  # by far the most; ``np.require`` takes as long as all other checks
    return np.require(array, requirements=("C", "W"))


def _labels(targets: np.ndarray, count: int, classes: int) -> np.ndarray:
    targets = check_array("targets", targets)
    if not isinstance(targets, np.ndarray) or targets.dtype.kind not in "iu" or targets.shape != (count,):
        kind = f"{targets.dtype} {targets.shape}" if isinstance(targets, np.ndarray) else type(targets).__name__
        raise InputError(f"targets: {kind} given; this loss takes integer class labels of shape ({count},)")
    if targets.min() < 0 or targets.max() >= classes:
        wrong = targets[(targets < 0) | (targets >= classes)][0]
        raise InputError(f"targets: label {wrong} is out of range; this model has classes 0 to {classes - 1}")
    return _plain(targets.astype(np.int64, copy=False))


def _finite_number(name: str, value: float) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise InputError(f"{name} {value!r}: not a number")
    if not np.isfinite(value):
        raise InputError(f"{name} {value!r}: give a finite number")
    return float(value)
