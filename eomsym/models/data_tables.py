"""Tables of numbers from CSV and NPZ files; what is no number is told by line and column."""

from __future__ import annotations

import csv
import re
import zipfile
import zlib
from collections.abc import Sequence
from io import BufferedReader
from tokenize import TokenError

import numpy as np
import polars as pl

from eomsym.checks import shown, suggestion
from eomsym.errors import InputError
from eomsym.models.data_files import MOST_CLASSES, DataFile

#: A longer first line is of no table; one without an end would fill the memory.
LONGEST_LINE = 10**6
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+", re.ASCII)
#: What NumPy raises for a file that is none of its own: of the attributes, where it is an array alone, or bytes.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, AttributeError, TypeError, RuntimeError, SyntaxError, TokenError)
#: What programs write where nothing is known.
_MISSING = re.compile(r"[+-]?(nan|inf|infinity)|n/?a|null|none|\?|", re.ASCII | re.IGNORECASE)
#: The column of line numbers, beside those of the file, which have numbers for names.
_LINE = "line"


#: Inputs (n, n_in) float64, targets (n, n_out) float64 or (n,) words, and the names of the columns of both.
Table = tuple[np.ndarray, np.ndarray, tuple[str, ...], tuple[str, ...]]


def read_csv(file: DataFile, stream: BufferedReader) -> Table:
    """The columns of a file; commas, semicolons or tabs stand in between, as its first line has them."""
    cells = _cells(file, stream)
    first = [cell or "" for cell in cells.row(0)[1:]] if len(cells) else []
    numbers = [_as_number(cell) is not None for cell in first]
    if file.header if file.header is not None else not any(numbers):
        names, cells = tuple(first), cells[1:]
    else:
        names = tuple(str(place) for place in range(1, 1 + len(first)))
    if len(set(names)) < len(names) or ("" in names and not file.inputs):
        raise file.refuse(f"columns {', '.join(map(repr, names))[:200]}: name each, and none twice")
    targets = [_place(file, name, names, "column") for name in file.targets or names[-1:]]
    inputs = [
        _place(file, name, names, "column") for name in file.inputs or names if file.inputs or name not in targets
    ]
    if not (targets and inputs) or len({*targets, *inputs}) < len(targets) + len(inputs):
        raise file.refuse(f"targets {targets} and inputs {inputs}: give one or more of each, none twice")
    table = _Cells(file, names, cells)
    values = table.numbers(inputs)
    in_words = len(targets) == 1 and file.labels is not False and len(cells) and table.is_words(targets[0])
    return values, table.words(targets[0]) if in_words else table.numbers(targets), tuple(inputs), tuple(targets)


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
        words: list[str] = targets.tolist()
        odd = next((row for row, word in enumerate(words) if not _is_word(word)), None)
        if odd is not None and not all(map(str.isdecimal, words)):  # digits alone are classes too, as others have them
            fault = f"target {shown(words[odd])} of row {odd + 1} is no word"
            raise file.refuse(f"{fault}; give classes in words, or numbers")
        return _floats(file, inputs), targets, names, target_names
    return _floats(file, inputs), _floats(file, targets.reshape(len(targets), -1)), names, target_names


def _cells(file: DataFile, stream: BufferedReader) -> pl.DataFrame:
    """The texts of all cells without the spaces around them, null where empty, and the number of each line in front."""
    first = stream.readline(LONGEST_LINE)
    delimiter = next((sign for sign in ";\t" if sign.encode() in first), ",")
    stream.seek(0)
    try:
        texts = pl.read_csv(stream, separator=delimiter, has_header=False, infer_schema=False)
    except pl.exceptions.NoDataError:
        return pl.DataFrame({_LINE: []})
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
        if "more fields" in reason:
            stream.seek(0)
            rows = csv.reader(map(bytes.decode, stream), delimiter=delimiter)
            lengths = ((len(row), f"line {rows.line_num}") for row in rows if row)
            width, _ = next(lengths, (0, ""))
            line = next((line for cells, line in lengths if cells > width), "a line")
            reason = f"{line} has more cells than the first"
        raise file.refuse(f"is no table ({reason}); give UTF-8 text with {delimiter!r} between the cells") from error
    filled = texts.select(pl.all().str.strip_chars().replace("", None)).with_row_index(_LINE, 1)
    return filled.filter(pl.any_horizontal(pl.exclude(_LINE).is_not_null()))


class _Cells:
    """The cells below the names of the columns, read as numbers or words."""

    def __init__(self, file: DataFile, names: Sequence[str], cells: pl.DataFrame) -> None:
        self._file, self._names, self._lines = file, names, cells[_LINE]
        self._columns = dict(zip(names, cells.drop(_LINE).get_columns(), strict=True))

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        """The columns of these names, (rows, columns) float64.  Raises ``InputError`` for what is no finite number."""
        values = np.empty((len(self._lines), len(names)))
        for place, name in enumerate(names):
            column = self._columns[name].cast(pl.Float64, strict=False).fill_null(float("nan"))
            values[:, place] = column.to_numpy()
        if not np.isfinite(values).all():
            row, place = (int(index) for index in np.argwhere(~np.isfinite(values))[0])
            line, cell = self._lines[row], self._columns[names[place]][row] or ""
            raise self._fault(row, names[place], f"{shown(cell)} is no finite number; {_remedy(line, cell)}")
        return values

    def is_words(self, name: str) -> bool:
        """Whether the first cell of a column is a word."""
        return _is_word(self._columns[name][0])

    def words(self, name: str) -> np.ndarray:
        """A column of words, (rows,).  Raises ``InputError`` for a cell that is none, and for too many words."""
        column = self._columns[name]
        for word in column.unique(maintain_order=True):
            if not _is_word(word):
                fault = f"{shown(word or '')} is no class; name one in each line"
                if word and not _MISSING.fullmatch(word):
                    fault = f"{shown(word)} is like a number, and {shown(column[0])} above it a word"
                    fault += "; write numbers in all lines, or words in all"
                raise self._fault(column.eq_missing(word).arg_max(), name, fault)
        if column.n_unique() > MOST_CLASSES:
            raise self._file.refuse(f"column {name!r} has more than {MOST_CLASSES} classes; give fewer, or numbers")
        return column.to_numpy()

    def _fault(self, row: int | None, name: str, fault: str) -> InputError:
        place = f"line {self._lines[row or 0]}, column {self._names.index(name) + 1} ({name!r})"
        return self._file.refuse(f"{place}: {fault}")


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


def _is_word(cell: str | None) -> bool:
    """Whether a cell is no number, not like one, and tells something."""
    cell = cell or ""
    return not (_MISSING.fullmatch(cell) or _DECIMAL_COMMA.fullmatch(cell)) and _as_number(cell) is None


def _as_number(word: str) -> float | None:
    """The number that Python reads from a text, None if it reads none."""
    try:
        return float(word)
    except ValueError:
        return None


def _remedy(line: int, cell: str) -> str:
    if _DECIMAL_COMMA.fullmatch(cell):
        return "write decimals with a point, and thousands without a comma"
    if _MISSING.fullmatch(cell):
        return "leave the line out, or give one"
    return "give one, or leave the column out" if line > 1 else "say that line 1 is a header, or give one"
