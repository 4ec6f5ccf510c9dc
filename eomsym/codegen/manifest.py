"""The manifest of a kernel: a JSON file beside it that says what it is and vouches for its bytes."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from eomsym.codegen.spec import KernelSpec
from eomsym.errors import EomsymError, KernelError
from eomsym.files import read_bounded, strict_json

MAX_KERNEL_BYTES = 16 * 2**20
MAX_MANIFEST_BYTES = 4 * 2**20

_AGAIN = "generate the kernel again"
_DIGEST = re.compile(r"[0-9a-f]{64}")
#: The two files are read one after the other, and may be replaced in between.
_ATTEMPTS = 5
_KEYS = {"specification", "sha256"}


def manifest_path(kernel: Path) -> Path:
    """Where the manifest of a kernel file lies."""
    return kernel.with_suffix(".json")


def manifest_text(spec: KernelSpec, source: bytes, replaced: str | None = None) -> str:
    """The manifest of a kernel's source.

    ``replaced`` is the digest of a kernel that still lies there: for as long as it takes to replace it, the manifest
    vouches for both, so that there is a whole kernel at every moment.
    """
    entry = {"specification": spec.to_dict(), "sha256": digest(source)}
    return json.dumps(entry if replaced is None else {**entry, "replaces": replaced}, indent=2) + "\n"


def digest(source: bytes) -> str:
    """SHA-256 of a kernel's bytes."""
    return hashlib.sha256(source).hexdigest()


def verified_source(kernel: Path) -> tuple[KernelSpec, bytes]:
    """A kernel's specification and source, if its manifest vouches for it.

    Raises ``KernelError`` with the reason if either file is missing, unreadable, or not what the generator left.
    """
    for _ in range(_ATTEMPTS):
        source, entry = _read(kernel)
        if digest(source) in (entry["sha256"], entry.get("replaces")):
            break
    else:
        raise KernelError(f"kernel {kernel}: its bytes are not those that the manifest vouches for; {_AGAIN}")
    spec = _specification(entry, kernel)
    if kernel.name != f"{spec.name}.py":
        raise KernelError(f"kernel {kernel}: the manifest is that of {spec.name}.py; keep that name, or {_AGAIN}")
    return spec, source


def _read(kernel: Path) -> tuple[bytes, dict[str, Any]]:
    try:
        source = read_bounded(kernel, MAX_KERNEL_BYTES)
        text = read_bounded(manifest_path(kernel), MAX_MANIFEST_BYTES).decode()
    except UnicodeDecodeError as error:
        raise KernelError(f"kernel {kernel}: the manifest cannot be read (not text); {_AGAIN}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise KernelError(f"kernel {kernel}: it or its manifest cannot be read ({reason}); {_AGAIN}") from error
    return source, _parse(text, kernel)


def _specification(entry: dict[str, Any], kernel: Path) -> KernelSpec:
    try:
        return KernelSpec.from_dict(entry["specification"])
    except (EomsymError, TypeError, OverflowError) as error:
        raise KernelError(f"kernel {kernel}: the manifest's specification is not valid ({error}); {_AGAIN}") from error


def _parse(text: str, kernel: Path) -> dict[str, Any]:
    """The manifest's entries, of which both and no others must be there."""
    try:
        entry = strict_json(text)
    except ValueError as error:
        raise KernelError(f"kernel {kernel}: the manifest is {error}; {_AGAIN}") from error
    if set(entry) - {"replaces"} != _KEYS:
        raise KernelError(f"kernel {kernel}: the manifest needs the entries specification and sha256 only; {_AGAIN}")
    for name in entry.keys() - {"specification"}:
        if not isinstance(entry[name], str) or not _DIGEST.fullmatch(entry[name]):
            raise KernelError(f"kernel {kernel}: the manifest's {name} is not a SHA-256 digest; {_AGAIN}")
    return entry
