"""Reading the entries of a sweep file: each value of its kind and in its range, or an error that names it.

Every function raises ``InputError``; ``where`` is the table that the entry stands in, as people call it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from eomsym.checks import check_finite, check_integer, nearest, shown
from eomsym.errors import InputError


def table(where: str, value: Any, allowed: Sequence[str]) -> Mapping[str, Any]:
    """A table with no other keys than ``allowed``."""
    if not isinstance(value, Mapping):
        raise InputError(f"{where}: {shown(value)} is no table; give its keys: {', '.join(allowed)}")
    for key in value:
        if key not in allowed:
            near = nearest(key, allowed)
            right = f"did you mean {near!r}?" if near else f"choose from {', '.join(allowed)}"
            raise InputError(f"{where}: key {shown(key)} is unknown; {right}")
    return value


def tables(sweep: Mapping[str, Any], name: str) -> Sequence[Any]:
    """The tables ``[[name]]``, at least one."""
    found = sweep.get(name)
    if not isinstance(found, (list, tuple)) or not found:
        raise InputError(f"sweep: no table [[{name}]]; give at least one")
    return found


def mapping(where: str, key: str, value: Any) -> Mapping[str, Any]:
    """A table with any keys."""
    if not isinstance(value, Mapping):
        raise InputError(f"{where}: {key} {shown(value)} is no table; write {key} = {{ beta = '1/2' }}")
    return value


def several(value: Any) -> Sequence[Any]:
    """A list as it is, a single value as a list of one."""
    return value if isinstance(value, (list, tuple)) else (value,)


def text(where: str, key: str, value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise InputError(f"{where}: {key} {shown(value)} is no text; give a name in quotation marks")
    return value


def integers(where: str, key: str, value: Any, minimum: int, maximum: int) -> tuple[int, ...]:
    """A list of integers in their range, at least one."""
    if not isinstance(value, (list, tuple)) or not value:
        raise InputError(f"{where}: {key} {shown(value)} is no list; write {key} = [{minimum}, {minimum + 1}]")
    return tuple(check_integer(f"{where}: {key}", entry, minimum, maximum) for entry in value)


def distinct_integers(where: str, key: str, value: Any, minimum: int, maximum: int) -> tuple[int, ...]:
    """The same, none of them twice."""
    numbers = integers(where, key, value, minimum, maximum)
    if len(set(numbers)) < len(numbers):
        raise InputError(f"{where}: {key} {shown(list(numbers))}: one of them stands there twice; give each once")
    return numbers


def falling(where: str, key: str, value: Any) -> tuple[float, ...]:
    """A list of numbers above 0 that fall, at least one."""
    if not isinstance(value, (list, tuple)) or not value:
        raise InputError(f"{where}: {key} {shown(value)} is no list; write {key} = [0.4, 0.2, 0.1]")
    numbers = tuple(check_finite(f"{where}: {key}", entry) for entry in value)
    if numbers[-1] <= 0 or any(after >= before for before, after in pairwise(numbers)):
        raise InputError(f"{where}: {key} {shown(list(numbers))}: give numbers above 0, each half of the one before")
    return numbers
