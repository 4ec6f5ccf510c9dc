"""The one principle: along the iterates everything is polynomial in the step index, and known from a few nodes."""

from typing import TYPE_CHECKING

from eomsym import lazy
from eomsym.step_index.lookahead import (
    MAX_LOOKAHEAD_ORDER,
    check_growth,
    difference_growth,
    lookahead_weights,
    map_logarithm,
)
from eomsym.step_index.nodes import two_sided
from eomsym.step_index.quasi_polynomials import QuasiPolynomial
from eomsym.step_index.resummation import Resummed, check_summable, resummed, resummed_rows, tell_growth
from eomsym.step_index.solver import Algebra, Solution, solve, solve_slow
from eomsym.step_index.tables import EvaluationPlan, Matrix, Tables, evaluation_plan, integer_nodes, small_nodes
from eomsym.step_index.weights import logarithm, resolvent, sum_to, value_at, weights

# What needs NumPy, which a derivation does without.
if TYPE_CHECKING:
    from eomsym.step_index.numbers import NumberAlgebra, ProgramAlgebra, program_counterterms

__all__ = [
    "MAX_LOOKAHEAD_ORDER",
    "Algebra",
    "EvaluationPlan",
    "Matrix",
    "NumberAlgebra",
    "ProgramAlgebra",
    "QuasiPolynomial",
    "Resummed",
    "Solution",
    "Tables",
    "check_growth",
    "check_summable",
    "difference_growth",
    "evaluation_plan",
    "integer_nodes",
    "logarithm",
    "lookahead_weights",
    "map_logarithm",
    "program_counterterms",
    "resolvent",
    "resummed",
    "resummed_rows",
    "small_nodes",
    "solve",
    "solve_slow",
    "sum_to",
    "tell_growth",
    "two_sided",
    "value_at",
    "weights",
]

__getattr__, __dir__ = lazy.attach(__name__)
