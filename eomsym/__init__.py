"""eomsym: equations of motion of deep-learning optimisers, derived, generated and verified.

The names below are imported on first use, so that ``import eomsym`` costs nothing and numba or sympy load only where
they are needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eomsym import lazy

# ``from_optax`` needs JAX, and is no part of ``__all__``, which must be there without.
if TYPE_CHECKING:
    from eomsym.codegen import Kernel, generate, load
    from eomsym.derivation import (
        Design,
        EdgeThreshold,
        Equation,
        derive,
        design,
        edge_threshold,
        modified_equation,
        modified_generator,
    )
    from eomsym.derivation.tree_tables import TreeTable, stream_coefficients, stream_trees, tree_table
    from eomsym.double_double import DoubleDouble
    from eomsym.dynamics.noise_record import Noise
    from eomsym.errors import EomsymError
    from eomsym.jax import from_optax as from_optax
    from eomsym.models import Dataset
    from eomsym.optimizers import from_torch
    from eomsym.tracking import Tracker
    from eomsym.verification import (
        Audit,
        Batches,
        Certificate,
        Conserved,
        Drift,
        Edge,
        Follow,
        Recommendation,
        Terms,
        Training,
        Verification,
        audit,
        certify,
        compare_trainings,
        conserved,
        drift,
        edge,
        implicit_regulariser,
        measure_accuracy,
        noise,
        recommend,
        terms,
        verify,
    )
    from eomsym.verification.following import follow

__version__ = "0.1.0"

__all__ = [
    "Audit",
    "Batches",
    "Certificate",
    "Conserved",
    "Dataset",
    "Design",
    "DoubleDouble",
    "Drift",
    "Edge",
    "EdgeThreshold",
    "EomsymError",
    "Equation",
    "Follow",
    "Kernel",
    "Noise",
    "Recommendation",
    "Terms",
    "Tracker",
    "Training",
    "TreeTable",
    "Verification",
    "audit",
    "certify",
    "compare_trainings",
    "conserved",
    "derive",
    "design",
    "drift",
    "edge",
    "edge_threshold",
    "follow",
    "from_torch",
    "generate",
    "implicit_regulariser",
    "load",
    "measure_accuracy",
    "modified_equation",
    "modified_generator",
    "noise",
    "recommend",
    "stream_coefficients",
    "stream_trees",
    "terms",
    "tree_table",
    "verify",
]

_ROOMS = (
    *("codegen", "derivation", "double_double", "dynamics", "errors", "jax", "models", "notation"),
    *("optimizers", "result", "schedules", "series", "step_index", "sweeps", "torch", "tracking", "tree_positions"),
    *("trees", "verification"),
)
__getattr__, __dir__ = lazy.attach(__name__, _ROOMS)
