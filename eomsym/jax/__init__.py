"""Equations of motion of JAX models: counter terms on any pytree, and the look-ahead field for models of any size."""

from __future__ import annotations

from importlib.util import find_spec

from eomsym.errors import MissingExtraError

if find_spec("jax") is None:
    raise MissingExtraError("eomsym.jax: the package jax is not installed; pip install 'eomsym[jax]'")

from eomsym.jax.checked import checked_jit
from eomsym.jax.corrected import with_counterterm
from eomsym.jax.integration import integrate, ode_term
from eomsym.jax.library import counterterms, equation_of_motion, lookahead_field, whole_state_terms
from eomsym.jax.optax_rules import from_optax
from eomsym.jax.optax_schedules import from_optax_schedule
from eomsym.jax.optimizer_state import optax_state

__all__ = [
    "checked_jit",
    "counterterms",
    "equation_of_motion",
    "from_optax",
    "from_optax_schedule",
    "integrate",
    "lookahead_field",
    "ode_term",
    "optax_state",
    "whole_state_terms",
    "with_counterterm",
]
