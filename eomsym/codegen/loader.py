"""Importing a generated file, once its manifest has vouched for it."""

from __future__ import annotations

import gc
import importlib.machinery
import importlib.util
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from types import CodeType, ModuleType
from typing import Any

from eomsym.codegen.double_double_kernel import DoubleDoubleKernel
from eomsym.codegen.expression_kernel import ExpressionKernel
from eomsym.codegen.kernel import Kernel
from eomsym.codegen.locate import code_cache
from eomsym.codegen.manifest import digest, verified_source
from eomsym.codegen.spec import KernelSpec
from eomsym.errors import InputError, KernelError
from eomsym.files import write_atomically
from eomsym.models import MLP

_loading = RLock()


class _VerifiedLoader(importlib.machinery.SourceFileLoader):
    """Compiles the bytes that were verified: neither the file again nor a ``.pyc`` that nothing vouches for."""

    def __init__(self, name: str, path: str, source: bytes) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self._source, self.path)


def load(path: str | os.PathLike[str], *, threads: int = 1) -> Any:
    """The kernel in a generated file, compiled or taken from numba's cache.

    A ``Kernel`` for a network (``DoubleDoubleKernel`` in that precision), an ``ExpressionKernel`` for a loss or vector
    field that is written down.  ``threads`` share the samples of a network in single or double precision, which pays
    from layers of some hundred units on; the last digits of a sum over samples depend on their number.

    Raises ``KernelError`` if the file is not what its manifest vouches for, or cannot be compiled, ``InputError`` for
    threads that it cannot use.
    """
    file = _resolved(path)
    spec, source = verified_source(file)
    with _loading:
        module = _module(file, source)
    return _kernel(spec, module, threads)


def _resolved(path: object) -> Path:
    try:
        return Path(path).resolve()  # type: ignore[arg-type]
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        raise InputError(f"kernel {path!r}: not the path of a file ({error}); give what generate returned") from error


def _module(file: Path, source: bytes) -> ModuleType:
    """The module of these bytes, run from a copy in a folder that is the user's own.

    numba reads the file again for its hash and keeps machine code beside it.  The copy is named by its content and
    nobody else can write there: so what is hashed is what is run, wherever the kernel lies and whatever happens to it.
    """
    # numba's cache remembers the module by name, so the name must be the same in every process, and differ by content.
    copy = code_cache() / f"{file.stem[:80]}_{digest(source)[:32]}.py"
    name = f"eomsym_kernel_{copy.stem}"
    if name in sys.modules and sys.modules[name].__file__ == str(copy):
        return sys.modules[name]
    if write_atomically(copy, source):
        logging.getLogger("eomsym").info("compiling %s: some seconds to a minute, once on this machine", file.name)
    module_spec = importlib.util.spec_from_loader(name, _VerifiedLoader(name, str(copy), source), origin=str(copy))
    if module_spec is None or module_spec.loader is None:  # pragma: no cover - importlib's own contract
        raise KernelError(f"kernel {file}: Python cannot import it")
    module_spec.has_location = True
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


def _kernel(spec: KernelSpec, module: ModuleType, threads: int) -> Any:
    samples_are_apart = isinstance(spec.model, MLP) and spec.model.normalization != "batch"
    _check_threads(threads, samples_are_apart and spec.precision != "double-double")
    if spec.precision == "double-double":
        return DoubleDoubleKernel(spec, module)
    return Kernel(spec, module, threads) if isinstance(spec.model, MLP) else ExpressionKernel(spec, module)


def _check_threads(threads: int, can_share: bool) -> None:
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise InputError(f"threads {threads!r}: give a number from 1 on")
    if threads > 1 and not can_share:
        raise InputError(
            f"threads {threads}: only networks in single or double precision, without batch normalisation, share "
            "their samples; leave it at 1"
        )
