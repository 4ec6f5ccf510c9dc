"""A loaded kernel of a loss or vector field that is written down."""

from __future__ import annotations

import numpy as np

from eomsym.codegen.kernel import LoadedKernel, float_array
from eomsym.errors import InputError
from eomsym.models import ExpressionLoss, VectorField


class ExpressionKernel(LoadedKernel):
    """The compiled functions of one generated file, with arguments checked before any of them runs.

    ``theta`` is float64 (d,) in the order of the model's variables; ``parameters`` float64 (p,) in the order of its
    parameters, left out where there are none.  Every method raises ``InputError`` for a wrong type or shape and for a
    value that is not finite; where the loss is not defined, or terms of a long memory overflow, the result is NaN.
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
        return self._module.loss(self._vector("theta", theta), self._parameters(parameters))

    def gradient(self, theta: np.ndarray, parameters: np.ndarray | None = None) -> np.ndarray:
        """The gradient g of the loss, or minus the vector field, (d,)."""
        return self.gradient_series(self._vector("theta", theta).reshape(1, -1), parameters)[0]

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
        rows = np.stack([self._vector(f"series[{k}]", row) for k, row in enumerate(series)])
        return self._module.gradient_series(rows, self._parameters(parameters))

    def counterterms(
        self, theta: np.ndarray, parameters: np.ndarray | None = None, order: int | None = None
    ) -> np.ndarray:
        """``(order + 1, d)``: row k is −f̃_k; for gradient descent row 0 is g, row 1 + k is ξ_k."""
        place, highest, values = self._vector("theta", theta), self._order(order), self._parameters(parameters)
        self._check_held(highest, place, lambda at: self.gradient(at, parameters))
        with np.errstate(all="ignore"):  # NaN says it
            return self._module.counterterms(place, highest, values)

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

    def _parameters(self, parameters: np.ndarray | None) -> np.ndarray:
        names = self.model.parameters
        listed = f"({', '.join(names)})" if names else "none"
        if parameters is None and names:
            raise InputError(f"parameters: not given; this kernel's parameters are {listed}, give ({len(names)},)")
        values = np.empty(0) if parameters is None else float_array("parameters", parameters, f"({len(names)},)")
        if values.shape != (len(names),):
            raise InputError(f"parameters: shape {values.shape}; they are {listed}, give ({len(names)},)")
        return values
