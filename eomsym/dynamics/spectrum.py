"""The edge of the Hessian's spectrum, from Hessian-vector products alone."""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

from eomsym.dynamics.kernel import Data, FieldKernel, check_theta
from eomsym.errors import IntegrationError

#: Up to this size the whole matrix is cheaper, and Lanczos has too little room.
DENSE_SIZE = 48


def largest_eigenvalue(kernel: FieldKernel, theta: np.ndarray, data: Data = ()) -> float:
    """λ_max, the largest eigenvalue of H at ``theta`` (d,): gradient descent is stable at a minimum for ηλ_max < 2."""
    return _edge(kernel, theta, data, "LA")


def spectral_radius(kernel: FieldKernel, theta: np.ndarray, data: Data = ()) -> float:
    """max |λ| over the eigenvalues of H at ``theta`` (d,): the series in η was seen to diverge where η|λ| > 1."""
    return abs(_edge(kernel, theta, data, "LM"))


def _edge(kernel: FieldKernel, theta: np.ndarray, data: Data, which: str) -> float:
    """Eigenvalue of H to 6 digits: the largest (``LA``) or the one of largest modulus (``LM``).

    Lanczos by ARPACK (Lehoucq, Sorensen & Yang 1998) from a fixed start vector, so that the answer is always the same.
    """
    point = check_theta(kernel, theta)

    def product(vector: np.ndarray) -> np.ndarray:
        column = kernel.hessian_vector(point, np.ascontiguousarray(vector, dtype=np.float64).ravel(), *data)
        if not np.isfinite(column).all():
            raise IntegrationError("curvature: the Hessian is not finite at theta; start at smaller parameters")
        return column

    if kernel.size <= DENSE_SIZE:
        hessian = np.array([product(direction) for direction in np.eye(kernel.size)])
        values = np.linalg.eigvalsh((hessian + hessian.T) / 2)
        return float(values[-1] if which == "LA" else values[np.abs(values).argmax()])
    operator = LinearOperator((kernel.size, kernel.size), matvec=product, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(kernel.size)
    try:
        return float(eigsh(operator, k=1, which=which, v0=start, tol=1e-7, return_eigenvectors=False)[0])
    except ArpackError as error:
        raise IntegrationError(f"curvature: the largest eigenvalue of the Hessian was not found ({error})") from error
