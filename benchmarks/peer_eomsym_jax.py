"""``eomsym.jax.counterterms``: what the package itself gives for a JAX model that has no generated kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

import eomsym.jax
from benchmarks.cases import Case
from benchmarks.jax_tools import compiled, encoded_targets, loss_function, unpacked


def prepare(case: Case, terms: int):
    """Compile seconds, a call, its rows: as ``jax_tools.compiled``."""

    def counterterms(parameters: Any, inputs: Any, targets: Any) -> list[Any]:
        return eomsym.jax.counterterms(loss_function(case, inputs, targets), parameters, terms - 1, check=False)

    return compiled(case, counterterms)


def checks(case: Case, terms: int) -> dict[str, Callable[[], object]]:
    """Calls outside of ``jax.jit``, with the check and without."""
    parameters = unpacked(case, case.theta)
    loss = loss_function(case, jnp.asarray(case.inputs), jnp.asarray(encoded_targets(case)))

    def called(check: bool) -> object:
        return jax.block_until_ready(eomsym.jax.counterterms(loss, parameters, terms - 1, check=check))

    return {"checked": lambda: called(True), "unchecked": lambda: called(False)}
