"""The edge of the Hessian's spectrum, from Hessian-vector products alone."""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

from eomsym.dynamics.kernel import Data, FieldKernel, check_theta
from eomsym.errors import InputError, IntegrationError

#: Up to this size the whole matrix is cheaper, and Lanczos has too little room.
DENSE_SIZE = 48
#: Eigenvalues that are nearer to each other than this part of them are one.
SEPARATION = 1e-6


def largest_eigenvalue(kernel: FieldKernel, theta: np.ndarray, data: Data = ()) -> float:
    """λ_max, the largest eigenvalue of H at ``theta`` (d,): gradient descent is stable at a minimum for ηλ_max < 2."""
    return _edge(kernel, theta, data, "LA")


def spectral_radius(kernel: FieldKernel, theta: np.ndarray, data: Data = ()) -> float:
    """max |λ| over the eigenvalues of H at ``theta`` (d,): the series in η was seen to diverge where η|λ| > 1."""
    return abs(_edge(kernel, theta, data, "LM"))


def top_eigenpair(kernel: FieldKernel, theta: np.ndarray, data: Data = ()) -> tuple[float, np.ndarray]:
    """λ_max of H at ``theta`` (d,) with its unit eigenvector (d,), to all digits.

    Raises ``InputError`` where the two largest eigenvalues are equal to 1e−6: λ_max is not smooth there.
    """
    point = check_theta(kernel, theta)
    if kernel.size <= DENSE_SIZE:
        values, vectors = np.linalg.eigh(_hessian(kernel, point, data))
    else:
        values, vectors = _lanczos(kernel, point, data, which="LA", k=2, tol=0)
    below, top = (values[-2], values[-1]) if kernel.size > 1 else (-np.inf, values[-1])
    if not top - below > SEPARATION * abs(top):
        raise InputError(
            f"sharpness: the two largest eigenvalues of the Hessian, {below:.9g} and {top:.9g}, are one, where the "
            "largest is not smooth; take another theta"
        )
    return float(top), vectors[:, -1]


def _edge(kernel: FieldKernel, theta: np.ndarray, data: Data, which: str) -> float:
    """Eigenvalue of H to 6 digits: the largest (``LA``) or the one of largest modulus (``LM``)."""
    point = check_theta(kernel, theta)
    if kernel.size <= DENSE_SIZE:
        values = np.linalg.eigvalsh(_hessian(kernel, point, data))
        return float(values[-1] if which == "LA" else values[np.abs(values).argmax()])
    return float(_lanczos(kernel, point, data, which=which, k=1, tol=1e-7)[0][0])


def _product(kernel: FieldKernel, point: np.ndarray, data: Data, vector: np.ndarray) -> np.ndarray:
    column = kernel.hessian_vector(point, np.ascontiguousarray(vector, dtype=np.float64).ravel(), *data)
    if not np.isfinite(column).all():
        raise IntegrationError("curvature: the Hessian is not finite at theta; start at smaller parameters")
    return column


def _hessian(kernel: FieldKernel, point: np.ndarray, data: Data) -> np.ndarray:
    rows = np.array([_product(kernel, point, data, direction) for direction in np.eye(kernel.size)])
    return (rows + rows.T) / 2


def _lanczos(
    kernel: FieldKernel, point: np.ndarray, data: Data, *, which: str, k: int, tol: float
) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, rising, and eigenvectors by ARPACK (Lehoucq, Sorensen & Yang 1998).

    The start vector is fixed, so that the answer is always the same.
    """
    size = (kernel.size, kernel.size)
    operator = LinearOperator(size, matvec=lambda vector: _product(kernel, point, data, vector), dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(kernel.size)
    try:
        values, vectors = eigsh(operator, k=k, which=which, v0=start, tol=tol)
    except ArpackError as error:
        raise IntegrationError(f"curvature: the largest eigenvalue of the Hessian was not found ({error})") from error
    rising = np.argsort(values)
    return values[rising], vectors[:, rising]
