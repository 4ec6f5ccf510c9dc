"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path


def description() -> str:
    """Processor, system, versions and load, one a line."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "numba", "llvmlite", "sympy"))
    lines = [
        f"{_processor()}, {os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        f"Python {platform.python_version()}, {packages}",
    ]
    if hasattr(os, "getloadavg"):
        lines.append(f"load at the start {os.getloadavg()[0]:.1f} (1 is one busy core)")
    return "\n".join(lines)


def today() -> str:
    """The date, UTC."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


def _processor() -> str:
    """As Linux names it, else as Python does."""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        names = [line for line in information.read_text().splitlines() if line.startswith("model name")]
        if names:
            return names[0].partition(":")[2].strip()
    return platform.processor() or "processor of unknown name"
