"""Exact numbers in a step function on arrays: ``Fraction(1, 2) * state`` is half of it, in floating point."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np


class Floats(np.ndarray):
    """An array of floats that stays one where it meets a ``Fraction``, of which NumPy would make objects."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if "out" in options:
            options["out"] = tuple(map(_plain, options["out"]))
        found = getattr(ufunc, method)(*map(_plain, inputs), **options)
        return found.view(Floats) if isinstance(found, np.ndarray) else found


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return float(value)
    return value.view(np.ndarray) if isinstance(value, Floats) else value


def in_floats(
    function: Callable[..., tuple[Any, ...]], gradient: Callable[..., Any], *state: Any
) -> tuple[np.ndarray, ...]:
    """``function(gradient, *state)`` with gradient and state as such arrays; plain ones come back."""

    def slope(point: Any, *field: int, **named: int) -> Any:
        return np.asarray(gradient(_plain(point), *field, **named)).view(Floats)

    return tuple(_plain(part) for part in function(slope, *(np.asarray(part).view(Floats) for part in state)))
