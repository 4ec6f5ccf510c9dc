"""The one principle: along the iterates everything is polynomial in the step index, and known from a few nodes."""

from eomsym.step_index.lookahead import lookahead_weights, map_logarithm
from eomsym.step_index.resummation import resummed
from eomsym.step_index.solver import Algebra, solve
from eomsym.step_index.tables import Tables
from eomsym.step_index.weights import logarithm, resolvent, sum_to, value_at, weights

__all__ = [
    "logarithm",
    "resolvent",
    "resummed",
    "solve",
    "sum_to",
    "value_at",
    "weights",
]
