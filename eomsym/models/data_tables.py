"""Tables of numbers from CSV and NPZ files.

CSV is read line by line, so that memory is that of the numbers, and what is no number is told by line and column.
"""

from __future__ import annotations

import csv
import math
import re
import zipfile
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from io import BufferedReader, TextIOWrapper
from itertools import chain
from tokenize import TokenError
from typing import TYPE_CHECKING

import numpy as np

from eomsym.checks import shown, suggestion
from eomsym.errors import InputError

if TYPE_CHECKING:
    from eomsym.models.data_files import DataFile

#: A longer line is of no table; one without an end would fill the memory.
LONGEST_LINE = 10**6
MOST_CLASSES = 100_000
_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", re.ASCII)
_DECIMAL_COMMA = re.compile(r"\s*[+-]?[0-9]+,[0-9]+\s*", re.ASCII)
#: What NumPy raises for a file that is none of its own: of the attributes, where it is an array alone, or bytes.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, AttributeError, TypeError, RuntimeError, SyntaxError, TokenError)
#: What programs write where nothing is known.
_MISSING = re.compile(r"\s*([+-]?(nan|inf|infinity)|n/?a|null|none|\?|)\s*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Table:
    """``inputs`` (n, n_in) float64, ``targets`` (n,) int64 labels or (n, n_out) float64, and the names of the columns.

    ``classes`` are the names of labels that were words, in the order of their numbers.
    """

    inputs: np.ndarray
    targets: np.ndarray
    names: tuple[str, ...]
    target_names: tuple[str, ...]
    classes: tuple[str, ...] = ()

    @property
    def is_labelled(self) -> bool:
        """Whether the targets are classes."""
        return self.targets.ndim == 1


def read_csv(file: DataFile, stream: BufferedReader) -> Table:
    """The columns of a file; commas, semicolons or tabs stand in between, as its first line has them."""
    rows = _rows(file, stream)
    line, first = next(rows, (0, []))
    has_names = file.header if file.header is not None else not any(map(_NUMBER.fullmatch, first))
    names = tuple(cell.strip() if has_names else str(place) for place, cell in enumerate(first, 1))
    columns = _Columns(file, names)
    for number, cells in rows if has_names else chain([(line, first)], rows):
        columns.take(number, cells)
    return columns.table()


def read_npz(file: DataFile, stream: BufferedReader) -> Table:
    """Two arrays of a file: inputs (n, n_in) and targets (n,) or (n, n_out), of numbers; (n,) of words for classes."""
    try:
        # NumPy refuses to run what is pickled, unless it is asked to, and multiplies the numbers of a header unseen.
        with np.load(stream) as arrays, np.errstate(invalid="ignore"):
            inputs, targets = (
                arrays[_place(file, one, arrays.files, "array")]
                for one in (_one(file, "inputs", file.inputs), _one(file, "targets", file.targets))
            )
            inputs.dtype, targets.dtype  # noqa: B018 - bytes have none
    except (MemoryError, OverflowError) as error:
        raise file.refuse(
            f"declares an array that does not fit into memory ({error}); give fewer rows, or write it anew"
        ) from error
    except _DAMAGED as error:
        raise file.refuse(f"is no archive of arrays ({error}); write it with numpy.savez") from error
    if inputs.ndim != 2 or targets.ndim not in (1, 2) or len(inputs) != len(targets):
        shapes = f"inputs of shape {inputs.shape}, targets of shape {targets.shape}"
        raise file.refuse(f"{shapes}; give (n, columns) and (n,) or (n, outputs)")
    names, target_names = (
        tuple(map(str, range(1, 1 + (values.shape[1] if values.ndim == 2 else 1)))) for values in (inputs, targets)
    )
    if targets.dtype.kind == "U" and targets.ndim == 1 and file.labels is not False:
        classes, labels = np.unique(targets, return_inverse=True)
        odd = [word for word in map(str, classes) if _MISSING.fullmatch(word) or _is_like_a_number(word)]
        if odd and not all(map(str.isdecimal, classes)):  # digits alone are classes too, as others write them
            row = int(np.argmax(targets == odd[0])) + 1
            raise file.refuse(f"target {shown(odd[0])} of row {row} is no word; give classes in words, or numbers")
        return Table(_floats(file, inputs), labels.astype(np.int64), names, target_names, tuple(map(str, classes)))
    values = _floats(file, targets.reshape(len(targets), -1))
    return Table(_floats(file, inputs), _labelled(file, values), names, target_names)


class _Columns:
    """Collects the numbers of rows, and the class of each where the target is one in words."""

    def __init__(self, file: DataFile, names: tuple[str, ...]) -> None:
        if len(set(names)) < len(names) or ("" in names and not file.inputs):
            raise file.refuse(f"columns {', '.join(map(repr, names))[:200]}: name each, and none twice")
        self._file, self._names = file, names
        self._targets = [_place(file, name, names, "column") for name in file.targets or names[-1:]]
        rest = [name for name in names if name not in self._targets]
        self._inputs = [_place(file, name, names, "column") for name in file.inputs or rest]
        both = [*self._targets, *self._inputs]
        if not (self._targets and self._inputs) or len(set(both)) < len(both):
            raise file.refuse(
                f"targets {self._targets} and inputs {self._inputs}: give one or more of each, none twice"
            )
        self._places = [[names.index(name) for name in part] for part in (self._inputs, self._targets)]
        self._numbers = array("d"), array("d")
        self._classes: dict[str, int] = {}
        self._codes = array("q")
        self._in_words: bool | None = None if len(self._targets) == 1 and file.labels is not False else False

    def take(self, line: int, cells: list[str]) -> None:
        """One row.  Raises ``InputError`` that names line and column."""
        if len(cells) != len(self._names):
            raise self._file.refuse(f"line {line} has {len(cells)} columns, not {len(self._names)}; make it whole")
        inputs, targets = self._places
        if self._in_words is None:
            self._in_words = not any(kind.fullmatch(cells[targets[0]]) for kind in (_NUMBER, _MISSING))
        self._numbers[0].extend(self._read(line, inputs, cells))
        if self._in_words:
            self._codes.append(self._code(line, targets[0], cells[targets[0]].strip()))
        else:
            self._numbers[1].extend(self._read(line, targets, cells))

    def table(self) -> Table:
        """Everything that was taken."""
        arrays = [
            np.frombuffer(numbers, np.float64).reshape(-1, len(places))
            for numbers, places in zip(self._numbers, self._places, strict=True)
        ]
        names, target_names = tuple(self._inputs), tuple(self._targets)
        if not self._in_words:
            return Table(arrays[0], _labelled(self._file, arrays[1]), names, target_names)
        ordered = sorted(self._classes)
        places = np.array([ordered.index(name) for name in self._classes], np.int64)
        return Table(arrays[0], places[np.frombuffer(self._codes, np.int64)], names, target_names, tuple(ordered))

    def _read(self, line: int, places: Sequence[int], cells: Sequence[str]) -> list[float]:
        chosen = [cells[place] for place in places]
        try:
            numbers = list(map(float, chosen))
        except ValueError:
            numbers = [math.nan]
        # Python reads more than people mean, 1_0 for one; each is looked at only where something is odd.
        if not math.isfinite(sum(numbers)) or "_" in "".join(chosen):
            for place, cell in zip(places, chosen, strict=True):
                if not _NUMBER.fullmatch(cell) or not math.isfinite(float(cell)):
                    raise self._fault(line, place, f"{shown(cell)} is no finite number; {_remedy(line, cell)}")
        return numbers

    def _code(self, line: int, place: int, word: str) -> int:
        if word in self._classes:
            return self._classes[word]
        if _MISSING.fullmatch(word) or len(self._classes) > MOST_CLASSES:
            raise self._fault(
                line, place, f"{shown(word)} is no class; name one of at most {MOST_CLASSES} in each line"
            )
        if _is_like_a_number(word):
            fault = f"is no finite number; {_remedy(line, word)}"
            if self._classes:
                first = shown(next(iter(self._classes)))
                fault = f"is like a number, and {first} above it a word; write numbers in all lines, or words in all"
            raise self._fault(line, place, f"{shown(word)} {fault}")
        return self._classes.setdefault(word, len(self._classes))

    def _fault(self, line: int, place: int, fault: str) -> InputError:
        return self._file.refuse(f"line {line}, column {place + 1} ({self._names[place]!r}): {fault}")


def _rows(file: DataFile, stream: BufferedReader) -> Iterator[tuple[int, list[str]]]:
    """The number of its (last) line and the cells of each row; lines that are empty are passed over."""
    try:
        with TextIOWrapper(stream, "utf-8-sig", newline="") as text:
            lines = iter(partial(text.readline, LONGEST_LINE), "")
            first = next(lines, "")
            delimiter = next((sign for sign in ";\t" if sign in first), ",")
            reader = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
            for cells in reader:
                if cells:
                    yield reader.line_num, cells
    except csv.Error as error:
        raise file.refuse(f"line {reader.line_num}: {error}; give text with {delimiter!r} between numbers") from error
    except UnicodeDecodeError as error:
        raise file.refuse(f"is not UTF-8 text ({error.reason}); give a table as text") from error


def _place(file: DataFile, given: str, names: Sequence[str], kind: str) -> str:
    """The name that is meant by a name, or by a number counted from 1."""
    if given in names:
        return given
    if kind == "column" and given.isdecimal() and 1 <= int(given) <= len(names):
        return names[int(given) - 1]
    right = f"choose from {', '.join(names)[:200]}{suggestion(given, names)}"
    raise file.refuse(f"has no {kind} {shown(given)}; {right}")


def _one(file: DataFile, kind: str, given: Sequence[str]) -> str:
    if len(given) > 1:
        raise file.refuse(f"{kind} {', '.join(given)}: an NPZ file has them in one array; give its name")
    return given[0] if given else kind


def _floats(file: DataFile, values: np.ndarray) -> np.ndarray:
    """A copy as float64, which can be scaled in place."""
    if values.dtype.kind not in "iuf":
        raise file.refuse(f"holds an array of {values.dtype}; give numbers")
    numbers = np.array(values, np.float64, order="C")
    if not np.isfinite(numbers).all():
        row, column = (int(place) + 1 for place in np.argwhere(~np.isfinite(numbers))[0])
        raise file.refuse(f"row {row}, column {column} is {numbers[row - 1, column - 1]}; give finite numbers")
    return numbers


def _labelled(file: DataFile, values: np.ndarray) -> np.ndarray:
    """Values (n, columns) as they are, or as labels (n,) where the file says so or they look so."""
    if file.labels is False or (file.labels is None and (values.shape[1] > 1 or not len(values))):
        return values
    fits = (values >= 0) & (values < MOST_CLASSES) & (values == np.floor(values))
    if file.labels and (values.shape[1] > 1 or not fits.all()):
        sample = int(np.argmin(fits[:, 0]))
        fault = (
            "several targets" if values.shape[1] > 1 else f"sample {sample + 1} has the target {values[sample, 0]:g}"
        )
        raise file.refuse(f"{fault}: no class; give one column of whole numbers from 0 to {MOST_CLASSES - 1}")
    if not fits.all():
        return values
    labels = values[:, 0].astype(np.int64)
    present = np.bincount(labels) > 0
    return labels if file.labels or (len(present) > 1 and present.all()) else values


def _is_like_a_number(word: str) -> bool:
    """Whether someone may have meant a number, or Python reads one: no word for a class beside others."""
    try:
        float(word)
    except ValueError:
        return bool(_DECIMAL_COMMA.fullmatch(word))
    return True


def _remedy(line: int, cell: str) -> str:
    if _DECIMAL_COMMA.fullmatch(cell):
        return "write decimals with a point, and thousands without a comma"
    if _MISSING.fullmatch(cell):
        return "leave the line out, or give one"
    return "give one, or leave the column out" if line > 1 else "say that line 1 is a header, or give one"
