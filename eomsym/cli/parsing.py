"""From the text of an argument to a value, with an ``InputError`` that says what would be right.

Texts are read by patterns of their own: ``int`` and ``float`` accept more than people mean (``1_0``, ``nan``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from eomsym.errors import InputError

_INTEGER = re.compile(r"[+-]?[0-9]{1,9}")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RANGE = re.compile(r"([0-9]{1,9}):([0-9]{1,9})")

MAX_BATCHES = 10**6
#: Formats of figures, by the suffix of their file name.
FIGURE_SUFFIXES = (".png", ".pdf", ".svg")


def integer(name: str, text: str, minimum: int, maximum: int, demand: Callable[[int], str] | None = None) -> int:
    """An integer from ``minimum`` to ``maximum``; ``demand`` says what a larger one would take."""
    if not _INTEGER.fullmatch(text):
        raise InputError(f"{name} {text!r}: not an integer; give one from {minimum} to {maximum}")
    if not minimum <= int(text) <= maximum:
        why = f", {demand(int(text))}" if demand is not None and int(text) > maximum else ""
        raise InputError(f"{name} {text!r}: out of range{why}; give an integer from {minimum} to {maximum}")
    return int(text)


def decimal(name: str, text: str, minimum: float = 0.0) -> float:
    """A finite decimal number that is at least ``minimum``."""
    if not _DECIMAL.fullmatch(text):
        raise InputError(f"{name} {text!r}: not a number; write it as 0.01 or 1e-2")
    if not minimum <= float(text) < float("inf"):
        raise InputError(f"{name} {text!r}: out of range; give a finite number, at least {minimum:g}")
    return float(text)


def positive(name: str, text: str) -> float:
    """A finite decimal number above 0."""
    number = decimal(name, text, -float("inf"))
    if number <= 0:
        raise InputError(f"{name} {text!r}: not positive; give a number above 0, such as 0.01")
    return number


def orders(name: str, text: str, maximum: int) -> tuple[int, ...]:
    """Orders, ``0:4`` for 0, 1, 2, 3, 4 (the end is included) or listed as ``0,2,4``, each once, ascending."""
    bounds = _RANGE.fullmatch(text)
    if bounds:
        first, last = (integer(name, bound, 0, maximum) for bound in bounds.groups())
        if first > last:
            raise InputError(f"{name} {text!r}: runs backwards; write the smaller order first, as {last}:{first}")
        return tuple(range(first, last + 1))
    parts = text.split(",")
    if not all(_INTEGER.fullmatch(part) for part in parts):
        raise InputError(f"{name} {text!r}: neither a range nor a list of orders; write 0:4 or 0,2,4")
    listed = sorted(integer(name, part, 0, maximum) for part in parts)
    if len(set(listed)) < len(listed):
        raise InputError(f"{name} {text!r}: an order stands there twice; give each once")
    return tuple(listed)


def widths(name: str, text: str) -> list[int]:
    """Widths of the layers from input to output, written as ``64,32,10``."""
    parts = text.split(",")
    if not all(_INTEGER.fullmatch(part) for part in parts):
        raise InputError(f"{name} {text!r}: not a list of widths; give positive integers such as 64,32,10")
    return [int(part) for part in parts]


def names(name: str, text: str | None) -> list[str]:
    """Names written as ``x,y``; none where nothing is given.  Whether they can serve is the model's to say."""
    if text is None:
        return []
    parts = [part.strip() for part in text.split(",")]
    if not all(_NAME.fullmatch(part) for part in parts):
        raise InputError(f"{name} {text[:60]!r}: not a list of names; give them as x,y")
    return parts


def settings(name: str, texts: Sequence[str]) -> dict[str, str]:
    """Parameters from texts such as ``beta=9/10``; the values stay text, the optimiser reads them."""
    values: dict[str, str] = {}
    for text in texts:
        parameter, equals, value = (part.strip() for part in text.partition("="))
        if not (equals and value and _NAME.fullmatch(parameter)):
            raise InputError(f"{name} {text!r}: not of the form NAME=VALUE; write it as beta=9/10")
        if parameter in values:
            raise InputError(f"{name} {text!r}: {parameter} is set twice; set it once")
        values[parameter] = value
    return values


def schedules(name: str, texts: Sequence[str]) -> dict[str, str] | None:
    """Schedules from texts such as ``cosine(2)``, of the learning rate, and ``beta=1/2 + tau/10``; None for none."""
    found: dict[str, str] = {}
    for text in texts:
        match = re.match(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=", text)
        of, value = (match[1], text[match.end() :]) if match else ("eta", text)
        if of in found:
            raise InputError(f"{name} {text!r}: {of} has two; give one, with pieces EXPR until TIME; EXPR")
        found[of] = value.strip()
    return found or None


def batching(count: str | None, size: str | None, last: str | None, order: str) -> dict[str, object] | None:
    """The options of batches as ``optimizers.read_batching`` takes them; None where there are none."""
    if count is None and size is None:
        if last is not None or order != "forward":
            raise InputError("--last-batch, --batch-order: of what? give --batches or --batch-size too")
        return None
    if count is not None and size is not None:
        raise InputError("--batches, --batch-size: both given; give one of them")
    found: dict[str, object] = {"last": last, "order": order if order.isalpha() else _numbers("--batch-order", order)}
    if count is not None:
        return found | {"count": integer("--batches", count, 1, MAX_BATCHES)}
    return found | {"size": integer("--batch-size", str(size), 1, MAX_BATCHES)}


def _numbers(name: str, text: str) -> list[int]:
    return [integer(name, part, 0, MAX_BATCHES) for part in text.split(",")]


def figure_path(name: str, text: str) -> Path:
    """A file that a figure can be written to: known suffix, in a folder that exists and is writable."""
    path = Path(text)
    if path.suffix.lower() not in FIGURE_SUFFIXES:
        raise InputError(f"{name} {text!r}: unknown kind of figure; let the name end in {', '.join(FIGURE_SUFFIXES)}")
    if _exists(name, path) and path.is_dir():
        raise InputError(f"{name} {text!r}: is a folder; give the name of a file in it")
    if not path.parent.is_dir():
        raise InputError(f"{name} {text!r}: there is no folder {str(path.parent)!r}; make it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{name} {text!r}: no permission to write in {str(path.parent)!r}; give another folder")
    return path


def folder(name: str, text: str) -> Path:
    """A folder that files can be written to: it exists, or can be made where it is named."""
    path = Path(text)
    if not text:
        raise InputError(f"{name} {text!r}: not the name of a folder; give one such as kernels")
    existing = next(place for place in (path, *path.absolute().parents) if _exists(name, place))
    if not existing.is_dir():
        raise InputError(f"{name} {text!r}: {str(existing)!r} is a file; give the name of a folder")
    if not os.access(existing, os.W_OK):
        raise InputError(f"{name} {text!r}: no permission to write in {str(existing)!r}; give another folder")
    return path


def _exists(name: str, path: Path) -> bool:
    """Whether there is something of this name.  Raises ``InputError`` for a name that nothing can have."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{name} {str(path)!r}: {reason}; give another name, such as kernels") from None
    return True
