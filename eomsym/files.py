"""Writing files: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from eomsym.errors import EomsymError


def write_atomically(path: Path, content: bytes) -> bool:
    """Makes ``content`` what stands in ``path``; True if that changed anything.

    A temporary file in the same folder is renamed over the target, so a reader sees the old file or the new one.
    Missing parent folders are made.  Raises ``EomsymError`` naming the path if the system refuses.
    """
    try:
        if path.is_file() and path.read_bytes() == content:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise EomsymError(f"cannot write {path}: {error.strerror or error}; nothing was changed") from error
    return True


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
