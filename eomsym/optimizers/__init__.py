"""The registry of optimisers: one file each, found by name or alias."""

from __future__ import annotations

from eomsym.errors import InputError
from eomsym.optimizers import gradient_descent
from eomsym.optimizers._base import Coefficient, DifferenceForm, Evaluation, Optimizer, Parameter, read_rational

__all__ = [
    "REGISTRY",
    "Coefficient",
    "DifferenceForm",
    "Evaluation",
    "Optimizer",
    "Parameter",
    "get",
    "read_rational",
]

#: Every optimiser by its name, in the order in which they are listed to people.
REGISTRY: dict[str, Optimizer] = {entry.name: entry for entry in (gradient_descent.OPTIMIZER,)}

_BY_ALIAS = {alias: entry for entry in REGISTRY.values() for alias in (entry.name, *entry.aliases)}


def get(name: str) -> Optimizer:
    """The optimiser called ``name`` (or one of its aliases).  Raises ``InputError`` if there is none."""
    if name not in _BY_ALIAS:
        raise InputError(f"optimizer {name!r}: unknown; choose from {', '.join(REGISTRY)}")
    return _BY_ALIAS[name]
