"""What step functions are made of: implicit equations, roots, Runge–Kutta tableaus; on arrays and when traced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from eomsym.errors import IntegrationError
from eomsym.optimizers._tracing import Vector

#: Iterations that an implicit step may take.
_MAX_ITERATIONS = 5000


def solve(equation: Callable[[tuple[Any, ...]], tuple[Any, ...]], start: tuple[Any, ...]) -> tuple[Any, ...]:
    """The fixed point ``y = equation(y)`` of a tuple of vectors, for implicit steps; ``start`` is a first guess.

    ``equation`` must be a contraction, as ``y = θ − η g(y)`` is for ηλ_max < 1.  Iterated until it no longer moves.
    Raises ``IntegrationError`` if it does not settle.
    """
    if isinstance(start[0], Vector):
        return start[0].builder.solve(equation, len(start))
    rounds = getattr(start[0], "rounds", None)  # of power series in η
    if rounds is not None:
        for _ in range(rounds):
            start = equation(start)
        return start
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        return _iterate(equation, start)


def _iterate(equation: Callable[[tuple[Any, ...]], tuple[Any, ...]], start: tuple[Any, ...]) -> tuple[Any, ...]:
    """Fixed-point iteration until round-off, where the change no longer falls."""
    import numpy as np

    point, last = start, np.inf
    for _ in range(_MAX_ITERATIONS):
        following = equation(point)
        change = max(float(np.max(np.abs(a - b))) for a, b in zip(following, point, strict=True))
        size = max(float(np.max(np.abs(part))) for part in following)
        point = following
        if not np.isfinite(change):
            break
        if change == 0 or (change >= last and change <= 1e-14 * size):
            return point
        last = change
    raise IntegrationError("implicit step: the equation of the stages was not solved; take a smaller eta")


def sqrt(value: Any) -> Any:
    """Componentwise square root of an array of NumPy, JAX or PyTorch, or of a traced vector."""
    own = getattr(value, "sqrt", None)  # of traced vectors and of PyTorch
    if own is not None:
        return own()
    namespace = getattr(value, "__array_namespace__", None)  # of JAX, under ``jit`` too, and of NumPy 2
    if namespace is not None:
        return namespace().sqrt(value)
    import numpy as np

    return np.sqrt(value)


def runge_kutta_step(matrix: Sequence[Sequence[Fraction]], weights: Sequence[Fraction]) -> Callable[..., Any]:
    """The step function of a Runge–Kutta tableau, explicit where the matrix is strictly lower triangular."""
    count = len(weights)
    explicit = all(matrix[i][j] == 0 for i in range(count) for j in range(i, count))

    def step(gradient: Callable[..., Any], state: tuple[Any], eta: Any) -> tuple[Any]:
        (theta,) = state

        def moved(factors: Sequence[Fraction], slopes: Sequence[Any]) -> Any:
            point = theta
            for factor, slope in zip(factors, slopes, strict=False):
                if factor != 0:
                    point = point - (eta * number_for(theta, factor)) * slope
            return point

        if explicit:
            slopes: list[Any] = []
            for row in matrix:
                slopes.append(gradient(moved(row, slopes)))
        else:

            def equation(points: tuple[Any, ...]) -> tuple[Any, ...]:
                at = [gradient(point) for point in points]
                return tuple(moved(row, at) for row in matrix)

            slopes = [gradient(point) for point in solve(equation, (theta,) * count)]
        return (moved(weights, slopes),)

    return step


def number_for(theta: Any, value: Fraction) -> Any:
    """An exact number for a traced step, a float for arrays."""
    return value if isinstance(theta, Vector) else float(value)
