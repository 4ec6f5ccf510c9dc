"""Importing a generated file: like any module, from a copy that is named by its content."""

from __future__ import annotations

import gc
import hashlib
import importlib.util
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from types import ModuleType

from eomsym.codegen.kernel import Kernel
from eomsym.codegen.locate import code_cache
from eomsym.codegen.spec import KernelSpec
from eomsym.errors import InputError, KernelError
from eomsym.files import read_bounded, write_atomically
from eomsym.models import MLP

#: What the line of a file begins with that says what it is a kernel of.
SPECIFICATION = "# Specification: "
MAX_KERNEL_BYTES = 16 * 2**20

_loading = RLock()


def load(path: str | os.PathLike[str], *, threads: int = 1) -> Kernel:
    """Import the kernel in a generated file, compiled or taken from numba's cache.

    The file is run as any module is that is imported, edited ones too.  ``threads`` share the samples of a network in
    double precision, which pays from layers of some hundred units on; the last digits of a sum over samples depend on
    their number.

    Raises ``KernelError`` if the file cannot be read, has no specification of a kernel, or cannot be compiled,
    ``InputError`` for threads that it cannot use.
    """
    file = _resolved(path)
    try:
        source = read_bounded(file, MAX_KERNEL_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise KernelError(f"kernel {file}: cannot be read ({reason}); generate it again") from error
    spec = read_specification(file, source)
    _check_threads(threads, spec)
    with _loading:
        module = _module(file, source)
    if (getattr(module, "SIZE", None), getattr(module, "ORDER", None)) != (spec.model.size, spec.order):
        raise KernelError(f"kernel {file}: its specification is that of another file; generate it again")
    return Kernel(spec, module, threads)


def read_specification(file: Path, source: bytes) -> KernelSpec:
    """The specification in a kernel's source.  Raises ``KernelError`` where there is none."""
    start = source.find(SPECIFICATION.encode())
    line = source[start:].partition(b"\n")[0] if start >= 0 else b""
    try:
        return KernelSpec.from_json(line.decode()[len(SPECIFICATION) :])
    except (InputError, UnicodeDecodeError) as error:
        raise KernelError(f"kernel {file}: no specification stands in it ({error}); generate it again") from error


def _resolved(path: object) -> Path:
    try:
        return Path(path).resolve()  # type: ignore[arg-type]
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        raise InputError(f"kernel {path!r}: not the path of a file ({error}); give what generate returned") from error


def _module(file: Path, source: bytes) -> ModuleType:
    """The module of these bytes, run from a copy in a folder that is the user's own.

    numba keeps machine code beside the file that it compiles, and remembers the module by name: the copy is named by
    its content, so that neither is ever that of other bytes, and nobody else can write there.
    """
    copy = code_cache() / f"{file.stem[:80]}_{hashlib.sha256(source).hexdigest()[:32]}.py"
    name = f"eomsym_kernel_{copy.stem}"
    if name in sys.modules and sys.modules[name].__file__ == str(copy):
        return sys.modules[name]
    if write_atomically(copy, source):
        logging.getLogger("eomsym").info("compiling %s: some seconds to a minute, once on this machine", file.name)
    module_spec = importlib.util.spec_from_file_location(name, copy)
    if module_spec is None or module_spec.loader is None:  # pragma: no cover - importlib's own contract
        raise KernelError(f"kernel {file}: Python cannot import it")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        with _without_garbage_collector():
            module_spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, Exception):
            raise
        # numba lets through whatever the disk or a damaged entry of its cache raises.
        place = os.environ.get("NUMBA_CACHE_DIR") or copy.parent / "__pycache__"
        raise KernelError(
            f"kernel {file}: cannot be compiled or taken from numba's cache ({type(error).__name__}: {error}); "
            f"see that the disk is not full, and remove {place}"
        ) from error
    return module


@contextmanager
def _without_garbage_collector() -> Iterator[None]:
    """Nearly all that compiling makes frees itself; to look for the rest takes up to a quarter of its time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _check_threads(threads: int, spec: KernelSpec) -> None:
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise InputError(f"threads {threads!r}: give a number from 1 on")
    apart = isinstance(spec.model, MLP) and spec.model.normalization != "batch" and spec.precision == "double"
    if threads > 1 and not apart:
        raise InputError(
            f"threads {threads}: only networks in double precision, without batch normalisation, share their samples; "
            "leave it at 1"
        )
