"""A loaded kernel of a loss or vector field that is written down."""

from __future__ import annotations

import numpy as np

from eomsym.codegen.kernel import LoadedKernel, float_array
from eomsym.errors import InputError, OverflowInKernelError
from eomsym.models import ExpressionLoss, VectorField


class ExpressionKernel(LoadedKernel):
    """The compiled functions of one generated file, with arguments checked before any of them runs.

    ``theta`` is float64 (d,) in the order of the model's variables; ``parameters`` float64 (p,) in the order of its
    parameters, left out where there are none.  Every method raises ``InputError`` for a wrong type or shape and for a
    value that is not finite, and ``OverflowInKernelError`` where the loss is not defined or terms overflow.
    ``order`` arguments run from 0 to the kernel's order, the default; lower ones cost less.
    """

    @property
    def model(self) -> ExpressionLoss | VectorField:
        """The loss or vector field that the kernel was generated for."""
        assert isinstance(self.spec.model, (ExpressionLoss, VectorField))
        return self.spec.model

    def loss(self, theta: np.ndarray, parameters: np.ndarray | None = None) -> float:
        """The loss.  Raises ``InputError`` for a vector field, which has none."""
        if isinstance(self.model, VectorField):
            raise InputError("loss: a vector field has none; its value is field(theta, eta, order=0)")
        return self._defined_loss(self._vector("theta", theta), self._parameters(parameters))

    def gradient(self, theta: np.ndarray, parameters: np.ndarray | None = None) -> np.ndarray:
        """The gradient g of the loss, or minus the vector field, (d,)."""
        return self._along(self._vector("theta", theta).reshape(1, -1), self._parameters(parameters))[0]

    def hessian_vector(self, theta: np.ndarray, vector: np.ndarray, parameters: np.ndarray | None = None) -> np.ndarray:
        """The derivative of g times a vector, (d,).  Raises ``InputError`` for a kernel of order 0."""
        if self.order < 1:
            raise InputError("hessian_vector: a kernel of order 0 has only gradients; generate one of order 1 or more")
        series = np.stack([self._vector("theta", theta), self._vector("vector", vector)])
        return self.gradient_series(series, parameters)[1]

    def gradient_series(self, series: np.ndarray, parameters: np.ndarray | None = None) -> np.ndarray:
        """g along the curve ``Σ_k series[k] η^k`` as a power series, (terms, d), terms ≤ order + 1."""
        if not (isinstance(series, np.ndarray) and series.ndim == 2 and 1 <= len(series) <= self.order + 1):
            raise InputError(f"series: give a float64 array of shape (1 to {self.order + 1}, {self.size})")
        return self._along(self._curve(series), self._parameters(parameters))

    def _curve(self, series: np.ndarray) -> np.ndarray:
        """Rows are checked all at once; and one by one where there is something to say of one of them."""
        plain = type(series) is np.ndarray and series.dtype == self._real and series.shape[1] == self.size
        if plain and np.isfinite(series).all():
            return np.require(series, requirements=("C", "W"))
        return np.stack([self._vector(f"series[{k}]", row) for k, row in enumerate(series)])

    def _along(self, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The same of what has been checked."""
        self._check_defined(rows[0], values)
        with np.errstate(all="ignore"):  # what overflows is an error of its own
            return self._finite(self._module.gradient_series(rows, values))

    def counterterms(
        self, theta: np.ndarray, parameters: np.ndarray | None = None, order: int | None = None
    ) -> np.ndarray:
        """``(order + 1, d)``: row k is −f̃_k; for gradient descent row 0 is g, row 1 + k is ξ_k."""
        place, highest, values = self._vector("theta", theta), self._order(order), self._parameters(parameters)
        self._check_frozen(highest, place, lambda at: self.gradient(at, parameters))
        self._check_defined(place, values)
        with np.errstate(all="ignore"):
            return self._finite(self._module.counterterms(place, highest, values))

    def field(
        self,
        theta: np.ndarray,
        eta: float,
        parameters: np.ndarray | None = None,
        order: int | None = None,
        resum: bool = False,
    ) -> np.ndarray:
        """The modified vector field ``−g − Σ_k η^{k+1} ξ_k``, (d,); ``resum`` as in ``Kernel``."""
        return self._summed(self.counterterms(theta, parameters, order), eta, resum)

    def _check_defined(self, theta: np.ndarray, values: np.ndarray) -> None:
        """The derivative of log x is there at x < 0 too, and would be taken for that of a loss."""
        if not isinstance(self.model, VectorField):
            self._defined_loss(theta, values)

    def _defined_loss(self, theta: np.ndarray, values: np.ndarray) -> float:
        with np.errstate(all="ignore"):
            loss = float(self._module.loss(theta, values))
        if not np.isfinite(loss):
            what = "is not defined" if np.isnan(loss) else "leaves the range of floating-point numbers"
            raise OverflowInKernelError(f"theta: the loss {what} at {_shown(theta)}; give another point")
        return loss

    @staticmethod
    def _finite(rows: np.ndarray) -> np.ndarray:
        if np.isfinite(rows).all():
            return rows
        order = next(k for k, row in enumerate(rows) if not np.isfinite(row).all())
        raise OverflowInKernelError(
            f"theta: what belongs to order {order} is not defined here, or leaves the range of floating-point numbers; "
            "give another point, or a lower order"
        )

    def _parameters(self, parameters: np.ndarray | None) -> np.ndarray:
        names = self.model.parameters
        if parameters is None and not names:
            return np.empty(0)
        listed = f"({', '.join(names)})" if names else "none"
        if parameters is None and names:
            raise InputError(f"parameters: not given; this kernel's parameters are {listed}, give ({len(names)},)")
        values = np.empty(0) if parameters is None else float_array("parameters", parameters, f"({len(names)},)")
        if values.shape != (len(names),):
            raise InputError(f"parameters: shape {values.shape}; they are {listed}, give ({len(names)},)")
        return values


def _shown(theta: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:g}" for value in theta[:4]) + (", …)" if theta.size > 4 else ")")
