"""eomsym: equations of motion of deep-learning optimisers, derived, generated and verified.

The names below are imported on first use, so that ``import eomsym`` costs nothing and numba or sympy load only where
they are needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eomsym import lazy

# ``from_optax`` needs JAX, and is no part of ``__all__``, which must be there without.
if TYPE_CHECKING:
    from eomsym.codegen.kernel import Kernel
    from eomsym.codegen.loader import load
    from eomsym.codegen.store import generate
    from eomsym.derivation.deriving import derive
    from eomsym.derivation.designing import Design, design
    from eomsym.derivation.equation import Equation
    from eomsym.derivation.noise_generator import modified_generator
    from eomsym.derivation.polynomial_ring import modified_equation
    from eomsym.derivation.thresholds import EdgeThreshold, edge_threshold
    from eomsym.derivation.tree_tables import TreeTable, stream_coefficients, stream_trees, tree_table
    from eomsym.double_double import DoubleDouble
    from eomsym.dynamics.noise_record import Noise
    from eomsym.errors import EomsymError
    from eomsym.jax import from_optax as from_optax
    from eomsym.models.data import Dataset
    from eomsym.optimizers.registry import from_torch
    from eomsym.tracking.tracker import Tracker
    from eomsym.verification.accuracy import measure_accuracy
    from eomsym.verification.auditing import Audit, audit
    from eomsym.verification.batches import Batches
    from eomsym.verification.certifying import Certificate, certify
    from eomsym.verification.conserving import Conserved, conserved
    from eomsym.verification.drifting import Drift, drift
    from eomsym.verification.edge_of_stability import Edge, edge
    from eomsym.verification.following import Follow, follow
    from eomsym.verification.random_batches import noise
    from eomsym.verification.recommending import Recommendation, recommend
    from eomsym.verification.regularising import implicit_regulariser
    from eomsym.verification.terms_along import Terms, terms
    from eomsym.verification.training import Training
    from eomsym.verification.verification_record import Verification
    from eomsym.verification.verifying import verify
    from eomsym.verification.what_if import compare_trainings

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
