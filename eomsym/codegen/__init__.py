"""Code generation: a frozen specification, statements, a template, a file, and back as a kernel."""

from eomsym.codegen.kernel import Kernel
from eomsym.codegen.loader import load
from eomsym.codegen.spec import MAX_DOUBLE_DOUBLE_ORDER, MAX_EXPRESSION_ORDER, MAX_KERNEL_ORDER, PRECISIONS, KernelSpec
from eomsym.codegen.store import COMMITTED, generate, kernel_for

__all__ = [
    "KernelSpec",
    "kernel_for",
]
