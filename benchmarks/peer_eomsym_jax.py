"""``eomsym.jax.counterterms``: what the package itself gives for a JAX model that has no generated kernel."""

from __future__ import annotations

from typing import Any

import eomsym.jax
from benchmarks.cases import Case
from benchmarks.jax_tools import compiled, loss_function


def prepare(case: Case, terms: int):
    """Compile seconds, a call, its rows: as ``jax_tools.compiled``."""

    def counterterms(parameters: Any, inputs: Any, targets: Any) -> list[Any]:
        return eomsym.jax.counterterms(loss_function(case, inputs, targets), parameters, terms - 1, check=False)

    return compiled(case, counterterms)
