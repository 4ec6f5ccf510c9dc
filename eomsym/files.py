"""Reading and writing files: whole or not at all; JSON read strictly."""

from __future__ import annotations

import json
import os
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import Any

from eomsym.errors import EomsymError

_PREFIX, _SUFFIX = ".eomsym-", ".tmp"
#: Temporary files live for a moment; one this old (in seconds) was left by a process that was killed.
_LEFT_BEHIND = 600


def write_atomically(path: Path, content: bytes) -> bool:
    """Make ``content`` what stands in ``path``; return whether that changed anything.

    It lies on the disk, in a temporary file beside its target, before that is renamed over it: a full disk is met
    before anything has changed, and a reader sees the old file or the new one.  Missing parent folders are made, and
    taken away again if nothing comes of it.  Raises ``EomsymError`` naming the path if the system refuses.
    """
    if _holds(path, content):
        return False
    made: list[Path] = []
    temporary = None
    try:
        made = _missing_folders(path.parent)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _stage(path.parent, content)
        os.replace(temporary, path)
    except BaseException as error:
        _clear(temporary, made)
        if not isinstance(error, (OSError, ValueError)):
            raise
        reason = getattr(error, "strerror", None) or error
        raise EomsymError(f"cannot write {path}: {reason}; nothing was changed") from error
    return True


@contextmanager
def open_regular(path: Path) -> Iterator[BufferedReader]:
    """A regular file, open for reading in binary.  Raises ``OSError`` or ``ValueError`` for any other.

    A pipe or a device would have no end, or never begin.
    """
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise ValueError("not a regular file")
        yield stream


def read_bounded(path: Path, largest: int) -> bytes:
    """The bytes of a regular file that has at most ``largest``.  Raises ``OSError`` or ``ValueError`` for any other."""
    with open_regular(path) as stream:
        content = stream.read(largest + 1)
    if len(content) > largest:
        raise ValueError(f"larger than {largest} bytes")
    return content


def _holds(path: Path, content: bytes) -> bool:
    try:
        return read_bounded(path, len(content)) == content
    except (OSError, ValueError):
        return False


def _missing_folders(folder: Path) -> list[Path]:
    """Those that are not there, the deepest first."""
    return [place for place in (folder, *folder.parents) if not place.exists()]


def _stage(folder: Path, content: bytes) -> str:
    """A temporary file with this content, safely on the disk."""
    _remove_leftovers(folder)
    handle, temporary = tempfile.mkstemp(_SUFFIX, _PREFIX, folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
    except BaseException:
        os.unlink(temporary)
        raise
    return temporary


def temporary_files(folder: Path) -> list[Path]:
    """What ``write_atomically`` has there for the moment, or left there when it was killed before the rename."""
    return list(folder.glob(f"{_PREFIX}*{_SUFFIX}"))


def _remove_leftovers(folder: Path) -> None:
    """Temporary files of processes that were killed while they wrote."""
    for leftover in temporary_files(folder):
        with suppress(OSError):  # another process cleans up too
            if time.time() - leftover.lstat().st_mtime > _LEFT_BEHIND:
                leftover.unlink()


def _clear(temporary: str | None, made: Sequence[Path]) -> None:
    if temporary is not None:
        with suppress(OSError):
            os.unlink(temporary)
    for folder in made:
        with suppress(OSError):  # another process may have put something there
            folder.rmdir()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def strict_json(text: object) -> dict[str, Any]:
    """The object of a JSON text in which no key stands twice and every number is one.

    Raises ``ValueError`` that says what the text is instead.
    """
    if not isinstance(text, str):
        raise ValueError(f"not text but {type(text).__name__}")
    try:
        entries = json.loads(text, object_pairs_hook=_without_doubled_keys, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON ({error})") from error
    if not isinstance(entries, dict):
        raise ValueError("not a JSON object")
    return entries


def _without_doubled_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise ValueError("a key stands twice")
    return entries


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")
