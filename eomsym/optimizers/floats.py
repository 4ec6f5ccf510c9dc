"""Step functions on arrays of NumPy: exact numbers, ``Fraction(1, 2) * state``, and their kinks, where one asks."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from eomsym.optimizers.maps import sides_seen

#: Their values jump from one piece to the next.
JUMPS = frozenset(
    ("sign", "floor", "ceil", "rint", "trunc", "fmod", "remainder", "floor_divide", "divmod", "modf", "copysign")
) | {"heaviside"}
#: Of each entry: by which of two numbers it is, or how it compares with bounds.
_SIDES: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("absolute", "fabs"), np.sign),
    **dict.fromkeys(("maximum", "minimum", "fmax", "fmin"), lambda one, other: np.sign(one - other)),
    "clip": lambda value, low, high: np.sign(value - low) + np.sign(value - high),
}
_TRUTH = np.dtype(bool)
#: Orders of a norm that have a kink where an entry is 0, or where another one becomes the largest.
_NORMS: dict[Any, Callable[[np.ndarray], Any]] = {
    1: np.sign,
    np.inf: lambda values: (np.sign(values), np.argsort(np.abs(values), axis=None)),
    -np.inf: lambda values: (np.sign(values), np.argsort(np.abs(values), axis=None)),
}


class Floats(np.ndarray):
    """An array of floats that stays one where it meets a ``Fraction``, of which NumPy would make objects.

    Within ``sides_of`` what jumps, kinks or compares is noted, and single numbers stay such arrays, of no axis.
    """

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if "out" in options:
            options["out"] = tuple(map(_plain, options["out"]))
        plain = tuple(map(_plain, inputs))
        seen = sides_seen()
        if seen is not None:
            seen.extend(_kinks(ufunc, method, plain, options))
        found = getattr(ufunc, method)(*plain, **options)
        if seen is not None and _is_real(plain) and getattr(found, "dtype", None) is _TRUTH:
            seen.append((f"comparison {ufunc.__name__}", np.array(found)))
        return _floats(found, seen is not None)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        seen = sides_seen()
        found = super().__array_function__(function, types, args, kwargs)
        if seen is None:
            return found
        order = kwargs.get("ord", args[1] if len(args) > 1 else None)
        if function is np.linalg.norm and order in _NORMS:
            seen.append(("norm", np.hstack(_NORMS[order](_plain(args[0]).ravel()))))
        return _floats(found, True)

    def __getitem__(self, place: Any) -> Any:
        return _floats(super().__getitem__(place), sides_seen() is not None)


def _by_order(name: str) -> Callable[..., Any]:
    """A method that goes by the order of the entries, which is noted."""

    def method(self: Floats, *args: Any, **options: Any) -> Any:
        seen = sides_seen()
        if seen is not None and name.startswith("arg"):
            seen.append((f"comparison {name}", np.array(getattr(_plain(self), name)(*args, **options))))
        elif seen is not None:
            seen.append((name, np.argsort(_plain(self), axis=None)))
        return getattr(super(Floats, self), name)(*args, **options)

    return method


for _name in ("sort", "partition", "argsort", "argpartition", "argmax", "argmin"):
    setattr(Floats, _name, _by_order(_name))


def _kinks(ufunc: Any, method: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> list[tuple[str, np.ndarray]]:
    """What has a kink, by its name and side, before it is computed, as that may overwrite what it is of."""
    name = ufunc.__name__
    if not _is_real(inputs) or name not in JUMPS | _SIDES.keys():
        return []
    if name in JUMPS:
        return [(name, np.zeros(0))]
    if method == "__call__":
        return [(name, np.asarray(_SIDES[name](*inputs)))]
    axis = options.get("axis", 0)
    most = (
        ufunc.reduce(inputs[0], axis=axis, keepdims=True) if method == "reduce" else ufunc.accumulate(inputs[0], axis)
    )
    return [(name, inputs[0] == most)]


def _is_real(values: tuple[Any, ...]) -> bool:
    return any(np.asarray(value).dtype.kind == "f" for value in values)


def _floats(found: Any, numbers: bool) -> Any:
    """What was found as such an array; with ``numbers`` a single real number too."""
    if isinstance(found, np.ndarray):
        return found.view(Floats)
    return np.asarray(found).view(Floats) if numbers and isinstance(found, np.floating) else found


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
