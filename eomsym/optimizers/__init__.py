"""The registry of optimisers, found by name or alias, and what is needed to write one's own."""

from eomsym.exact_numbers import Coefficient, read_rational
from eomsym.optimizers.batches import Batches, cut, of_index_sets, read_batching
from eomsym.optimizers.families import batch_passes, member, runge_kutta_family
from eomsym.optimizers.latex import rule_latex
from eomsym.optimizers.libraries import LIBRARIES
from eomsym.optimizers.loop import Loop, loop_of, losses_in_turn
from eomsym.optimizers.optimizer import Field, Optimizer, Parameter, flag
from eomsym.optimizers.registry import (
    FURTHER,
    REGISTRY,
    check_one_gradient,
    chosen,
    from_torch,
    get,
    is_built_in,
    label,
    register,
)
from eomsym.optimizers.rule import (
    Atom,
    Elapsed,
    Gradient,
    Linear,
    One,
    Product,
    Quotient,
    SquareRoot,
    Stage,
    State,
    UpdateRule,
)
from eomsym.optimizers.runge_kutta import runge_kutta
from eomsym.optimizers.stepping import Later, number, solve, sqrt
from eomsym.optimizers.tracing import trace
from eomsym.optimizers.variants import COMMON, options_of
from eomsym.optimizers.whole_state import WholeState, chosen_whole, whole_state
from eomsym.schedules import RATE

__all__ = [
    "COMMON",
    "FURTHER",
    "LIBRARIES",
    "RATE",
    "REGISTRY",
    "Atom",
    "Batches",
    "Coefficient",
    "Elapsed",
    "Field",
    "Gradient",
    "Later",
    "Linear",
    "Loop",
    "One",
    "Optimizer",
    "Parameter",
    "Product",
    "Quotient",
    "SquareRoot",
    "Stage",
    "State",
    "UpdateRule",
    "WholeState",
    "batch_passes",
    "check_one_gradient",
    "chosen",
    "chosen_whole",
    "cut",
    "flag",
    "from_torch",
    "get",
    "is_built_in",
    "label",
    "loop_of",
    "losses_in_turn",
    "member",
    "number",
    "of_index_sets",
    "options_of",
    "read_batching",
    "read_rational",
    "register",
    "rule_latex",
    "runge_kutta",
    "runge_kutta_family",
    "solve",
    "sqrt",
    "trace",
    "whole_state",
]
