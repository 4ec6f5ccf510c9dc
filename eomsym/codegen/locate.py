"""Where things lie: templates and committed kernels, in a wheel or beside the package in a checkout; and caches."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from eomsym.errors import KernelError

_PACKAGE = Path(__file__).resolve().parent.parent


def data_folder(name: str) -> Path:
    """The folder ``templates`` or ``generated``.  Raises ``KernelError`` if the installation lacks it."""
    for candidate in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise KernelError(
        f"folder {name!r}: not found beside the package; the installation is incomplete, install it again"
    )


def user_cache() -> Path:
    """The folder for kernels that nobody asked to see: ``EOMSYM_CACHE``, else ``eomsym`` in the user's cache folder.

    Raises ``KernelError`` if the user has no home.
    """
    chosen, base = os.environ.get("EOMSYM_CACHE"), os.environ.get("XDG_CACHE_HOME")
    if chosen:
        return Path(chosen)
    try:
        return (Path(base) if base else Path.home() / ".cache") / "eomsym"
    except RuntimeError as error:
        raise KernelError("cache of kernels: no home folder is known; set EOMSYM_CACHE to a folder of yours") from error


def code_cache() -> Path:
    """The folder that kernels are compiled in, made if missing: only the user can write there.

    numba keeps machine code beside the file that it compiles, and runs it again without a question.
    Raises ``KernelError`` naming the folder if it cannot be written, or others can write to it.
    """
    folder = user_cache().absolute() / "compiled"
    advice = "set EOMSYM_CACHE to a folder that only you can write to"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(exist_ok=True, mode=0o700)
        status, above = folder.stat(), folder.parent.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise KernelError(f"compiled kernels cannot be kept in {folder} ({reason}); {advice}") from error
    if os.name != "posix":
        return folder
    if status.st_uid not in (0, os.getuid()) or status.st_mode & 0o022 or above.st_mode & stat.S_IWOTH:
        raise KernelError(f"compiled kernels are not kept in {folder}, where other users can write; {advice}")
    return folder
