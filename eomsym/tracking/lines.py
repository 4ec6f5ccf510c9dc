"""The looks at a run, told to others on the way: as a line of JSON in a file, read afterwards, or as named numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from eomsym.errors import InputError
from eomsym.files import open_regular, strict_json
from eomsym.tracking.record import Measurement
from eomsym.tracking.tracker import Callback, Tracker


def json_lines(path: str | Path) -> Callback:
    """A callback that appends each look to a file as a line of JSON: the whole line at once, or nothing of it.

    Raises ``InputError`` if nothing can be appended there.
    """
    place = Path(path).absolute()

    def append(step: int, entries: dict[str, Any]) -> None:
        line = json.dumps({**entries, "step": step}, allow_nan=False).encode() + b"\n"
        with open(place, "ab", buffering=0) as stream:
            end = stream.tell()
            if stream.write(line) < len(line):
                stream.truncate(end)
                raise OSError(f"{place}: no space left for a line")

    try:
        place.open("ab").close()
    except OSError as error:
        raise InputError(f"path {str(path)!r}: {error.strerror}; give a file that can be written to") from error
    return append


def scalars(write: Callable[[str, float, int], object]) -> Callback:
    """A callback that calls ``write(name, value, step)`` with each number of a look: TensorBoard's ``add_scalar``.

    Shares that rounding hides and numbers that are not known are left out.
    """

    def tell(step: int, entries: dict[str, Any]) -> None:
        shares = entries["shares"][: max(1, entries["seen"])]
        for name, value in _numbers(
            "eomsym", {**entries, "shares": {f"order_{n}": one for n, one in enumerate(shares)}}
        ):
            write(name, value, step)

    return tell


def _numbers(name: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, (dict, list)):
        for part, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _numbers(f"{name}/{part}", one)
    elif isinstance(value, (int, float)) and name != "eomsym/step":
        yield name, value


def read_json_lines(path: str | Path) -> Tracker:
    """The tracker of the looks in a file.  Where steps go back a run was resumed: what it had before goes.

    Raises ``InputError`` naming the first line that is no look, and ``OSError``.
    """
    run, number = Tracker(), 0
    try:
        with open_regular(Path(path)) as stream:
            for number, line in enumerate(stream, 1):  # noqa: B007  told in the message
                _add(run.measurements, Measurement.from_dict(strict_json(line.decode())))
    except ValueError as error:
        where = f", line {number}" if number else ""
        raise InputError(f"{path}{where}: {error}; give the lines of JSON of a tracker's callback") from error
    if not run.measurements:
        raise InputError(f"{path}: nothing is in it; a line is written at each look")
    return run


def _add(measurements: list[Measurement], one: Measurement) -> None:
    while measurements and measurements[-1].step >= one.step:
        measurements.pop()
    if measurements and len(measurements[0].shares) != len(one.shares):
        before = len(measurements[0].shares)
        raise ValueError(f"{len(one.shares)} shares, and {before} in those before")
    measurements.append(one)
