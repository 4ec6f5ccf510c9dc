"""The one principle: along the iterates everything is polynomial in the step index, and known from a few nodes."""

from eomsym.step_index.array_algebra import ArrayAlgebra, array_counterterms, check_like, gradient_of
from eomsym.step_index.lookahead import MAX_LOOKAHEAD_ORDER, lookahead, lookahead_weights
from eomsym.step_index.nodes import forward_first, integer_nodes, is_anchored, small_nodes, two_sided, unit_of
from eomsym.step_index.ring_algebra import RingAlgebra, program_counterterms
from eomsym.step_index.schedule import DescentSchedule, descent_schedule
from eomsym.step_index.solver import Algebra, NodeAlgebra, Solution, Values, solve
from eomsym.step_index.tables import Matrix, Tables
from eomsym.step_index.weights import logarithm, resolvent, sum_to, value_at, weights

__all__ = [
    "MAX_LOOKAHEAD_ORDER",
    "Algebra",
    "ArrayAlgebra",
    "DescentSchedule",
    "Matrix",
    "NodeAlgebra",
    "RingAlgebra",
    "Solution",
    "Tables",
    "Values",
    "array_counterterms",
    "check_like",
    "descent_schedule",
    "forward_first",
    "gradient_of",
    "integer_nodes",
    "is_anchored",
    "logarithm",
    "lookahead",
    "lookahead_weights",
    "program_counterterms",
    "resolvent",
    "small_nodes",
    "solve",
    "sum_to",
    "two_sided",
    "unit_of",
    "value_at",
    "weights",
]
