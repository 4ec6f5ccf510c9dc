"""The registry of optimisers, found by name or alias, and what is needed to write one's own."""

from eomsym.optimizers.batches import batch_passes
from eomsym.optimizers.libraries import LIBRARIES
from eomsym.optimizers.maps import Map
from eomsym.optimizers.optimizer import Optimizer, Parameter, flag
from eomsym.optimizers.registry import FURTHER, REGISTRY, chosen, from_torch, get, register
from eomsym.optimizers.rounds import rounds
from eomsym.optimizers.runge_kutta import runge_kutta, runge_kutta_family
from eomsym.optimizers.stepping import solve, sqrt
from eomsym.optimizers.variants import COMMON

__all__ = [
    "REGISTRY",
    "Map",
    "Optimizer",
    "Parameter",
    "batch_passes",
    "chosen",
    "flag",
    "get",
    "register",
    "rounds",
    "runge_kutta",
    "runge_kutta_family",
    "solve",
    "sqrt",
]
