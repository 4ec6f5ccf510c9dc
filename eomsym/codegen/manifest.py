"""The manifest of a kernel: a JSON file beside it that says what it is and vouches for its bytes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from eomsym.codegen.spec import KernelSpec
from eomsym.errors import EomsymError, KernelError

MAX_KERNEL_BYTES = 16 * 2**20


def manifest_path(kernel: Path) -> Path:
    """Where the manifest of a kernel file lies."""
    return kernel.with_suffix(".json")


def manifest_text(spec: KernelSpec, source: bytes) -> str:
    """The manifest of a kernel's source."""
    entry = {"specification": spec.to_dict(), "sha256": hashlib.sha256(source).hexdigest()}
    return json.dumps(entry, indent=2) + "\n"


def verified_source(kernel: Path) -> tuple[KernelSpec, bytes]:
    """A kernel's specification and source, if its manifest vouches for it.

    Raises ``KernelError`` with the reason if either file is missing, unreadable, or not what the generator left.
    """
    again = "generate the kernel again"
    try:
        if kernel.stat().st_size > MAX_KERNEL_BYTES:
            raise KernelError(f"kernel {kernel}: larger than any kernel that eomsym writes; {again}")
        source = kernel.read_bytes()
        text = manifest_path(kernel).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise KernelError(f"kernel {kernel}: it or its manifest cannot be read ({reason}); {again}") from error
    entry = _parse(text, kernel, again)
    if entry.get("sha256") != hashlib.sha256(source).hexdigest():
        raise KernelError(f"kernel {kernel}: its bytes are not those that the manifest vouches for; {again}")
    try:
        spec = KernelSpec.from_dict(entry["specification"])
    except (EomsymError, KeyError, TypeError) as error:
        raise KernelError(f"kernel {kernel}: the manifest's specification is not valid ({error}); {again}") from error
    return spec, source


def _parse(text: str, kernel: Path, again: str) -> dict[str, Any]:
    try:
        entry = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise KernelError(f"kernel {kernel}: the manifest is not JSON; {again}") from error
    if not isinstance(entry, dict):
        raise KernelError(f"kernel {kernel}: the manifest is not a JSON object; {again}")
    return entry
