"""Kernels of expressions run by Python itself, not compiled: the same operations on the same numbers, at once."""

import sys
from types import ModuleType, SimpleNamespace
from unittest.mock import patch

from eomsym.codegen.kernel import Kernel
from eomsym.codegen.render import render


def _njit(*arguments, **options):
    if arguments and callable(arguments[0]):
        return arguments[0]
    return lambda function: function


def interpreted(spec):
    """The kernel of a specification of a loss or vector field that is written down."""
    numba, names = ModuleType("numba"), {"__name__": spec.name}
    numba.njit = _njit
    with patch.dict(sys.modules, numba=numba):
        exec(render(spec), names)
    return Kernel(spec, SimpleNamespace(**names))
