"""A loaded kernel: the checks that stand before the compiled functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

from eomsym.blocks import Blocks
from eomsym.codegen.arguments import Constants, Doubles, NetworkData, Pairs
from eomsym.codegen.parameters import packed, unpacked
from eomsym.codegen.spec import KernelSpec
from eomsym.errors import InputError, OverflowInKernelError
from eomsym.models import MLP, VectorField
from eomsym.models.samples import all_finite
from eomsym.step_index.frozen import check_frozen, takes_roots
from eomsym.step_index.resummation import check_summable, resummed_rows, tell_growth


class Kernel:
    """The compiled functions of one generated file, with arguments checked before any of them runs.

    ``theta`` is float64 (d,), of an expression in the order of its variables.  ``data`` of a network are ``inputs``
    float64 (n, n_in) and ``targets``: float64 (n, n_out), or (n,) for one output, for ``mse``, and integer labels (n,)
    for ``cross-entropy``; of an expression ``parameters`` float64 (p,), left out where there are none.  Arrays of any
    library are taken, read-only and memory-mapped ones too.  In double-double precision ``theta``, ``vector`` and
    ``series`` are ``DoubleDouble`` or float64, results ``DoubleDouble``, and data are taken as exact.

    Every method raises ``InputError`` for a wrong type, shape or label, for a masked array, and for a value that is not
    finite; ``OverflowInKernelError`` where the loss is not defined or numbers overflow.
    ``order`` arguments run from 0 to the kernel's order, the default; lower ones cost less.
    """

    def __init__(self, spec: KernelSpec, module: ModuleType, threads: int = 1) -> None:
        self.spec = spec
        self.threads = threads
        self._module = module
        self._numbers = Pairs if spec.precision == "double-double" else Doubles
        self._arguments = NetworkData(spec.model) if isinstance(spec.model, MLP) else Constants(spec.model)
        self._warned = False

    def __repr__(self) -> str:
        return f"Kernel({self.spec.name})"

    @property
    def model(self) -> Any:
        """The model that the kernel was generated for: an ``MLP``, ``ExpressionLoss`` or ``VectorField``."""
        return self.spec.model

    @property
    def order(self) -> int:
        """Highest power of η in the field."""
        return self.spec.order

    @property
    def precision(self) -> str:
        """The arithmetic: ``double`` or ``double-double``."""
        return self.spec.precision

    @cached_property
    def size(self) -> int:
        """Number of parameters d."""
        return self.spec.model.size

    @property
    def blocks(self) -> Blocks:
        """The arrays that θ is made of: those of a network, one vector of an expression's variables."""
        return self.model.blocks if isinstance(self.model, MLP) else Blocks(((self.size,),))

    def pack(self, parameters: Mapping[str, Any]) -> np.ndarray:
        """θ, (d,), of a ``state_dict`` of PyTorch's, matrices n_out × n_in, or flax's ``{name: {"kernel", "bias"}}``.

        Layers stand in the order of the numbers in their names, or as they are given where one has none.
        """
        return packed(self._network("pack"), parameters)

    def unpack(self, theta: np.ndarray, like: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The parameters of a network by name, those of ``like``, tensors where it has tensors; all are copies.

        Without it NumPy arrays by the names ``0.weight``, ``0.bias``, ``2.weight``, … of a Sequential that has an
        activation between each two Linear.
        """
        return unpacked(self._network("unpack"), Doubles.vector("theta", theta, self.size), like)

    def loss(self, theta: Any, *data: Any) -> Any:
        """The loss, weight decay included.  Raises ``InputError`` for a vector field, which has none."""
        if isinstance(self.model, VectorField):
            raise InputError("loss: a vector field has none; its value is field(theta, eta, order=0)")
        return self._numbers.result(self._loss(self._vector("theta", theta), self._arguments.check(*data)))

    def gradient(self, theta: Any, *data: Any) -> Any:
        """The gradient g of the loss, or minus the vector field, (d,)."""
        return self._along(self._vector("theta", theta)[np.newaxis], self._arguments.check(*data))[0]

    def hessian_vector(self, theta: Any, vector: Any, *data: Any) -> Any:
        """The derivative of g times a vector, (d,).  Raises ``InputError`` for a kernel of order 0."""
        if self.order < 1:
            raise InputError("hessian_vector: a kernel of order 0 has only gradients; generate one of order 1 or more")
        series = np.stack([self._vector("theta", theta), self._vector("vector", vector)])
        return self._along(series, self._arguments.check(*data))[1]

    def gradient_series(self, series: Any, *data: Any) -> Any:
        """The gradient along the curve ``Σ_k series[k] η^k`` as a power series, (terms, d), terms ≤ order + 1."""
        if not (self._numbers.is_curve(series) and 1 <= len(series) <= self.order + 1):
            kind = self._numbers.kind
            raise InputError(f"series: give {kind} of shape (1 to {self.order + 1}, {self.size})")
        return self._along(self._numbers.curve(series, self.size), self._arguments.check(*data))

    def gradient_along(self, *data: Any) -> Callable[[np.ndarray], Any]:
        """``gradient_series`` with these data, checked once: for many short calls.  A series is float64, in C order."""
        arrays = self._arguments.check(*data)
        return lambda series: self._along(series, arrays)

    def counterterms(self, theta: Any, *data: Any, order: int | None = None) -> Any:
        """``(order + 1, d)``: row k is −f̃_k; for gradient descent row 0 is g, and row 1 + k is always ξ_k.

        For mini-batches the samples are cut into batches in their order, so their number must be a multiple.
        """
        point, highest, arrays = self._vector("theta", theta), self._order(order), self._arguments.check(*data)
        if isinstance(self.model, MLP):
            self.spec.fields[0].samples(len(arrays[0]))  # which refuses what makes no equal batches
        if highest and self._takes_roots:
            check_frozen(lambda at: self.gradient(at, *arrays), point, self.spec.optimizer)
        self._check_defined(point, arrays)
        return self._numbers.result(self._finite(self._call("counterterms", point, highest, *arrays)))

    def field(self, theta: Any, eta: Any, *data: Any, order: int | None = None, resum: bool = False) -> Any:
        """The modified vector field ``−g − Σ_k η^{k+1} ξ_k``, (d,).

        ``resum`` accelerates the sum by reduced rank extrapolation: nearer up to ηλ = 1 (``step_index.resummation``).
        It warns once for each kernel where terms grow too fast for it.
        Raises ``InputError`` where the terms of the rule are not to be resummed, and in double-double.
        """
        step = self._numbers.number("eta", eta)
        if resum and self._numbers is Pairs:
            raise InputError("resum: works in doubles; generate a kernel of precision double, or leave it out")
        if resum:
            check_summable(self.spec.rule, self.spec.optimizer)
        rows = self.counterterms(theta, *data, order=order)
        if resum:
            total = resummed_rows([[row] for row in rows], step)
            self._warned = self._warned or tell_growth(float(total.growth))
            return np.asarray(total.value[0])
        total = rows[-1]
        for k in range(len(rows) - 2, -1, -1):
            total = rows[k] + step * total
        return -total

    def _network(self, asked: str) -> MLP:
        if not isinstance(self.model, MLP):
            raise InputError(f"{asked}: is for networks; theta of an expression is (d,), in the order of its variables")
        return self.model

    def _order(self, order: int | None) -> int:
        if order is None:
            return self.order
        if isinstance(order, bool) or not isinstance(order, (int, np.integer)) or not 0 <= order <= self.order:
            raise InputError(f"order {order!r}: this kernel has orders 0 to {self.order}; generate one of higher order")
        return int(order)

    @cached_property
    def _takes_roots(self) -> bool:
        return takes_roots(self.spec.rule)

    def _vector(self, name: str, value: Any) -> np.ndarray:
        return self._numbers.vector(name, value, self.size)

    def _along(self, series: np.ndarray, arrays: tuple[np.ndarray, ...]) -> Any:
        self._check_defined(series[0], arrays)
        return self._numbers.result(self._finite(self._call("gradient_series", series, *arrays)))

    def _check_defined(self, point: np.ndarray, arrays: tuple[np.ndarray, ...]) -> None:
        """Of written losses: the derivative of log x is there at x < 0 too, and would be taken for that of a loss."""
        if not isinstance(self.model, (MLP, VectorField)):
            self._loss(point, arrays)

    def _loss(self, point: np.ndarray, arrays: tuple[np.ndarray, ...]) -> Any:
        value = self._call("loss", point, *arrays)
        if isinstance(self.model, MLP) or np.isfinite(value):
            return self._finite(value)
        what = "is not defined" if np.isnan(value) else "leaves the range of floating-point numbers"
        raise OverflowInKernelError(f"theta: the loss {what} at {_shown(point)}; give another point")

    def _call(self, function: str, *arguments: Any) -> Any:
        """A compiled function; its samples in parts, one a thread, where there are several."""
        call = getattr(self._module, function)
        with np.errstate(all="ignore"):  # what overflows is an error of its own
            if self.threads == 1:
                return call(*arguments)
            with ThreadPoolExecutor(self.threads) as pool:
                return call(*arguments, parts=self.threads, each=pool.map)

    def _finite(self, values: Any) -> Any:
        """``values``, unless some are no numbers: they overflowed, or a normalisation has divided by zero."""
        if all_finite(values):
            return values
        if isinstance(self.model, MLP) and self.model.normalization != "none":
            raise OverflowInKernelError(
                f"theta: {self.model.normalization} normalization divides by zero or overflows here; every hidden unit "
                "needs weights that are not all zero and inputs that differ"
            )
        order = next((k for k, row in enumerate(np.atleast_2d(values)) if not np.isfinite(row).all()), 0)
        fault = f"{self._arguments.fault}, or a sine's argument is beyond 2^50" * (self._numbers is Pairs)
        raise OverflowInKernelError(
            f"theta: what belongs to order {order} {fault or self._arguments.fault}; {self._arguments.remedy}"
        )


def _shown(theta: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:g}" for value in theta[:4]) + (", …)" if theta.size > 4 else ")")
