"""Checks of arguments that are asked for in many rooms; every one raises ``InputError``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

from eomsym.errors import InputError

#: Characters of a value that a message repeats.
SHOWN = 80


def check_integer(
    name: str, value: Any, least: int = 0, most: int | None = None, why: Callable[[int], str] | None = None
) -> int:
    """``value``, an integer from ``least`` to ``most``; ``why`` says of a larger one what speaks against it."""
    bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputError(f"{name} {shown(value)}: not an integer; give one {bounds}")
    number = int(value)
    if number < least or (most is not None and number > most):
        reason = f", {why(number)}" if why is not None and number >= least else ""
        raise InputError(f"{name} {shown(value)}: out of range{reason}; give an integer {bounds}")
    return number


def check_choice(name: str, value: Any, choices: Iterable[str]) -> Any:
    """``value``, one of ``choices``, spelled as it is."""
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"{name} {value!r}: unknown; choose from {', '.join(choices)}")
    return value


def check_orders(orders: Iterable[Any]) -> tuple[int, ...]:
    """Orders of an equation of motion, at least one and none twice."""
    try:
        given = list(orders)
    except TypeError:
        raise InputError(f"orders {shown(orders)}: give several integers, such as range(5)") from None
    kept = tuple(check_integer("order", order) for order in given)
    if not kept or len(set(kept)) < len(kept):
        raise InputError(f"orders {shown(given)}: give at least one, and none twice")
    return kept


def check_finite(name: str, value: Any) -> float:
    """``value`` as a float, which is neither infinite nor NaN."""
    number = _float(value)
    if not math.isfinite(number):
        raise InputError(f"{name} {shown(value)} is not a finite number; give one such as 0.1")
    return number


def check_positive(name: str, value: Any) -> float:
    """``value`` as a float, finite and above 0."""
    number = _float(value)
    if not (math.isfinite(number) and number > 0):
        raise InputError(f"{name} {shown(value)}: give a finite number above 0")
    return number


def shown(value: Any) -> str:
    """The value as a message repeats it: not longer than people read."""
    try:
        written = repr(value)
    except ValueError:  # an integer of thousands of digits
        return f"<{type(value).__name__}>"
    return written if len(written) <= SHOWN else f"{written[:SHOWN]}..."


def _float(value: Any) -> float:
    """NaN for what is no number."""
    if isinstance(value, bool) or not isinstance(value, (Real, Decimal)):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf
