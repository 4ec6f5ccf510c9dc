"""Where the tests keep compiled kernels from one run to the next, and what makes them start anew.

The package copies each kernel into its cache under a name that holds the digest of its bytes, and numba keeps machine
code beside the copy.  A change of a template or of the generator therefore makes other files; what bytes do not tell
(Python, numba, LLVM, the processor) is the key of the folder.
"""

import hashlib
import os
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

import llvmlite.binding as llvm

FOLDER = Path(__file__).resolve().parents[2] / "build" / "test-kernels"
#: Half a megabyte a kernel: this much is what many changes of the templates have left behind.
LARGEST = 500_000_000


def folder() -> Path:
    """The cache of kernels for tests with this Python, these packages and this processor."""
    of = [platform.python_implementation(), platform.python_version(), platform.machine()]
    of += [f"{name} {version(name)}" for name in ("numba", "llvmlite", "numpy", "scipy")]
    of += [llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()]
    return FOLDER / hashlib.sha256("\n".join(of).encode()).hexdigest()[:16]


def use() -> None:
    """Sends all kernels of this process, and of those it starts, there, whatever the user's own caches are."""
    os.environ["EOMSYM_CACHE"] = str(folder())
    os.environ.pop("NUMBA_CACHE_DIR", None)


def tidy() -> None:
    """Removes the folders of other keys, and this one where it has grown too large."""
    kept = folder()
    for place in FOLDER.glob("*"):
        if place != kept or sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) > LARGEST:
            shutil.rmtree(place)
