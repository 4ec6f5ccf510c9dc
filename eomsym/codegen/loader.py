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
from eomsym.errors import KernelError
from eomsym.models import MLP


class _VerifiedLoader(importlib.machinery.SourceFileLoader):
    """Compiles the bytes that were verified: neither the file again nor a ``.pyc`` that nothing vouches for."""

    def __init__(self, name: str, path: str, source: bytes) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self._source, self.path)


def load(path: str | os.PathLike[str]) -> Any:
    """The kernel in a generated file, compiled or taken from numba's cache beside it.

    A ``Kernel`` for a network (``DoubleDoubleKernel`` in that precision), an ``ExpressionKernel`` for a loss or vector
    field that is written down.

    Raises ``KernelError`` if the file is not what its manifest vouches for.
    """
    file = Path(path).resolve()
    spec, source = verified_source(file)
    # numba's cache remembers the module by name, so the name must be the same in every process, and differ by content.
    name = f"eomsym_kernel_{file.stem}_{hashlib.sha256(source).hexdigest()[:12]}"
    if name in sys.modules and getattr(sys.modules[name], "__file__", None) == str(file):
        return _kernel(spec, sys.modules[name])
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
    return _kernel(spec, module)


def _kernel(spec: KernelSpec, module: ModuleType) -> Any:
    if spec.precision == "double-double":
        return DoubleDoubleKernel(spec, module)
    return (Kernel if isinstance(spec.model, MLP) else ExpressionKernel)(spec, module)
