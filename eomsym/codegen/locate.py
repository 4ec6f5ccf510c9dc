"""Where templates and committed kernels lie: inside the package in a wheel, beside it in a checkout."""

from __future__ import annotations

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
