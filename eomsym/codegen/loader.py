"""Importing a generated file, once its manifest has vouched for it."""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from eomsym.codegen.double_double_kernel import DoubleDoubleKernel
from eomsym.codegen.expression_kernel import ExpressionKernel
from eomsym.codegen.kernel import Kernel
from eomsym.codegen.manifest import verified_source
from eomsym.codegen.spec import KernelSpec
from eomsym.errors import InputError, KernelError
from eomsym.models import MLP


class _VerifiedLoader(importlib.machinery.SourceFileLoader):
    """Compiles the bytes that were verified: neither the file again nor a ``.pyc`` that nothing vouches for."""

    def __init__(self, name: str, path: str, source: bytes) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self._source, self.path)


def load(path: str | os.PathLike[str], *, threads: int = 1) -> Any:
    """The kernel in a generated file, compiled or taken from numba's cache beside it.

    A ``Kernel`` for a network (``DoubleDoubleKernel`` in that precision), an ``ExpressionKernel`` for a loss or vector
    field that is written down.  ``threads`` share the samples of a network in single or double precision, which pays
    from layers of some hundred units on; the last digits of a sum over samples depend on their number.

    Raises ``KernelError`` if the file is not what its manifest vouches for, ``InputError`` for threads that it
    cannot use.
    """
    file = Path(path).resolve()
    spec, source = verified_source(file)
    # numba's cache remembers the module by name, so the name must be the same in every process, and differ by content.
    name = f"eomsym_kernel_{file.stem}_{hashlib.sha256(source).hexdigest()[:12]}"
    if name in sys.modules and getattr(sys.modules[name], "__file__", None) == str(file):
        return _kernel(spec, sys.modules[name], threads)
    module_spec = importlib.util.spec_from_loader(name, _VerifiedLoader(name, str(file), source), origin=str(file))
    if module_spec is None or module_spec.loader is None:  # pragma: no cover - importlib's own contract
        raise KernelError(f"kernel {file}: Python cannot import it")
    module_spec.has_location = True
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return _kernel(spec, module, threads)


def _kernel(spec: KernelSpec, module: ModuleType, threads: int) -> Any:
    _check_threads(threads, hasattr(module, "_run_parts"))
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
