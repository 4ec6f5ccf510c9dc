"""eomsym: equations of motion of deep-learning optimisers, derived, generated and verified.

The names below are imported on first use, so that ``import eomsym`` costs nothing and numba or sympy load only where
they are needed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eomsym.codegen import Kernel, generate, load
    from eomsym.derivation import (
        Counterterms,
        Design,
        TreeTable,
        derive,
        design,
        modified_equation,
        modified_generator,
        stream_coefficients,
        stream_trees,
        tree_table,
    )
    from eomsym.double_double import DoubleDouble
    from eomsym.dynamics import Noise, noise
    from eomsym.errors import EomsymError
    from eomsym.jax import from_optax as from_optax
    from eomsym.models import Dataset
    from eomsym.optimizers import from_torch
    from eomsym.tracking import Tracker
    from eomsym.verification import (
        Audit,
        Certificate,
        ConvergenceStudy,
        Drift,
        Follow,
        audit,
        certify,
        drift,
        measure_accuracy,
        verify,
    )
    from eomsym.verification.following import follow

__version__ = "0.1.0"

_NAMES = {
    "eomsym.codegen": ("Kernel", "generate", "load"),
    "eomsym.derivation": ("Counterterms", "Design", "derive", "design", "modified_equation", "modified_generator"),
    "eomsym.derivation.tree_tables": ("TreeTable", "stream_coefficients", "stream_trees", "tree_table"),
    "eomsym.double_double": ("DoubleDouble",),
    "eomsym.dynamics.noise_prediction": ("noise",),
    "eomsym.dynamics.noise_record": ("Noise",),
    "eomsym.errors": ("EomsymError",),
    "eomsym.jax": ("from_optax",),
    "eomsym.models": ("Dataset",),
    "eomsym.optimizers": ("from_torch",),
    "eomsym.tracking": ("Tracker",),
    "eomsym.verification": (
        *("Audit", "Certificate", "ConvergenceStudy", "Drift", "Follow"),
        *("audit", "certify", "drift", "measure_accuracy", "verify"),
    ),
    "eomsym.verification.following": ("follow",),
}
#: ``from_optax`` needs JAX, and is no part of ``__all__``, which must be there without.
_HOME = {name: home for home, names in _NAMES.items() for name in names}
_ROOMS = (
    "codegen",
    "derivation",
    "double_double",
    "drawing",
    "dynamics",
    "errors",
    "jax",
    "models",
    "notation",
    "optimizers",
    "result",
    "schedules",
    "series",
    "step_index",
    "studies",
    "torch",
    "tracking",
    "tree_positions",
    "trees",
    "verification",
)

__all__ = [
    "Audit",
    "Certificate",
    "ConvergenceStudy",
    "Counterterms",
    "Dataset",
    "Design",
    "DoubleDouble",
    "Drift",
    "EomsymError",
    "Follow",
    "Kernel",
    "Noise",
    "Tracker",
    "TreeTable",
    "audit",
    "certify",
    "derive",
    "design",
    "drift",
    "follow",
    "from_torch",
    "generate",
    "load",
    "measure_accuracy",
    "modified_equation",
    "modified_generator",
    "noise",
    "stream_coefficients",
    "stream_trees",
    "tree_table",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _ROOMS:
        return import_module(f"eomsym.{name}")
    raise AttributeError(f"module 'eomsym' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})
