"""One's own data from a file: CSV, read line by line, or the arrays of an NPZ file; scaled where that is asked for.

Such data are named by a text that says how the file is read, ``house.csv?target=price&scale=standard``, wherever the
name of a data set stands.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eomsym.checks import check_choice, shown, suggestion
from eomsym.errors import InputError
from eomsym.files import open_regular

if TYPE_CHECKING:
    import numpy as np

SUFFIXES = (".csv", ".npz")
#: ``standard``: mean 0 and deviation 1; ``range``: from 0 to 1.
SCALES = ("none", "standard", "range")
#: Beyond them squares of double numbers overflow or lose their digits.
SPREADS = (1e-140, 1e140)
MOST_CLASSES = 100_000
#: Hexadecimal digits of the SHA-256 that says which file is meant.
DIGITS = 16
_KEYS = ("target", "inputs", "header", "scale", "labels", "sha256")
_ANSWERS = {"yes": True, "no": False}
_WORDS = {None: "", True: "yes", False: "no"}


@dataclass(frozen=True)
class DataFile:
    """A CSV or NPZ file and how it is read.

    ``targets`` and ``inputs`` are columns by name, or by number counted from 1; by default the last column, and all
    that are no targets.  Of an NPZ file each is the name of one array, by default ``targets`` and ``inputs``.
    ``header``: whether the first line names the columns; None: it does if no number stands in it.
    ``scale``, one of ``SCALES``, is of inputs and values, each column by itself; a constant one is only shifted.
    ``labels``: whether the target is a class, in words or as a number from 0 on; None: it is if it is written in words,
    or if its whole numbers run from 0 to some number and leave none out.
    ``sha256`` begins the digest of the file that is meant; empty for the one that is there.
    Raises ``InputError`` for a name that ends otherwise and for an unknown scale.
    """

    path: str
    targets: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    header: bool | None = None
    scale: str = "none"
    labels: bool | None = None
    sha256: str = ""

    def __post_init__(self) -> None:
        if not self.path.lower().endswith(SUFFIXES):
            raise InputError(
                f"data {shown(self.path)}: neither CSV nor NPZ; give a file whose name ends in .csv or .npz"
            )
        object.__setattr__(self, "scale", check_choice("scale", self.scale, SCALES))

    def __str__(self) -> str:
        entries = {
            "target": ",".join(_escaped(name, "%&,") for name in self.targets),
            "inputs": ",".join(_escaped(name, "%&,") for name in self.inputs),
            "header": _WORDS[self.header],
            "scale": "" if self.scale == "none" else self.scale,
            "labels": _WORDS[self.labels],
            "sha256": self.sha256,
        }
        query = "&".join(f"{key}={value}" for key, value in entries.items() if value)
        return _escaped(self.path, "%?") + (f"?{query}" if query else "")

    @property
    def title(self) -> str:
        """The text without the digest, as people read it."""
        return str(replace(self, sha256=""))

    @classmethod
    def parse(cls, text: str) -> DataFile:
        """The inverse of ``str``.  Raises ``InputError`` for an unknown key and an answer other than yes and no."""
        path, _, query = text.partition("?")
        entries = dict(part.partition("=")[::2] for part in query.split("&")) if query else {}
        for key in entries:
            if key not in _KEYS:
                right = f"write it as {path}?target=NAME with {', '.join(_KEYS)}{suggestion(key, _KEYS)}"
                raise InputError(f"data {shown(text)}: {key!r} is unknown; {right}")
        answers = {
            key: _ANSWERS[check_choice(f"data {shown(text)}: {key}", entries[key], _ANSWERS)]
            for key in ("header", "labels")
            if key in entries
        }
        targets, inputs = (tuple(map(_restored, columns(entries.get(key)))) for key in ("target", "inputs"))
        scale, digest = entries.get("scale", "none"), entries.get("sha256", "")
        return cls(_restored(path), targets, inputs, scale=scale, sha256=digest, **answers)

    @property
    def pinned(self) -> DataFile:
        """The same with the digest of the file that is there now."""
        return replace(self, sha256=self._digest())

    def refuse(self, fault: str) -> InputError:
        """The error of this file."""
        return InputError(f"data {shown(self.path)}: {fault}")

    def read(self) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """Inputs and targets, scaled, classes as their numbers; and what there is to say of them, as plain values.

        Raises ``InputError`` that names the file, and line and column of what is no finite number, of a ragged line and
        of a class that is none.
        """
        from eomsym.models.data_tables import read_csv, read_npz

        if self.sha256 and self.sha256 != self._digest():
            raise self.refuse(f"has changed since it had the digest {self.sha256}; measure it anew, or put it back")
        reader = read_npz if self.path.lower().endswith(".npz") else read_csv
        with self._open() as stream:
            inputs, targets, names, target_names = reader(self, stream)
        if not len(inputs):
            raise self.refuse("holds no sample; give one row or more below the names of the columns")
        targets, classes = self._classes(targets)
        said: dict[str, Any] = {
            "file": self.path,
            "samples": len(inputs),
            "inputs": list(names),
            "targets": list(target_names),
            "classes": classes,
            "scale": self.scale,
        }
        if self.scale != "none":
            parts = {"inputs": inputs} | ({"targets": targets} if classes is None else {})
            said["scaling"] = {part: self._scale(values, said[part]) for part, values in parts.items()}
        return inputs, targets, said

    def _classes(self, targets: np.ndarray) -> tuple[np.ndarray, list[str] | None]:
        """Words, and numbers that the file or their looks say are classes, as labels with names; else the values."""
        import numpy as np

        if targets.ndim == 1:
            words, labels = np.unique(targets, return_inverse=True)
            return labels.astype(np.int64), list(map(str, words))
        several = targets.shape[1] > 1
        fits = (targets >= 0) & (targets < MOST_CLASSES) & (targets == np.floor(targets))
        if self.labels and (several or not fits.all()):
            sample = int(np.argmin(fits[:, 0]))
            fault = "several targets" if several else f"sample {sample + 1} has the target {targets[sample, 0]:g}"
            raise self.refuse(f"{fault}: no class; give one column of whole numbers from 0 to {MOST_CLASSES - 1}")
        if self.labels is False or several or not fits.all():
            return targets, None
        labels = targets[:, 0].astype(np.int64)
        present = np.bincount(labels) > 0
        if self.labels or (len(present) > 1 and present.all()):
            return labels, [str(label) for label in range(len(present))]
        return targets, None

    def _scale(self, values: np.ndarray, names: Sequence[str]) -> dict[str, list[float]]:
        """Scales ``values`` (n, columns) in place, column by column, and says by what: ``(value - shift)/spread``."""
        import numpy as np

        columns = np.ascontiguousarray(values.T)
        low, high = columns.min(axis=1), columns.max(axis=1)
        with np.errstate(over="ignore", invalid="ignore"):
            standard = self.scale == "standard"
            shift, spread = (columns.mean(axis=1), columns.std(axis=1)) if standard else (low, high - low)
        shift, spread = np.where(low == high, low, shift), np.where(low == high, 1.0, spread)
        if (wrong := ~((SPREADS[0] < spread) & (spread < SPREADS[1]))).any():
            place = int(wrong.argmax())
            span = f"from {low[place]:g} to {high[place]:g}"
            raise self.refuse(f"column {names[place]!r}, {span}, cannot be scaled; change its unit")
        np.divide(np.subtract(values, shift, out=values), spread, out=values)
        return {"shift": shift.tolist(), "spread": spread.tolist()}

    def _digest(self) -> str:
        with self._open() as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()[:DIGITS]

    @contextmanager
    def _open(self) -> Iterator[BufferedReader]:
        """The file for reading.  Raises ``InputError`` for what the system or a reader says against it."""
        try:
            with open_regular(Path(self.path)) as stream:
                yield stream
        except InputError:
            raise
        except (OSError, ValueError, csv.Error) as error:
            said = getattr(error, "strerror", None) or " ".join(str(error).split())
            raise self.refuse(f"cannot be read ({said}); give a CSV or NPZ file") from error


def is_data_file(text: str) -> bool:
    """Whether a text is meant as a file of data rather than as the name of a data set."""
    return text.partition("?")[0].lower().endswith(SUFFIXES)


def _escaped(text: str, signs: str) -> str:
    return "".join(f"%{ord(sign):02X}" if sign in signs else sign for sign in text)


def _restored(text: str) -> str:
    return re.sub("%([0-9A-F]{2})", lambda code: chr(int(code[1], 16)), text)


def columns(given: str | int | Iterable[str | int] | None) -> tuple[str, ...]:
    """Columns from a text ``a,b``, a number, or a list of names and numbers."""
    if given is None:
        return ()
    listed = given.split(",") if isinstance(given, str) else [given] if isinstance(given, int) else given
    return tuple(str(column).strip() for column in listed)
