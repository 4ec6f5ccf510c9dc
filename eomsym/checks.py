"""Checks of arguments that are asked for in many rooms; every one raises ``InputError``."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Sequence
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


def check_choice(name: str, value: Any, choices: Iterable[str], listed: Iterable[str] = ()) -> str:
    """The one of ``choices`` that is meant (``meant``); the message lists those ``listed``, by default all."""
    known = tuple(choices)
    found = meant(value, known)
    if found is None:
        right = f"choose from {', '.join(listed or known)}{suggestion(value, known)}"
        raise InputError(f"{name} {shown(value)}: unknown; {right}")
    return found


def meant(value: Any, names: Sequence[str]) -> str | None:
    """The one of ``names`` that ``value`` spells, up to case, hyphens, and -ise for -ize; None for none or several."""
    if not isinstance(value, str) or value in names:
        return value if isinstance(value, str) else None
    alike = [name for name in names if _folded(name) == _folded(value)]
    return alike[0] if len(alike) == 1 else None


def nearest(value: Any, names: Iterable[str]) -> str | None:
    """The one of ``names`` that ``value`` was probably meant to be; None where none is near."""
    by_fold = {_folded(name): name for name in names}
    near = difflib.get_close_matches(_folded(str(value)[:SHOWN]), by_fold, 1)
    return by_fold[near[0]] if near else None


def suggestion(value: Any, names: Iterable[str]) -> str:
    """The end of a message: ``; did you mean 'heavy-ball'?``, or nothing where no name is near."""
    near = nearest(value, names)
    return f"; did you mean {near!r}?" if near else ""


def check_array(name: str, value: Any) -> Any:
    """An array of any kind as a plain NumPy array, anything else as it is.  Raises ``InputError`` for a masked one."""
    import numpy as np

    if type(value) is np.ndarray or not hasattr(value, "__array__"):
        return value
    if isinstance(value, np.ma.MaskedArray):
        raise InputError(f"{name}: a masked array; leave the masked entries out, or fill them with .filled(value)")
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # a tracer of JAX's, a tensor that asks for its gradient
        raise InputError(f"{name}: {type(value).__name__} gives no NumPy array ({str(error)[:SHOWN]})") from error


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


def _folded(name: str) -> str:
    """A name as it is compared."""
    return re.sub(r"is(?=[ea])", "iz", re.sub(r"[\s_-]", "", name.casefold()))


def _float(value: Any) -> float:
    """NaN for what is no number."""
    if isinstance(value, bool) or not isinstance(value, (Real, Decimal)):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf
