"""Derivation of the equation of motion: exact coefficients over rooted trees, and an independent second route."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eomsym import lazy
from eomsym.derivation.corrected_descent import CorrectedStep, corrected_step
from eomsym.derivation.deriving import derive, modified_loss
from eomsym.derivation.designing import Design, design
from eomsym.derivation.equation import Equation
from eomsym.derivation.linear_law import DecayLaw, decay_law, series_radius
from eomsym.derivation.noise_generator import modified_generator

# What needs SymPy or numba.
if TYPE_CHECKING:
    from eomsym.derivation.polynomial_ring import modified_equation
    from eomsym.derivation.thresholds import EdgeThreshold, edge_threshold
    from eomsym.derivation.tree_tables import TreeTable, stream_coefficients, stream_trees, tree_table

__all__ = [
    "CorrectedStep",
    "DecayLaw",
    "corrected_step",
    "decay_law",
    "modified_loss",
    "series_radius",
]

__getattr__, __dir__ = lazy.attach(__name__)
