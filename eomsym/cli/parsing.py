"""What typer has no type for, from the text of an option to a value.

A parser raises ``ValueError`` with what is wrong and what would be right; ``output.usage`` names option and text.
Values that are read already, as defaults are, stay as they are.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from eomsym.errors import InputError

_INTEGER = re.compile(r"[0-9]{1,9}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RANGE = re.compile(r"([0-9]{1,9}):([0-9]{1,9})")

MAX_BATCHES = 10**6
#: Formats of figures, by the suffix of their file name.
FIGURE_SUFFIXES = (".png", ".pdf", ".svg")


def positive(text: str | float) -> float:
    """A finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        raise ValueError("not a number; write it as 0.01 or 1e-2") from None
    if not 0 < number < math.inf:
        raise ValueError("give a finite number above 0, such as 0.01")
    return number


def orders_to(most: int) -> Callable[[str], tuple[int, ...]]:
    """Orders, ``0:4`` for 0, 1, 2, 3, 4 (the end is included) or listed as ``0,2,4``, each once, ascending."""

    def read(text: str) -> tuple[int, ...]:
        bounds = _RANGE.fullmatch(text)
        numbers = [int(part) for part in (bounds.groups() if bounds else text.split(",")) if _INTEGER.fullmatch(part)]
        if not bounds and len(numbers) <= text.count(","):
            raise ValueError("neither a range nor a list of orders; write 0:4 or 0,2,4")
        if max(numbers) > most:
            raise ValueError(f"{max(numbers)} is out of range; give orders from 0 to {most}")
        if bounds:
            first, last = numbers
            if first > last:
                raise ValueError(f"runs backwards; write the smaller order first, as {last}:{first}")
            return tuple(range(first, last + 1))
        if len(set(numbers)) < len(numbers):
            raise ValueError("an order stands there twice; give each once")
        return tuple(sorted(numbers))

    return read


def widths(text: str) -> list[int]:
    """Widths of the layers from input to output, written as ``64,32,10``."""
    parts = text.split(",")
    if not all(_INTEGER.fullmatch(part) for part in parts):
        raise ValueError("not a list of widths; give positive integers such as 64,32,10")
    return [int(part) for part in parts]


def names(text: str) -> list[str]:
    """Names written as ``x,y``.  Whether they can serve is the model's to say."""
    parts = [part.strip() for part in text.split(",")]
    if not all(_NAME.fullmatch(part) for part in parts):
        raise ValueError("not a list of names; give them as x,y")
    return parts


def patterns(text: str) -> list[str]:
    """Patterns of names written as ``bias,0.weight``; each stands for names that end so."""
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise ValueError("not a list of names; give them as bias,0.weight")
    return [f"*{part.lstrip('*')}" for part in parts]


def settings(texts: Sequence[str]) -> dict[str, str]:
    """Parameters from texts such as ``beta=9/10``; the values stay text, the optimiser reads them."""
    values: dict[str, str] = {}
    for text in texts:
        parameter, equals, value = (part.strip() for part in text.partition("="))
        if not (equals and value and _NAME.fullmatch(parameter)):
            raise InputError(f"--set {text!r}: not of the form NAME=VALUE; write it as beta=9/10")
        if parameter in values:
            raise InputError(f"--set {text!r}: {parameter} is set twice; set it once")
        values[parameter] = value
    return values


def schedules(texts: Sequence[str]) -> dict[str, str] | None:
    """Schedules from texts such as ``cosine(2)``, of the learning rate, and ``beta=1/2 + tau/10``; None for none."""
    found: dict[str, str] = {}
    for text in texts:
        match = re.match(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=", text)
        of, value = (match[1], text[match.end() :]) if match else ("eta", text)
        if of in found:
            raise InputError(f"--schedule {text!r}: {of} has two; give one, with pieces EXPR until TIME; EXPR")
        found[of] = value.strip()
    return found or None


def figure(text: str) -> Path:
    """A file that a figure can be written to: known suffix, in a folder that exists and is writable."""
    path = Path(text)
    if path.suffix.lower() not in FIGURE_SUFFIXES:
        raise ValueError(f"unknown kind of figure; let the name end in {', '.join(FIGURE_SUFFIXES)}")
    if _exists(path) and path.is_dir():
        raise ValueError("is a folder; give the name of a file in it")
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {str(path.parent)!r}; make it first")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"no permission to write in {str(path.parent)!r}; give another folder")
    return path


def folder(text: str) -> Path:
    """A folder that files can be written to: it exists, or can be made where it is named."""
    path = Path(text)
    if not text:
        raise ValueError("not the name of a folder; give one such as kernels")
    existing = next(place for place in (path, *path.absolute().parents) if _exists(place))
    if not existing.is_dir():
        raise ValueError(f"{str(existing)!r} is a file; give the name of a folder")
    if not os.access(existing, os.W_OK):
        raise ValueError(f"no permission to write in {str(existing)!r}; give another folder")
    return path


def _exists(path: Path) -> bool:
    """Whether there is something of this name.  Raises ``ValueError`` for a name that nothing can have."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        raise ValueError(f"{getattr(error, 'strerror', None) or error}; give another name, such as kernels") from None
    return True
