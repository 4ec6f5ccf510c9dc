"""What step functions are made of, on arrays and when traced: implicit equations, roots, numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from eomsym.errors import InputError, IntegrationError
from eomsym.exact_numbers import Arithmetic, Coefficient
from eomsym.optimizers.blockwise import Blockwise

#: Iterations that an implicit step may take.
_MAX_ITERATIONS = 5000
#: Floats in a step function are read as exact rationals up to this denominator: 0.5 is one half, 0.1 is refused.
_LARGEST_DENOMINATOR = 1024


def solve(equation: Callable[[tuple[Any, ...]], tuple[Any, ...]], start: tuple[Any, ...]) -> tuple[Any, ...]:
    """The fixed point ``y = equation(y)`` of a tuple of vectors, for implicit steps; ``start`` is a first guess.

    ``equation`` must be a contraction, as ``y = θ − η g(y)`` is for ηλ_max < 1.  Iterated until it no longer moves.
    Raises ``IntegrationError`` if it does not settle.
    """
    if hasattr(start[0], "builder"):
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


def per_step(way: Any, eta: Any) -> Any:
    """``way / eta`` of a way that one or more steps went: exact where η is traced or a power series is in it."""
    return way.over(eta) if hasattr(way, "over") else way / eta


def named_step(theta: Any, before: Any, after: tuple[Any, ...], eta: Any) -> tuple[Any, ...]:
    """The states after one of several steps, where ``theta`` was first; traced, they stay short, with names in them."""
    if not hasattr(theta, "builder"):
        return after
    moved, *memory = theta.builder.short((per_step(after[0] - before, eta), *after[1:]))
    return before + eta * moved, *memory


def number_for(theta: Any, value: Fraction) -> Any:
    """An exact number for a traced step, a float for arrays."""
    return value if hasattr(theta, "builder") else float(value)


def exact_in_trace(theta: Any, value: Any) -> Any:
    """A float that is meant, such as a power of a parameter: for a traced step the exact number that it is."""
    return Fraction(value) if hasattr(theta, "builder") else value


def exact_number(value: Any) -> Coefficient:
    """A coefficient from what stands in a step function."""
    if isinstance(value, (int, Fraction, Blockwise)) or hasattr(value, "numer"):
        return value
    if isinstance(value, float):
        number = Fraction(value) if math.isfinite(value) else None
        if number is not None and number.denominator <= _LARGEST_DENOMINATOR:
            return number
    raise InputError(f"step function: {value!r} is not exact; use integers, Fraction(1, 10) or a parameter")


class Later(Arithmetic):
    """A number that is known when a compiled program runs, such as a rate at a traced time: it is neither 0 nor 1."""

    __array_ufunc__ = None
    __array_priority__ = 1000

    def __init__(self, value: Any) -> None:
        self.value = value

    def __add__(self, other: Any) -> Later:
        return Later(self.value + number(other))

    def __mul__(self, other: Any) -> Later:
        return Later(self.value * number(other))

    def __rtruediv__(self, other: Any) -> Later:
        return Later(number(other) / self.value)

    def __abs__(self) -> Later:
        raise InputError(
            "tau: nodes and weights depend on the share that a memory keeps, whose schedule needs a time that is known "
            "when the program is compiled; give tau as a number"
        )


def number(value: Coefficient) -> Any:
    """A coefficient in floating point, or what will be one."""
    return value.value if isinstance(value, Later) else float(value)


def inverse(value: Coefficient) -> Coefficient:
    """``1/value``, exactly."""
    return Fraction(1) / value if isinstance(value, (int, Fraction)) else 1 / value
